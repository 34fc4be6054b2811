"""Deletes from the archives, a little at a time: what is too old, what is too much, and what belongs to nobody.

Always the oldest messages, so that no archive has a hole (XEP-0313 section "Message retention and deletion"). Nothing
here is deleted by cascade: an archive of years, at once, would hold up the server for as long.
"""

from peewee import ModelSelect, fn

from db.archive import MAX_ROW, ArchivedMessage, first_row_since, settle
from db.archives import ArchiveOwner
from db.database import Database
from db.queries import ANY, Prepared

_M = ArchivedMessage


def _delete(these: "ModelSelect[ArchivedMessage]") -> Prepared:
    return Prepared(_M.delete().where(_M.id.in_(these.order_by(_M.id).limit(ANY))))


_IDS = _M.select(_M.id)
_DELETE_BEFORE = _delete(_IDS.where(_M.id < ANY))
_DELETE_OF_ARCHIVE = _delete(_IDS.where((_M.archive == ANY) & (_M.id < ANY)))
_NUMBERS = Prepared(ArchiveOwner.select(ArchiveOwner.number).where(ArchiveOwner.account.is_null(False)))
_ORPHAN = Prepared(ArchiveOwner.select(fn.MIN(ArchiveOwner.number)).where(ArchiveOwner.account.is_null()))
_DELETE_ARCHIVE = Prepared(ArchiveOwner.delete().where(ArchiveOwner.number == ANY))
_SKIP = Prepared(
    _M.select(_M.id).where((_M.archive == ANY) & (_M.id < ANY)).order_by(_M.id.desc()).limit(ANY).offset(ANY)
)


def delete_older(db: Database, than: float, most: int) -> int:
    """Deletes messages of all archives that are older; returns how many it was."""
    return db.write(_DELETE_BEFORE, first_row_since(db, than), most)


def delete_before(db: Database, archive: int, row: int, most: int) -> int:
    """Deletes messages of an archive that came before this one; returns how many it was."""
    return db.write(_DELETE_OF_ARCHIVE, archive, row, most)


def delete_orphans(db: Database, most: int) -> int:
    """Deletes messages of an account that is gone, and with the last of them its archive; returns how much it was."""
    archive = db.rows(_ORPHAN)[0][0]
    if archive is None:
        return 0
    settle(db)
    gone = db.write(_DELETE_OF_ARCHIVE, archive, MAX_ROW, most)
    return gone or db.write(_DELETE_ARCHIVE, archive)


def archives(db: Database) -> list[int]:
    """The archives of all accounts."""
    return [number for (number,) in db.rows(_NUMBERS)]


def row_before(db: Database, archive: int, row: int, count: int) -> int | None:
    """The message that is so many before another one in its archive; None where there are not so many."""
    found = db.row(_SKIP, archive, row, 1, count - 1)
    return found[0] if found else None
