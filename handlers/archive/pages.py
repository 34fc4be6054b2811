"""Looks up the page of an archive that a query asks for."""

from collections.abc import Iterable
from typing import NamedTuple

from db import archive
from db.archive import Entry, Selection
from db.database import Database
from handlers.archive.query import Query
from xmpp.errors import StanzaError


class Page(NamedTuple):
    """The messages of a page, the oldest first; whether nothing is left out; whether it begins with the first."""

    entries: list[Entry]
    is_complete: bool
    is_from_the_start: bool


class Limits(NamedTuple):
    """How many messages a page has if nothing is said, how many at most, and how many bytes."""

    usual: int
    most: int
    size: int


def find(db: Database, number: int, query: Query, limits: Limits) -> Page:
    """The page of this archive; raises StanzaError where it has no message of an id in the query."""
    archive.settle(db)
    asked = query.page
    wanted = min(limits.usual if asked.max is None else asked.max, limits.most)
    is_backwards = asked.before is not None
    # One more tells whether there are more
    found = archive.page(db, _selection(db, number, query), wanted + 1, backwards=is_backwards)
    entries = _within(found[:wanted], limits.size)
    is_complete = len(entries) == len(found)
    is_from_the_start = is_complete if is_backwards else asked.after is None
    return Page(entries[::-1] if is_backwards else entries, is_complete, is_from_the_start)


def _selection(db: Database, number: int, query: Query) -> Selection:
    """What the query narrows the archive down to. Its ids, too, are only told apart by their places."""
    page, contact = query.page, query.contact
    return Selection(
        number,
        after=max((_row(db, number, id) for id in (query.after_id, page.after) if id), default=0),
        before=min((_row(db, number, id) for id in (query.before_id, page.before) if id), default=archive.MAX_ROW),
        start=query.start,
        end=query.end,
        contact=None if contact is None else contact.bare,
        resource=None if contact is None or contact.is_bare else contact.resource,
        words=query.words,
        rows=[_row(db, number, id) for id in query.ids] or None,
    )


def _row(db: Database, number: int, id: str) -> int:
    row = archive.row_of(db, number, id)
    if row is None:
        raise StanzaError("item-not-found")
    return row


def _within(found: Iterable[Entry], size: int) -> list[Entry]:
    """As many as have this size together, but at least one: a client that asks again must get on."""
    entries: list[Entry] = []
    for entry in found:
        size -= entry.size
        if size < 0 and entries:
            break
        entries.append(entry)
    return entries
