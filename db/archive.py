"""Archived messages (XEP-0313): as they come they are appended, and a little later indexed, many at once.

    archive_incoming   as they came, in the order in which they came; one place in the file for all accounts
    archive_message    indexed by archive, contact and uid, and their words in archive_text

To append costs a fraction of what the indexes cost, and these a fraction for many messages of what they cost for each.
Whoever looks something up has the rest indexed first (`settle`); the server sees to it that this is never much.

A message is known to the server by its `row`, which gives the order, and to clients by its `uid`, which tells nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from json import dumps
from math import ceil, floor
from typing import Any, NamedTuple

from peewee import (
    SQL,
    AutoField,
    BlobField,
    BooleanField,
    Expression,
    IntegerField,
    Model,
    ModelSelect,
    Table,
    TextField,
    fn,
)

from db.database import Database
from db.queries import ANY, Prepared

MAX_ROW = 2**63 - 1
CLOCK_SLACK = 3600
"""How many seconds the clock may be set back: for so long rows are not in the order of time."""
RETRACTABLE = 1_000
"""How far back in a conversation a message is looked for by the id that its sender gave it."""


class IncomingMessage(Model):
    id = AutoField()
    archive = IntegerField()
    uid = TextField()
    at = IntegerField()
    contact = TextField()
    resource = TextField()
    is_sent = BooleanField()
    message_id = TextField()
    text = TextField()
    stanza = BlobField()

    class Meta:
        table_name = "archive_incoming"


class ArchivedMessage(IncomingMessage):
    class Meta:
        table_name = "archive_message"


_TEXT = Table("archive_text")  # its words: FTS5, kept up by triggers
_COLUMNS = [getattr(ArchivedMessage, field.name) for field in ArchivedMessage._meta.sorted_fields]


class Message(NamedTuple):
    """A message to archive, as the archive's owner sees it."""

    archive: int
    uid: str
    at: int
    """In milliseconds since 1970."""
    contact: str
    """The other side's bare address; the owner's own, for a message to oneself."""
    resource: str
    is_sent: bool
    message_id: str
    """The id that its sender gave it."""
    text: str
    """What it can be found by."""
    stanza: bytes


