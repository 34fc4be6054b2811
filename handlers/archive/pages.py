"""Looks up the page of an archive that a query asks for.

Where that takes long others go on: words are looked for in a thread, one search after the other, and the rest in
portions that take turns, so that all together get half of the loop's time at most.
"""

from collections.abc import Iterable
from typing import NamedTuple

import gevent
from gevent.lock import Semaphore

from db import archive
from db.archive import Entry, Selection
from db.archive_portions import portions
from db.sqlite.database import Database
from db.sqlite.errors import SearchTooLong
from handlers.archive.query import Query
from xmpp.data.errors import StanzaError


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


PAUSE_SECONDS = 0.005
"""After a portion, which takes about as long."""


MOST_AT_ONCE = 20
"""So many accounts may look for words at the same time, each for one thing: they wait for each other."""


class Searches:
    """Whose turn it is: one at a time looks through a portion. `for_words`: the archives that wait for the thread."""

    def __init__(self) -> None:
        self.turn = Semaphore()
        self.for_words: set[int] = set()


def find(db: Database, number: int, query: Query, limits: Limits, searches: Searches) -> Page:
    """The page of this archive; raises StanzaError where it has no message of an id in the query, or it takes too long.
    Yields where there is much to be looked through, and then messages may be deleted that are on the page."""
    archive.settle(db)
    asked = query.page
    wanted = min(limits.usual if asked.max is None else asked.max, limits.most)
    is_backwards = asked.before is not None
    # One more tells whether there are more
    found = _first(db, _selection(db, number, query), wanted + 1, is_backwards, searches)
    entries = _within(found[:wanted], limits.size)
    is_complete = len(entries) == len(found)
    is_from_the_start = is_complete if is_backwards else asked.after is None
    return Page(entries[::-1] if is_backwards else entries, is_complete, is_from_the_start)


def _first(db: Database, selection: Selection, most: int, is_backwards: bool, searches: Searches) -> list[Entry]:
    if selection.words:
        return _with_words(db, selection, most, is_backwards, searches)
    parts = portions(db, selection, backwards=is_backwards)
    found = archive.page(db, next(parts), most, backwards=is_backwards)
    for part in parts if len(found) < most else ():
        with searches.turn:
            found += archive.page(db, part, most - len(found), backwards=is_backwards)
            gevent.sleep(PAUSE_SECONDS)
        if len(found) == most:
            break
    return found


def _with_words(db: Database, selection: Selection, most: int, is_backwards: bool, searches: Searches) -> list[Entry]:
    under_way = searches.for_words
    if selection.archive in under_way or len(under_way) >= MOST_AT_ONCE:
        raise StanzaError("resource-constraint", "one search at a time")
    under_way.add(selection.archive)
    try:
        return archive.page(db, selection, most, backwards=is_backwards)
    except SearchTooLong:
        raise StanzaError("policy-violation", "this takes too long to find: fewer words, or a shorter time?") from None
    finally:
        under_way.remove(selection.archive)


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
