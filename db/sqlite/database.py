"""One SQLite file, opened by one server: queries, group commit, what is remembered.

Models are not bound to a database, so that several databases can be open in one process: a subject prepares its
queries, and its functions run them on the database that they are given.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from peewee import PeeweeException, SqliteDatabase

from db.sqlite.errors import StorageError, in_our_words
from db.sqlite.groups import GroupCommit
from db.sqlite.lock import lock
from db.sqlite.memory import Memory
from db.sqlite.migrations import migrate, refuse_older
from db.sqlite.queries import Prepared
from db.sqlite.searching import SearchConnection
from db.sqlite.wal import KEPT_BYTES, Wal, WalIndex
from xmpp.running.durations import Durations
from xmpp.running.handling import handled

OPENING_SECONDS = 10
"""How long opening the file waits for another program that has locked it. Once it is open, nobody waits."""

PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "normal",  # a commit does not wait for the disk, see db/sqlite/groups.py
    "wal_autocheckpoint": 0,  # and does not checkpoint, see db/sqlite/wal.py
    "journal_size_limit": KEPT_BYTES,
}

Row = tuple[Any, ...]


class Database:
    """An open database; closed by close() or at the end of a `with` block. Raises StorageError and its subclasses.

    Every write notes its ticket in what is being handled (`handled().ticket`), so that what is sent meanwhile waits
    until the write is on the disk. If that group is lost, so is all of what is being handled: what it writes later is
    refused. Without `may_migrate` a file of an earlier xserv is refused and not changed.
    """

    def __init__(self, path: str | Path, *, may_migrate: bool = True) -> None:
        self.path = Path(path)
        self._may_migrate = may_migrate
        self.memory = Memory()
        try:
            with ExitStack() as opened:
                self.connection, self._groups, self._searching = self._open(opened)
                self._opened = opened.pop_all()
        except (PeeweeException, sqlite3.Error, OSError) as error:
            raise in_our_words(error) from error

    def rows(self, query: Prepared, *values: object) -> list[Row]:
        """All rows that a SELECT finds, among them those of the open group."""
        self._groups.write_appended()
        try:
            return self.connection.execute(query.text, values).fetchall()
        except sqlite3.Error as error:
            raise self._in_our_words(error) from error

    def row(self, query: Prepared, *values: object) -> Row | None:
        """The first row that a SELECT finds, or None."""
        found = self.rows(query, *values)
        return found[0] if found else None

    def search(self, query: Prepared, *values: object) -> list[Row]:
        """As `rows`, for a SELECT that may take long: yields, so that others go on. Raises SearchTooLong."""
        self._groups.commit()  # so that the search sees what has been written
        try:
            return self._searching.rows(query.text, values)
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    def write(self, query: Prepared, *values: object) -> int:
        """Runs an INSERT, UPDATE or DELETE; returns how many rows were changed."""
        return self._run(self.connection.execute, query.text, values).rowcount

    def take(self, query: Prepared, *values: object) -> list[Row]:
        """Runs a DELETE ... RETURNING; returns the rows that it has removed."""
        return self._run(self.connection.execute, query.text, values).fetchall()

    def append(self, query: Prepared, row: Sequence[object]) -> None:
        """Runs an INSERT later: together with others of its kind, before the next statement or when the group ends.

        For rows that come in masses; not inside of a change. If the INSERT fails, the ticket fails.
        """
        own = handled()
        own.raise_if_lost()
        try:
            own.ticket = self._groups.append(query.text, row)
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    def write_many(self, query: Prepared, rows: Iterable[Sequence[object]]) -> None:
        """Runs an INSERT, UPDATE or DELETE for each of these rows of values; either all of them or none are stored."""
        with self.change():
            self._run(self.connection.executemany, query.text, rows)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Makes several writes one: if an exception leaves the block, all are undone. May be nested; may not yield.

        If the group is lost meanwhile, this raises what it was lost for, even if the block has caught that.
        """
        self._run(self.connection.execute, "SAVEPOINT change")
        group = self._groups.join()
        written = self.connection.total_changes
        try:
            yield
            if group.failed is not None:
                raise group.failed
            self.connection.execute("RELEASE change")
        except BaseException:
            is_lost = group.failed is not None
            if not is_lost:  # otherwise SQLite undid the whole group, and the savepoint with it
                self.connection.execute("ROLLBACK TO change")
                self.connection.execute("RELEASE change")
            if is_lost or self.connection.total_changes != written:
                self.memory.clear()  # it may hold what was written in the change
            raise

    def touch_unfinished(self) -> None:
        """Makes what is sent now wait until all that has been written is on the disk, as after a write: for callers
        that send what they have read."""
        unfinished = self._groups.unfinished
        if unfinished is not None and not handled().is_lost:
            handled().ticket = unfinished

    def flush(self) -> None:
        """Yields until everything written is on the disk; raises StorageError if the last group could not be stored."""
        self._groups.flush()

    def wait_for_own(self) -> None:
        """Yields until what was written by what is being handled is on the disk; raises StorageError if it is lost."""
        ticket = handled().ticket
        if ticket is not None:
            self._groups.wait(ticket)

    def check(self) -> None:
        """Raises StorageError if the file cannot be read, or if nothing can be written because another program has
        locked it."""
        try:
            self._groups.join()
            self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    @property
    def waits_for_disk(self) -> Durations:
        """How long groups took to get to the disk, once they were committed."""
        return self._groups.waits

    def close(self) -> None:
        """Flushes, and closes the file. Yields. Raises as `flush` does, but closes in any case."""
        try:
            self.flush()
        finally:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, opened: ExitStack) -> tuple[sqlite3.Connection, GroupCommit, SearchConnection]:
        opened.callback(os.close, lock(self.path))
        is_new = not self.path.exists()
        index = WalIndex(self.path)
        opened.callback(index.close)
        sql = _connect(self.path)
        opened.callback(sql.close)  # the last connection to close brings the log into the file, and removes it
        if not is_new and not self._may_migrate:
            refuse_older(sql)
        migrate(sql)
        sql.foreign_keys = 1  # only now, since a migration may drop a table that it has copied
        sql.pragma("wal_checkpoint(TRUNCATE)")  # what a killed process wrote may not be on the disk yet
        sql.pragma("busy_timeout", 0)  # waiting for a lock would stop the loop
        wal = Wal(self.path, index)
        opened.callback(wal.close)
        groups = GroupCommit(sql.connection(), wal, undone=self.memory.clear)
        opened.callback(groups.close)
        searching = SearchConnection(self.path)
        opened.callback(searching.close)
        return sql.connection(), groups, searching

    def _run(self, execute: Callable[..., sqlite3.Cursor], *statement: object) -> sqlite3.Cursor:
        """Runs a statement in the open group. If it fails, only it is undone, unless SQLite undoes the whole group."""
        own = handled()
        own.raise_if_lost()
        try:
            self._groups.write_appended()
            ticket = self._groups.join()
            cursor = execute(*statement)
        except sqlite3.Error as error:
            raise self._in_our_words(error) from error
        own.ticket = ticket
        return cursor

    def _in_our_words(self, error: sqlite3.Error) -> StorageError:
        reason = in_our_words(error)
        self._groups.notice_rollback(reason)
        return reason


def _connect(path: Path) -> SqliteDatabase:
    """The connection, to a file that only its owner can read; SQLite gives -wal and -shm the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    # With thread_safe each greenlet would have a connection of its own
    sql = SqliteDatabase(str(path), pragmas=PRAGMAS, thread_safe=False, autoconnect=False, timeout=OPENING_SECONDS)
    sql.connect()
    return sql
