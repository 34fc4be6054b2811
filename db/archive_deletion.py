"""Deletes from the archives, a little at a time: what is too old, what is too much, and what belongs to no account.

Always the oldest messages, so that no archive has a hole (XEP-0313 section "Message retention and deletion"). Nothing
here is deleted by cascade, since an archive of years would stop the server while it is deleted at once. To take a
message out of the index costs as much as to index it, so fewer are deleted at once if they are long.
"""

from peewee import fn

from db.archive import (
    BATCH_EFFORT,
    EFFORT,
    MATCHES,
    MAX_ROW,
    TEXT,
    ArchivedMessage,
    first_row_since,
    merge,
    settle,
    words_of,
)
from db.archives import HAS_NO_OWNER, HAS_OWNER, ArchiveOwner
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

_M = ArchivedMessage


_BEFORE = TEXT.select(TEXT.c.rowid).where(MATCHES, TEXT.c.rowid < ANY)
_DELETE_BEFORE = Prepared(_M.delete().where(_M.id.in_(_M.select(_M.id).where(_M.id < ANY).order_by(_M.id).limit(ANY))))
_EFFORTS_BEFORE = Prepared(_M.select(EFFORT).where(_M.id < ANY).order_by(_M.id).limit(ANY))
_DELETE_OF_ARCHIVE = Prepared(_M.delete().where(_M.id.in_(_BEFORE.order_by(TEXT.c.rowid).limit(ANY))))
_EFFORTS_OF_ARCHIVE = Prepared(
    _M.select(EFFORT)
    .join(TEXT, on=TEXT.c.rowid == _M.id)
    .where(MATCHES, TEXT.c.rowid < ANY)
    .order_by(TEXT.c.rowid)
    .limit(ANY)
)
_NUMBERS = Prepared(ArchiveOwner.select(ArchiveOwner.number).where(HAS_OWNER))
_ORPHAN = Prepared(ArchiveOwner.select(fn.MIN(ArchiveOwner.number)).where(HAS_NO_OWNER))
_DELETE_ARCHIVE = Prepared(ArchiveOwner.delete().where(ArchiveOwner.number == ANY))
_SKIP = Prepared(_BEFORE.order_by(TEXT.c.rowid.desc()).limit(ANY).offset(ANY))


def delete_older(db: Database, than: float, most: int) -> int:
    """Deletes at most so many messages that are older, in all archives; returns how many it was."""
    return _delete(db, _EFFORTS_BEFORE, _DELETE_BEFORE, first_row_since(db, than), most=most)


def delete_before(db: Database, archive: int, row: int, most: int) -> int:
    """Deletes at most so many messages of an archive that came before this row; returns how many it was."""
    return _delete(db, _EFFORTS_OF_ARCHIVE, _DELETE_OF_ARCHIVE, words_of(archive), row, most=most)


def delete_orphans(db: Database, most: int) -> int:
    """Deletes messages of an account or room that is gone, and with the last of them its archive; returns how much it
    was."""
    archive = db.rows(_ORPHAN)[0][0]
    if archive is None:
        return 0
    settle(db)
    return delete_before(db, archive, MAX_ROW, most) or db.write(_DELETE_ARCHIVE, archive)


def _delete(db: Database, efforts: Prepared, delete: Prepared, *which: object, most: int) -> int:
    """Deletes the first of these messages: at least one, and no more than take BATCH_EFFORT; returns how many."""
    count = total = 0
    for (effort,) in db.rows(efforts, *which, most):
        if count and total + effort > BATCH_EFFORT:
            break
        count, total = count + 1, total + effort
    if not count:
        return 0
    deleted = db.write(delete, *which, count)
    merge(db, total)
    return deleted


def archives(db: Database) -> list[int]:
    """The archives of all accounts and rooms."""
    return [number for (number,) in db.rows(_NUMBERS)]


def row_before(db: Database, archive: int, row: int, count: int) -> int | None:
    """The row that is so many messages before another one in its archive; None if there are fewer."""
    found = db.row(_SKIP, words_of(archive), row, 1, count - 1)
    return found[0] if found else None
