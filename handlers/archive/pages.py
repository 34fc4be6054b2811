"""Looks up the page of an archive that a query asks for.

If that takes long, others go on meanwhile: words are looked for in a thread, one search after the other; all else in
portions, one at a time, which together get half of the loop's time at most.
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
    """The messages of a page, the oldest first.

    `is_complete`: there is nothing beyond this page in the direction in which the client pages. `is_from_the_start`:
    nothing that was asked for comes before the page.
    """

    entries: list[Entry]
    is_complete: bool
    is_from_the_start: bool


class Limits(NamedTuple):
    """How many messages a page has if the client names no number, how many at most, and how many bytes."""

    usual: int
    most: int
    size: int


PAUSE_SECONDS = 0.005
"""After a portion, which takes about as long."""


MOST_AT_ONCE = 20
"""How many accounts may search for words at the same time, each once: they wait for each other."""


class Searches:
    """The searches under way. `turn`: held by the one that looks through a portion. `for_words`: the numbers of the
    archives that are searched for words, or wait for that. A server has one."""

    def __init__(self) -> None:
        self.turn = Semaphore()
        self.for_words: set[int] = set()


def find(db: Database, number: int, query: Query, limits: Limits, searches: Searches) -> Page:
    """The page of the archive of this number. Raises StanzaError for an id of no message in it, and if words take too
    long to find. Yields if there is much to look through; messages on the page may be deleted meanwhile."""
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
    """What the query narrows the archive down to, with rows in place of ids."""
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
    """The first entries that have at most `size` bytes together, but at least one, so that a client that pages on gets
    ahead."""
    entries: list[Entry] = []
    for entry in found:
        size -= entry.size
        if size < 0 and entries:
            break
        entries.append(entry)
    return entries