class Entry(NamedTuple):
    """A message in an archive. `size` is that of its stanza, which is not read with it."""

    row: int
    uid: str
    at: float
    size: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages of an archive: all of them, but for what is said. Rows and times are those of the messages."""

    archive: int
    after: int = 0
    before: int = MAX_ROW
    start: float | None = None
    end: float | None = None
    contact: str | None = None
    resource: str | None = None
    words: Sequence[str] = ()
    """All of them have to be in the text, whole, in whatever case and with whatever accents."""
    rows: Sequence[int] | None = None


# -- adding

_APPEND = Prepared(
    IncomingMessage.insert(
        archive=ANY, uid=ANY, at=ANY, contact=ANY, resource=ANY, is_sent=ANY, message_id=ANY, text=ANY, stanza=ANY
    )
)
_UP_TO = IncomingMessage.select(IncomingMessage.id).order_by(IncomingMessage.id).limit(ANY)
_LAST_OF_NEXT = Prepared(_UP_TO.select_from(fn.MAX(SQL("id")), fn.COUNT(SQL("id"))))
_INDEX = Prepared(
    ArchivedMessage.insert_from(
        IncomingMessage.select().where(IncomingMessage.id <= ANY).order_by(IncomingMessage.id), _COLUMNS
    )
)
_DELETE_INDEXED = Prepared(IncomingMessage.delete().where(IncomingMessage.id <= ANY))


def append(db: Database, message: Message) -> None:
    """Archives a message; it is on the disk when the ticket in `db.touched` closes."""
    db.append(_APPEND, message)


def settle(db: Database, most: int = MAX_ROW) -> int:
    """Indexes what has been appended, the oldest first; returns how many messages it was."""
    [(last, count)] = db.rows(_LAST_OF_NEXT, most)
    if count:
        with db.change():
            db.write(_INDEX, last)
            db.write(_DELETE_INDEXED, last)
    return int(count)


# -- looking up

_M = ArchivedMessage
_FIND = Prepared(_M.select(_M.id).where((_M.archive == ANY) & (_M.uid == ANY)))
_STANZA = Prepared(_M.select(_M.stanza).where(_M.id == ANY))
_EDGE = _M.select(_M.id, _M.uid, _M.at, fn.LENGTH(_M.stanza)).where(_M.archive == ANY).limit(ANY)
_FIRST, _LAST = Prepared(_EDGE.order_by(_M.id)), Prepared(_EDGE.order_by(_M.id.desc()))
_NEXT = Prepared(_M.select(_M.id, _M.at).where(_M.id >= ANY).order_by(_M.id).limit(ANY))
_MAX_ROW = Prepared(_M.select(fn.MAX(_M.id)))


def page(db: Database, selection: Selection, most: int, *, backwards: bool = False) -> list[Entry]:
    """The first messages of a selection, or the last, the very last first. Call settle before."""
    bounds = (*_rows_between(db, selection), *_milliseconds(selection))
    narrower = {
        "contact": selection.contact,
        "resource": selection.resource,
        "rows": None if selection.rows is None else dumps(selection.rows),
        "words": _match(selection.archive, selection.words) if selection.words else None,
    }
    given = {name: value for name, value in narrower.items() if value is not None}
    query = _page_query(tuple(given), backwards)
    return [_entry(*row) for row in db.rows(query, selection.archive, *bounds, *given.values(), most)]


def ends(db: Database, archive: int) -> tuple[Entry, Entry] | None:
    """The oldest and the newest message of an archive; None for an empty one. Call settle before."""
    first, last = db.row(_FIRST, archive, 1), db.row(_LAST, archive, 1)
    return (_entry(*first), _entry(*last)) if first and last else None


def row_of(db: Database, archive: int, uid: str) -> int | None:
    """The row of a message; None where the archive has no such message. Call settle before."""
    found = db.row(_FIND, archive, uid)
    return found[0] if found else None


def stanza(db: Database, row: int) -> bytes:
    """A message as it was archived."""
    [(found,)] = db.rows(_STANZA, row)
    return bytes(found)


_NARROWER: Mapping[str, Any] = {
    "contact": _M.contact == ANY,
    "resource": _M.resource == ANY,
    "rows": _M.id.in_(SQL("(SELECT value FROM json_each(?))")),
    "words": Expression(SQL("archive_text"), "MATCH", ANY),
}


@cache
def _page_query(narrower: Sequence[str], backwards: bool) -> Prepared:
    """The query for a kind of selection; values: archive, rows and times between, those of the narrower conditions."""
    row: Any = _TEXT.c.rowid if "words" in narrower else _M.id  # by the words' own, what is found comes in order
    # A plus hides the column from the planner: rows that are named are looked at, and no others
    archive = SQL('+"t1"."archive" = ?') if "rows" in narrower else _M.archive == ANY
    conditions = [archive, row > ANY, row < ANY, _M.at >= ANY, _M.at <= ANY, *(_NARROWER[name] for name in narrower)]
    query: ModelSelect[ArchivedMessage] = _M.select(_M.id, _M.uid, _M.at, fn.LENGTH(_M.stanza))
    if "words" in narrower:
        query = query.join(_TEXT, on=_TEXT.c.rowid == _M.id)
    return Prepared(query.where(*conditions).order_by(row.desc() if backwards else row).limit(ANY))


def _match(archive: int, words: Sequence[str]) -> str:
    """What FTS5 looks for. Inside of quotes nothing means anything to it but quotes."""
    quoted = " ".join('"' + word.replace('"', '""') + '"' for word in words)
    return f'archive : "{archive}" AND text : ({quoted})'


def _entry(row: int, uid: str, at: int, size: int) -> Entry:
    return Entry(row, uid, at / 1000, size)


# -- taking back

_NEWEST = (
    _M.select(_M.id, _M.message_id, _M.is_sent)
    .where((_M.archive == ANY) & (_M.contact == ANY))
    .order_by(_M.id.desc())
    .limit(ANY)
)
_FIND_ORIGINAL = Prepared(_NEWEST.select_from(SQL("id")).where(SQL("message_id = ? AND is_sent = ?")).limit(ANY))
_REPLACE = Prepared(_M.update(text=ANY, stanza=ANY).where(_M.id == ANY))


def row_by_message_id(db: Database, archive: int, contact: str, is_sent: bool, message_id: str) -> int | None:
    """The newest message with the id that its sender gave it, among the RETRACTABLE last ones of a conversation."""
    settle(db)
    found = db.row(_FIND_ORIGINAL, archive, contact, RETRACTABLE, message_id, is_sent, 1)
    return found[0] if found else None


def replace(db: Database, row: int, stanza: bytes) -> None:
    """Puts something else in a message's place, which can no longer be found by its words."""
    db.write(_REPLACE, "", stanza, row)


# -- by time


def _milliseconds(selection: Selection) -> tuple[int, int]:
    """The times of a selection, as they are kept."""
    start, end = selection.start, selection.end
    # rounded first: of a moment to the millisecond there is left a little more or less than a whole number of them
    first = 0 if start is None else ceil(round(start * 1000, 3))
    last = MAX_ROW if end is None else floor(round(end * 1000, 3))
    return first, last


def _rows_between(db: Database, selection: Selection) -> tuple[int, int]:
    """The rows between which a selection lies: its own, narrowed down by its times."""
    after, before = selection.after, selection.before
    if selection.start is not None:
        after = max(after, first_row_since(db, selection.start - CLOCK_SLACK) - 1)
    if selection.end is not None:
        before = min(before, first_row_since(db, selection.end + CLOCK_SLACK))
    return after, before


def first_row_since(db: Database, moment: float) -> int:
    """The row, of whatever archive, with which messages begin that are not older; found by halving.

    Rows are in the order of time but for setting back the clock: by CLOCK_SLACK at most, every row that is that much
    younger comes after it, every one that is that much older before.
    """
    low, high, at = 1, (db.rows(_MAX_ROW)[0][0] or 0) + 1, moment * 1000
    while low < high:
        middle = (low + high) // 2
        row, found = db.rows(_NEXT, middle, 1)[0]
        if found >= at:
            high = middle
        else:
            low = row + 1
    return low
