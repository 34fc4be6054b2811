"""Archived messages (XEP-0313): appended as they come, and indexed a little later, many at once.

    archive_message   all of them, in the order in which they came, for all accounts and rooms in one place
    archive_text      what they are found by: whose archive it is, whose conversation, and their words (FTS5)
    archive_indexed   up to which row that is so

To append costs a fraction of what indexing costs, and to index many messages at once costs a fraction of indexing each.
Before a look-up the rest is indexed (`settle`); the server indexes often enough for this to be little.

The server knows a message by its `row`, which gives the order, and clients by its `uid`, a time and random text.
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
from xmpp.data.jid import JID

MAX_ROW = 2**63 - 1
CLOCK_SLACK = 3600
"""How many seconds the clock may be set back; rows may be out of the order of time by that much."""
RETRACTABLE = 1_000
"""A message is looked for by its sender's id among so many messages of a conversation, the newest ones."""

MESSAGE_EFFORT = 40
"""To index a message without text costs about as much as so many characters of text."""
BATCH_EFFORT = 1_000 * MESSAGE_EFFORT
"""Indexed at once, if nobody says how much; takes some milliseconds, for which others wait."""
EFFORTS_AT_ONCE = 100
"""Of so many messages it is asked at once how much effort they are."""
MERGED_PAGES = 8
MERGED_EFFORT = 1_000
"""How much of the index is merged after each batch: so many pages at least, and a page for so much effort. The index is
in pieces, all of which each look-up reads; and when they are very many, SQLite merges all at once, for which others
would wait. Of long messages a piece is more than MERGED_PAGES, so that these would never catch up."""


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
    """A message in an archive, without its stanza, of which `size` is the length in bytes."""

    row: int
    uid: str
    at: float
    size: int


class Message(NamedTuple):
    """A message, read; `at` in seconds since 1970."""

    row: int
    at: float
    stanza: bytes


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages of an archive are meant: those that fulfil all conditions given here. None is no condition.

    `after` and `before` are rows, exclusive; `start` and `end` times in seconds since 1970, inclusive.
    """

    archive: int
    after: int = 0
    before: int = MAX_ROW
    start: float | None = None
    end: float | None = None
    contact: str | None = None
    resource: str | None = None
    words: Sequence[str] = ()
    """Each has to be in the text as a whole word; case and accents do not matter."""
    rows: Sequence[int] | None = None


# -- adding

_APPEND = Prepared(
    _M.insert(
        archive=ANY, uid=ANY, at=ANY, contact=ANY, resource=ANY, is_sent=ANY, message_id=ANY, text=ANY, stanza=ANY
    )
)
_IS_NEW = SQL("id > (SELECT up_to FROM archive_indexed)")
EFFORT = fn.LENGTH(_M.text) + SQL(str(MESSAGE_EFFORT))
_UP_TO = Prepared(Indexed.select(Indexed.up_to))
_NEXT_EFFORTS = Prepared(_M.select(_M.id, EFFORT).where(_M.id > ANY).order_by(_M.id).limit(ANY))
_ALL_WAITING = Prepared(_M.select(fn.SUM(EFFORT)).where(_IS_NEW))
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
    oneself; of a room, who has written it. `message_id`: what its sender gave it. `text`: what it can be found by.
    """
    # Of exactly these types: for any other, even bytes, sqlite3 looks up each time how to adapt it
    row = (archive, uid, at, str(contact), resource, int(is_sent), message_id, text, bytearray(stanza))
    db.append(_APPEND, row)


def settle(db: Database) -> None:
    """Indexes all that has been appended."""
    while index_some(db, BATCH_EFFORT):
        pass


def effort_waiting(db: Database) -> int:
    """The effort of all that is not indexed yet."""
    [(effort,)] = db.rows(_ALL_WAITING)
    return int(effort or 0)


def index_some(db: Database, most: int) -> int:
    """Indexes a batch of what has been appended, the oldest first, of that effort at most; returns the effort, 0 if
    nothing was left."""
    last, effort = _next_batch(db, most)
    if effort:
        with db.change():
            db.write(_INDEX, last)
            db.write(_NOTE, last)
        merge(db, effort)
    return effort


