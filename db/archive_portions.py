"""Cuts a selection into portions, if few of many messages may match: each takes some milliseconds to look through.

Not if words are searched for: FTS5 looks for them in all rows, whatever the portion; see db/sqlite/searching.py.
"""

from collections.abc import Iterator
from dataclasses import replace

from db.archive import MATCHES, TEXT, Selection, rows_between, words_of
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

PORTION = 5_000
"""How many messages are in a portion; each may have to be looked at."""

_BETWEEN = TEXT.select(TEXT.c.rowid).where(MATCHES, TEXT.c.rowid > ANY, TEXT.c.rowid < ANY).limit(ANY).offset(ANY)
_FIRST = Prepared(_BETWEEN.order_by(TEXT.c.rowid))
_LAST = Prepared(_BETWEEN.order_by(TEXT.c.rowid.desc()))


def portions(db: Database, selection: Selection, *, backwards: bool) -> Iterator[Selection]:
    """The portions of a selection, in the order in which they are looked through.

    There is only one if the index finds all messages of the selection, or if it has words. Between two portions
    messages may come and go. Call `settle` before.
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
    """True if many messages may have to be looked at that do not match."""
    return any(each is not None for each in (selection.resource, selection.start, selection.end))
