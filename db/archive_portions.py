"""Looks through an archive in portions, where what is asked for may be few among many: each takes some milliseconds.

Not for words: FTS5 looks on for all of them until it finds a place, in whatever rows; see db/sqlite/searching.py.
"""

from collections.abc import Iterator
from dataclasses import replace

from db.archive import MATCHES, TEXT, Selection, rows_between, words_of
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

PORTION = 5_000
"""So many messages, each of which may have to be looked at."""

_BETWEEN = TEXT.select(TEXT.c.rowid).where(MATCHES, TEXT.c.rowid > ANY, TEXT.c.rowid < ANY).limit(ANY).offset(ANY)
_FIRST = Prepared(_BETWEEN.order_by(TEXT.c.rowid))
_LAST = Prepared(_BETWEEN.order_by(TEXT.c.rowid.desc()))


def portions(db: Database, selection: Selection, *, backwards: bool) -> Iterator[Selection]:
    """The parts of a selection, in the order in which they are looked through.

    It is one part where the index itself finds what is asked for, and where words are looked for. Between two parts
    messages may come and go. Call settle before.
    """
    if selection.words or selection.rows is not None or not _is_sifted(selection):
        yield selection
        return
    after, before = rows_between(db, selection)
    match = words_of(selection.archive, selection.contact)
    while (edge := db.row(_LAST if backwards else _FIRST, match, after, before, 1, PORTION)) is not None:
        if backwards:
            yield replace(selection, after=edge[0], before=before)
            before = edge[0] + 1
        else:
            yield replace(selection, after=after, before=edge[0])
            after = edge[0] - 1
    yield replace(selection, after=after, before=before)


def _is_sifted(selection: Selection) -> bool:
    """Whether there may be many messages that are looked at and not meant."""
    return any(each is not None for each in (selection.resource, selection.start, selection.end))