def merge(db: Database, effort: int) -> None:
    """Merges some of the index, once a batch of that effort was added to it, or was taken out of it."""
    db.write(_MERGE, max(MERGED_PAGES, effort // MERGED_EFFORT))


def _next_batch(db: Database, most: int) -> tuple[int, int]:
    """The row up to which to index next, and the effort: at least one message, else at most that."""
    [(last,)], total = db.rows(_UP_TO), 0
    while following := db.rows(_NEXT_EFFORTS, last, EFFORTS_AT_ONCE):
        for row, effort in following:
            if total and total + effort > most:
                return last, total
            last, total = row, total + effort
    return last, total


# -- looking up

_FIND = Prepared(_M.select(_M.id).where((_M.archive == ANY) & (_M.uid == ANY)))
_STANZA = Prepared(_M.select(_M.stanza).where(_M.id == ANY))
_CONTACT = Prepared(_M.select(_M.contact, _M.resource).where(_M.id == ANY))
_MESSAGE = Prepared(_M.select(_M.id, _M.at, _M.stanza).where((_M.archive == ANY) & (_M.uid == ANY)))
_NEXT = Prepared(_M.select(_M.id, _M.at).where(_M.id >= ANY).order_by(_M.id).limit(ANY))
_MAX_ROW = Prepared(_M.select(fn.MAX(_M.id)))


def page(db: Database, selection: Selection, most: int, *, backwards: bool = False) -> list[Entry]:
    """The first `most` messages of a selection; with `backwards` the last ones, the newest first.

    Call `settle` before. If the selection has words, this yields, and may raise SearchTooLong.
    """
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
    """The oldest and the newest message of an archive, None if it is empty. Call `settle` before."""
    found = [page(db, Selection(archive), 1, backwards=is_backwards) for is_backwards in (False, True)]
    return (found[0][0], found[1][0]) if all(found) else None


def row_of(db: Database, archive: int, uid: str) -> int | None:
    """The row of a message; None if the archive has no such message. Call `settle` before."""
    found = db.row(_FIND, archive, uid)
    return found[0] if found else None


def contact(db: Database, row: int) -> JID | None:
    """With whom a message was exchanged, in a room who has written it: as full an address as was known."""
    found = db.row(_CONTACT, row)
    if found is None:
        return None
    contact, resource = JID.parse(found[0]), found[1]
    return contact.with_resource(resource) if resource else contact


def message(db: Database, archive: int, uid: str) -> Message | None:
    """A message as it was archived, by its id; None where the archive has no such message."""
    found = db.row(_MESSAGE, archive, uid)
    return None if found is None else Message(found[0], found[1] / 1000, bytes(found[2]))


def stanza(db: Database, row: int) -> bytes | None:
    """A message as it was archived; None if it is gone."""
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
    """The query for a kind of selection; values: archive, rows, times, those of the narrower conditions, count."""
    is_indexed = "index" in narrower
    row: Any = TEXT.c.rowid if is_indexed else _M.id  # rowid, since FTS5 finds messages in the order of that
    query = _M.select(_M.id, _M.uid, _M.at, fn.LENGTH(_M.stanza))
    if is_indexed:
        query = query.join(TEXT, on=TEXT.c.rowid == _M.id)
    always = (_M.archive == ANY, row > ANY, row < ANY, _M.at >= ANY, _M.at <= ANY)
    query = query.where(*always, *(_NARROWER[name] for name in narrower))
    return Prepared(query.order_by(row.desc() if backwards else row).limit(ANY))


def _match(selection: Selection) -> str:
    """The expression for FTS5. Inside of quotes only a quote has a meaning."""
    match = words_of(selection.archive, selection.contact)
    if selection.words:
        quoted = " ".join('"' + word.replace('"', '""') + '"' for word in selection.words)
        match += f" AND text : ({quoted})"
    return match


def words_of(archive: int, contact: str | None = None) -> str:
    """The expression by which FTS5 finds an archive, or a conversation in it, as the view archive_words names them."""
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
_EFFORT_OF = Prepared(_M.select(EFFORT).where(_M.id == ANY))
_REPLACE = Prepared(_M.update(text=ANY, stanza=ANY).where(_M.id == ANY))


def original(db: Database, archive: int, contact: str, is_sent: bool, message_id: str) -> tuple[int, float] | None:
    """The row and the time of the newest message to which its sender gave this id, among the last RETRACTABLE."""
    settle(db)
    found = db.row(_FIND_ORIGINAL, words_of(archive, contact), RETRACTABLE, message_id, is_sent, 1)
    return (found[0], found[1] / 1000) if found else None


def replace(db: Database, row: int, stanza: bytes) -> None:
    """Replaces a message by another stanza, which cannot be found by words."""
    effort = db.row(_EFFORT_OF, row)
    db.write(_REPLACE, "", stanza, row)
    merge(db, effort[0] if effort else 0)


# -- by time


def _milliseconds(selection: Selection) -> tuple[int, int]:
    """The times of a selection in milliseconds, as they are stored."""
    start, end = selection.start, selection.end
    # Rounded first, since whole milliseconds, as a float of seconds, come out a little too large or too small
    first = 0 if start is None else ceil(round(start * 1000, 3))
    last = MAX_ROW if end is None else floor(round(end * 1000, 3))
    return first, last


def rows_between(db: Database, selection: Selection) -> tuple[int, int]:
    """The rows between which the messages of a selection are: `after` and `before`, narrowed down by its times."""
    after, before = selection.after, selection.before
    if selection.start is not None:
        after = max(after, first_row_since(db, selection.start - CLOCK_SLACK) - 1)
    if selection.end is not None:
        before = min(before, first_row_since(db, selection.end + CLOCK_SLACK))
    return after, before


def first_row_since(db: Database, moment: float) -> int:
    """The row, in any archive, at which the messages since a moment begin; found by bisection.

    If the clock has been set back, rows are out of order by CLOCK_SLACK at most: rows younger than the moment by that
    much are still found at or after this row, and older ones before it.
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
