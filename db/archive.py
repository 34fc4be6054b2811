"""Archived messages (XEP-0313): as they come they are appended, and a little later indexed, many at once.

    archive_message   all of them, in the order in which they came, for all accounts in one place
    archive_text      what they are found by: whose archive it is, whose conversation, and their words (FTS5)
    archive_indexed   up to which row that is so

To append costs a fraction of what the index costs, and that a fraction for many messages of what it costs for each.
Whoever looks something up has the rest indexed first (`settle`); the server sees to it that this is never much.

A message is known to the server by its `row`, which gives the order, and to clients by its `uid`: a time, and chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from json import dumps
from math import ceil, floor
from typing import Any, NamedTuple

from peewee import SQL, AutoField, BlobField, BooleanField, Expression, IntegerField, Model, Table, TextField, fn

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

MAX_ROW = 2**63 - 1
CLOCK_SLACK = 3600
"""How many seconds the clock may be set back: for so long rows are not in the order of time."""
RETRACTABLE = 1_000
"""How far back in a conversation a message is looked for by the id that its sender gave it."""

MESSAGE_EFFORT = 40
"""To index a message that has no text costs about as much as so many characters of text."""
BATCH_EFFORT = 250 * MESSAGE_EFFORT
"""What is indexed at once, for some milliseconds: that is how long others wait."""
MERGED_PAGES = 8
"""With each batch so much of the index is brought in order: it is kept in pieces, which any look-up looks into."""


class ArchivedMessage(Model):
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
        table_name = "archive_message"


class Indexed(Model):
    up_to = IntegerField()

    class Meta:
        table_name = "archive_indexed"
        primary_key = False


_M = ArchivedMessage
_WORDS = Table("archive_words")  # a view: what the index is made of
TEXT = Table("archive_text")
MATCHES = Expression(SQL("archive_text"), "MATCH", ANY)
"""What the index finds; value: see `words_of`."""


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
    _M.insert(
        archive=ANY, uid=ANY, at=ANY, contact=ANY, resource=ANY, is_sent=ANY, message_id=ANY, text=ANY, stanza=ANY
    )
)
_IS_NEW = SQL("id > (SELECT up_to FROM archive_indexed)")
_EFFORT = fn.LENGTH(_M.text) + SQL(str(MESSAGE_EFFORT))
_WAITING = Prepared(_M.select(_M.id, _EFFORT).where(_IS_NEW).order_by(_M.id).limit(ANY))
_INDEX = Prepared(
    TEXT.insert(
        _WORDS.select(_WORDS.c.id, _WORDS.c.archive, _WORDS.c.contact, _WORDS.c.text)
        .where(_IS_NEW, _WORDS.c.id <= ANY)
        .order_by(_WORDS.c.id),
        columns=[TEXT.c.rowid, TEXT.c.archive, TEXT.c.contact, TEXT.c.text],
    )
)
_NOTE = Prepared(Indexed.update(up_to=ANY))
_MERGE = Prepared(TEXT.insert({TEXT.c.archive_text: SQL("'merge'"), TEXT.c.rank: ANY}))


def append(
    db: Database, archive: int, uid: str, at: int, contact: str, resource: str, is_sent: bool, message_id: str,
    text: str, stanza: bytes,
) -> None:  # fmt: skip
    """Archives a message, as the archive's owner sees it; it is on the disk when `handled().ticket` closes.

    `at`: in milliseconds since 1970. `contact`: the other side's bare address; the owner's own, for a message to
    oneself. `message_id`: what its sender gave it. `text`: what it can be found by.
    """
    # Of these very types; of any other, bytes included, sqlite3 looks up each time how it is to be adapted
    row = (archive, uid, at, str(contact), resource, int(is_sent), message_id, text, bytearray(stanza))
    db.append(_APPEND, row)


def settle(db: Database) -> None:
    """Indexes all that has been appended."""
    while index_some(db):
        pass


def index_some(db: Database) -> int:
    """Indexes a batch of what has been appended, the oldest first; returns the effort, 0 where nothing was left."""
    last, effort = _next_batch(db)
    if effort:
        with db.change():
            db.write(_INDEX, last)
            db.write(_NOTE, last)
        db.write(_MERGE, MERGED_PAGES)
    return effort


def _next_batch(db: Database) -> tuple[int, int]:
    """Up to which row to index next, and the effort: at least a message, at most BATCH_EFFORT."""
    last = total = 0
    for row, effort in db.rows(_WAITING, BATCH_EFFORT // MESSAGE_EFFORT):
        if total and total + effort > BATCH_EFFORT:
            break
        last, total = row, total + effort
    return last, total


# -- looking up

_FIND = Prepared(_M.select(_M.id).where((_M.archive == ANY) & (_M.uid == ANY)))
_STANZA = Prepared(_M.select(_M.stanza).where(_M.id == ANY))
_NEXT = Prepared(_M.select(_M.id, _M.at).where(_M.id >= ANY).order_by(_M.id).limit(ANY))
_MAX_ROW = Prepared(_M.select(fn.MAX(_M.id)))


def page(db: Database, selection: Selection, most: int, *, backwards: bool = False) -> list[Entry]:
    """The first messages of a selection, or the last, the very last first. Call settle before. For words it yields, and
    raises SearchTooLong."""
    bounds = (*rows_between(db, selection), *_milliseconds(selection))
    narrower = {
        "contact": selection.contact,
        "resource": selection.resource,
        "rows": None if selection.rows is None else dumps(selection.rows),
        "index": _match(selection) if selection.words or selection.rows is None else None,
    }
    given = {name: value for name, value in narrower.items() if value is not None}
    query = _page_query(tuple(given), backwards)
    look = db.search if selection.words else db.rows
    found = look(query, selection.archive, *bounds, *given.values(), most)
    return [Entry(row, uid, at / 1000, size) for row, uid, at, size in found]


def ends(db: Database, archive: int) -> tuple[Entry, Entry] | None:
    """The oldest and the newest message of an archive; None for an empty one. Call settle before."""
    found = [page(db, Selection(archive), 1, backwards=is_backwards) for is_backwards in (False, True)]
    return (found[0][0], found[1][0]) if all(found) else None


def row_of(db: Database, archive: int, uid: str) -> int | None:
    """The row of a message; None where the archive has no such message. Call settle before."""
    found = db.row(_FIND, archive, uid)
    return found[0] if found else None


def stanza(db: Database, row: int) -> bytes | None:
    """A message as it was archived; None where it is not there any more."""
    found = db.row(_STANZA, row)
    return bytes(found[0]) if found else None


_NARROWER: Mapping[str, Any] = {
    "contact": _M.contact == ANY,
    "resource": _M.resource == ANY,
    "rows": _M.id.in_(SQL("(SELECT value FROM json_each(?))")),
    "index": MATCHES,
}


@cache
def _page_query(narrower: Sequence[str], backwards: bool) -> Prepared:
    """The query for a kind of selection; values: archive, rows and times between, those of the narrower conditions."""
    is_indexed = "index" in narrower
    row: Any = TEXT.c.rowid if is_indexed else _M.id  # by the index' own, what is found comes in order
    query = _M.select(_M.id, _M.uid, _M.at, fn.LENGTH(_M.stanza))
    if is_indexed:
        query = query.join(TEXT, on=TEXT.c.rowid == _M.id)
    always = (_M.archive == ANY, row > ANY, row < ANY, _M.at >= ANY, _M.at <= ANY)
    query = query.where(*always, *(_NARROWER[name] for name in narrower))
    return Prepared(query.order_by(row.desc() if backwards else row).limit(ANY))


def _match(selection: Selection) -> str:
    """What FTS5 looks for. Inside of quotes nothing means anything to it but quotes."""
    match = words_of(selection.archive, selection.contact)
    if selection.words:
        quoted = " ".join('"' + word.replace('"', '""') + '"' for word in selection.words)
        match += f" AND text : ({quoted})"
    return match


def words_of(archive: int, contact: str | None = None) -> str:
    """What FTS5 finds an archive by, or a conversation in it: the words that archive_words gives them."""
    if contact is None:
        return f'archive : "archive{archive}"'
    return f'contact : "{f"{archive} {contact}".encode().hex()}"'


# -- taking back

_NEWEST = (
    _M.select(_M.id, _M.at, _M.message_id, _M.is_sent)
    .join(TEXT, on=TEXT.c.rowid == _M.id)
    .where(MATCHES)
    .order_by(TEXT.c.rowid.desc())
    .limit(ANY)
)
_FIND_ORIGINAL = Prepared(_NEWEST.select_from(SQL("id, at")).where(SQL("message_id = ? AND is_sent = ?")).limit(ANY))
_REPLACE = Prepared(_M.update(text=ANY, stanza=ANY).where(_M.id == ANY))


def original(db: Database, archive: int, contact: str, is_sent: bool, message_id: str) -> tuple[int, float] | None:
    """The row and the time of the newest message that its sender gave this id, among the RETRACTABLE last."""
    settle(db)
    found = db.row(_FIND_ORIGINAL, words_of(archive, contact), RETRACTABLE, message_id, is_sent, 1)
    return (found[0], found[1] / 1000) if found else None


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


def rows_between(db: Database, selection: Selection) -> tuple[int, int]:
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
