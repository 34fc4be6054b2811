"""How many bytes each archive holds: counted a little later, many messages at once, as with the index.

To count each message as it comes would cost another write for each.
"""

from peewee import SQL, IntegerField, Model, fn

from db.archive import ArchivedMessage
from db.archives import HAS_OWNER, ArchiveOwner
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared


class Counted(Model):
    up_to = IntegerField()

    class Meta:
        table_name = "archive_counted"
        primary_key = False


_M, _A = ArchivedMessage, ArchiveOwner
_WAITING = (
    _M.select(_M.id, _M.archive, fn.LENGTH(_M.stanza).alias("size"))
    .where(SQL("id > (SELECT up_to FROM archive_counted)"))
    .order_by(_M.id)
    .limit(ANY)
)
_SUMS = Prepared(
    _WAITING.select_from(_WAITING.c.archive, fn.SUM(_WAITING.c.size), fn.MAX(_WAITING.c.id)).group_by(
        _WAITING.c.archive
    )
)
_ADD = Prepared(_A.update({_A.bytes: _A.bytes + ANY}).where(_A.number == ANY))
_NOTE = Prepared(Counted.update(up_to=ANY))
_LARGER = Prepared(_A.select(_A.number).where((_A.bytes > ANY) & HAS_OWNER))
_SIZE = Prepared(_A.select(_A.bytes).where(_A.number == ANY))


def count_some(db: Database, most: int) -> bool:
    """Counts at most so many more messages; True if there were any."""
    sums = db.rows(_SUMS, most)
    if sums:
        with db.change():
            db.write_many(_ADD, [(size, archive) for archive, size, _ in sums])
            db.write(_NOTE, max(last for _, _, last in sums))
    return bool(sums)


def larger_than(db: Database, size: int) -> list[int]:
    """The archives of accounts and rooms that hold more, as far as it has been counted."""
    return [number for (number,) in db.rows(_LARGER, size)]


def size(db: Database, archive: int) -> int:
    """How many bytes an archive holds, as far as it has been counted."""
    row = db.row(_SIZE, archive)
    return row[0] if row else 0
