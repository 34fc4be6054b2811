"""What can go wrong with the file, in our own words: callers know neither peewee's nor SQLite's exceptions."""

import errno
import sqlite3

import peewee

PRIMARY_CODE = 0xFF
"""SQLite's extended result codes hold the primary one in the low byte."""

UNWRITABLE = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
"""The extended codes of a disk that may still be read."""


class StorageError(Exception):
    """Something could not be read or written.

    `lasts`: such trouble goes on for a while. The log says when it begins and when it is over (db/sqlite/trouble.py),
    and has no line for each request that is refused meanwhile.
    """

    lasts = False


class StorageFull(StorageError):
    """The disk, or the quota, is full."""

    lasts = True


class StorageUnwritable(StorageError):
    """The file takes nothing: the disk fails, a file may not grow further, or the file system is only to be read."""

    lasts = True


class StorageBusy(StorageError):
    """Another program has locked the file, so nothing can be written at present; nobody waits for it."""

    lasts = True

    def __init__(self) -> None:
        super().__init__("another program writes to the database and has locked it")


class SearchTooLong(StorageError):
    """A search took longer than it may."""


class ConstraintViolated(StorageError):
    """The rows contradict the schema; for example, they belong to an account that does not exist."""


class DatabaseInUse(StorageError):
    """Another server has the file open. `pid` is that of its process, None if it is unknown."""

    def __init__(self, path: str, pid: int | None) -> None:
        super().__init__(f"{path} is in use by another xserv" + (f" (process {pid})" if pid else ""))
        self.path = path
        self.pid = pid


class DatabaseTooNew(StorageError):
    """The file was written by a later xserv."""

    def __init__(self, path: str, version: int, known: int) -> None:
        super().__init__(f"{path} has schema version {version}, this xserv knows versions up to {known}")
        self.path = path
        self.version = version


class DatabaseTooOld(StorageError):
    """The file was written by an earlier xserv, and the caller may not migrate it."""

    def __init__(self, path: str, version: int, known: int) -> None:
        super().__init__(
            f"{path} is of an older version of xserv (schema {version}, this one has {known}); "
            "start the server on it once, with `xserv run`, which brings it up to date"
        )
        self.path = path
        self.version = version


def in_our_words(error: Exception) -> StorageError:
    """The StorageError for an exception of peewee, sqlite3 or the system."""
    cause = error.args[0] if isinstance(error, peewee.PeeweeException) and error.args else error
    extended = getattr(cause, "sqlite_errorcode", 0)
    code = extended & PRIMARY_CODE
    if code == sqlite3.SQLITE_FULL or getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(str(cause))
    if code == sqlite3.SQLITE_READONLY or extended in UNWRITABLE:
        return StorageUnwritable(str(cause))
    if code == sqlite3.SQLITE_BUSY:
        return StorageBusy()
    if code == sqlite3.SQLITE_INTERRUPT:
        return SearchTooLong(str(cause))
    if code == sqlite3.SQLITE_CONSTRAINT:
        return ConstraintViolated(str(cause))
    return StorageError(str(cause))
