"""Deletes from the archives, a little at a time: what is too old, what is too much, and what belongs to no account.

Always the oldest messages, so that no archive has a hole (XEP-0313 section "Message retention and deletion"). Nothing
here is deleted by cascade, since an archive of years would stop the server while it is deleted at once.
"""

from peewee import fn

from db.archive import MATCHES, MAX_ROW, TEXT, ArchivedMessage, first_row_since, settle, words_of
from db.archives import HAS_NO_OWNER, HAS_OWNER, ArchiveOwner
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

_M = ArchivedMessage


_BEFORE = TEXT.select(TEXT.c.rowid).where(MATCHES, TEXT.c.rowid < ANY)
_DELETE_BEFORE = Prepared(_M.delete().where(_M.id.in_(_M.select(_M.id).where(_M.id < ANY).order_by(_M.id).limit(ANY))))
_DELETE_OF_ARCHIVE = Prepared(_M.delete().where(_M.id.in_(_BEFORE.order_by(TEXT.c.rowid).limit(ANY))))
_NUMBERS = Prepared(ArchiveOwner.select(ArchiveOwner.number).where(HAS_OWNER))
_ORPHAN = Prepared(ArchiveOwner.select(fn.MIN(ArchiveOwner.number)).where(HAS_NO_OWNER))
_DELETE_ARCHIVE = Prepared(ArchiveOwner.delete().where(ArchiveOwner.number == ANY))
_SKIP = Prepared(_BEFORE.order_by(TEXT.c.rowid.desc()).limit(ANY).offset(ANY))


def delete_older(db: Database, than: float, most: int) -> int:
    """Deletes at most so many messages that are older, in all archives; returns how many it was."""
    return db.write(_DELETE_BEFORE, first_row_since(db, than), most)


def delete_before(db: Database, archive: int, row: int, most: int) -> int:
    """Deletes at most so many messages of an archive that came before this row; returns how many it was."""
    return db.write(_DELETE_OF_ARCHIVE, words_of(archive), row, most)


def delete_orphans(db: Database, most: int) -> int:
    """Deletes messages of an account or room that is gone, and with the last of them its archive; returns how much it
    was."""
    archive = db.rows(_ORPHAN)[0][0]
    if archive is None:
        return 0
    settle(db)
    gone = db.write(_DELETE_OF_ARCHIVE, words_of(archive), MAX_ROW, most)
    return gone or db.write(_DELETE_ARCHIVE, archive)


def archives(db: Database) -> list[int]:
    """The archives of all accounts and rooms."""
    return [number for (number,) in db.rows(_NUMBERS)]


def row_before(db: Database, archive: int, row: int, count: int) -> int | None:
    """The row that is so many messages before another one in its archive; None if there are fewer."""
    found = db.row(_SKIP, words_of(archive), row, 1, count - 1)
    return found[0] if found else None
