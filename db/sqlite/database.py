"""One SQLite file, opened by one server: queries, group commit, what is remembered.

This is the only place that opens the file. Models are not bound to a database, so that several can be
open in one process: a subject prepares its queries, and its functions give them to the database they are given.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from peewee import PeeweeException, SqliteDatabase

from db.sqlite.errors import in_our_words
from db.sqlite.groups import GroupCommit
from db.sqlite.lock import lock
from db.sqlite.memory import Memory
from db.sqlite.migrations import migrate, refuse_older
from db.sqlite.queries import Prepared
from db.sqlite.searching import SearchConnection
from db.sqlite.wal import KEPT_BYTES, Wal, WalIndex
from xmpp.running.handling import handled

OPENING_SECONDS = 10
"""How long to wait for another program that has locked the file, while it is opened. Later nobody waits."""

PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "normal",  # a commit does not wait for the disk, see db/sqlite/groups.py
    "wal_autocheckpoint": 0,  # nor does it checkpoint, see db/sqlite/wal.py
    "journal_size_limit": KEPT_BYTES,
}

Row = tuple[Any, ...]


class Database:
    """An open database; closed by close() or at the end of a with block. Raises StorageError and its kinds.

    What is being handled is noted to have stored something (`handled().ticket`), so that whoever is told of it is told
    when that is on the disk. Without `may_migrate` a file of an earlier xserv is refused, and left alone.
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
        """What a SELECT finds, the open group included."""
        self._groups.write_appended()
        try:
            return self.connection.execute(query.text, values).fetchall()
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    def row(self, query: Prepared, *values: object) -> Row | None:
        """The first row a SELECT finds, or None."""
        found = self.rows(query, *values)
        return found[0] if found else None

    def search(self, query: Prepared, *values: object) -> list[Row]:
        """As rows, for a SELECT that may take long: yields, others go on. Raises SearchTooLong."""
        self._groups.commit()  # so that it sees what has been written
        try:
            return self._searching.rows(query.text, values)
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    def write(self, query: Prepared, *values: object) -> int:
        """Runs an INSERT, UPDATE or DELETE; returns how many rows it was."""
        return self._run(self.connection.execute, query.text, values).rowcount

    def take(self, query: Prepared, *values: object) -> list[Row]:
        """Runs a DELETE that returns what it has removed."""
        return self._run(self.connection.execute, query.text, values).fetchall()

    def append(self, query: Prepared, row: Sequence[object]) -> None:
        """Runs an INSERT with others of its kind, before the next statement or else with its group.

        For rows that come in masses. Not inside of a change. Where it fails then, the ticket fails.
        """
        try:
            handled().ticket = self._groups.append(query.text, row)
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    def write_many(self, query: Prepared, rows: Iterable[Sequence[object]]) -> None:
        """Runs an INSERT, UPDATE or DELETE for each of these rows of values; for all, or for none."""
        with self.change():
            self._run(self.connection.executemany, query.text, rows)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Makes several writes happen whole or not at all; may be nested. Nothing inside may yield."""
        self._run(self.connection.execute, "SAVEPOINT change")
        written = self.connection.total_changes
        try:
            yield
            self.connection.execute("RELEASE change")
        except BaseException:
            self._undo_change(is_empty=self.connection.total_changes == written)
            raise

    def touch_unfinished(self) -> None:
        """For whoever tells what it has read: waits, as after a write, where that may not be on the disk yet."""
        unfinished = self._groups.unfinished
        if unfinished is not None:
            handled().ticket = unfinished

    def flush(self) -> None:
        """Waits until everything written is on the disk (yields); raises StorageError where the last group is not."""
        self._groups.flush()

    def close(self) -> None:
        """Flushes, and closes the file (yields). Raises as flush does, but closes in any case."""
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
        sql.foreign_keys = 1  # not before: a migration may drop a table that it has copied
        sql.pragma("wal_checkpoint(TRUNCATE)")  # what a killed process left behind may not be on the disk yet
        sql.pragma("busy_timeout", 0)  # to wait for a lock would hold the loop
        wal = Wal(self.path, index)
        opened.callback(wal.close)
        groups = GroupCommit(sql.connection(), wal, undone=self.memory.clear)
        opened.callback(groups.close)
        searching = SearchConnection(self.path)
        opened.callback(searching.close)
        return sql.connection(), groups, searching

    def _run(self, execute: Callable[..., sqlite3.Cursor], *statement: object) -> sqlite3.Cursor:
        """Runs a statement in the open group. One that fails is undone; where SQLite can, it takes no other with it."""
        try:
            self._groups.write_appended()
            ticket = self._groups.join()
            cursor = execute(*statement)
        except sqlite3.Error as error:
            reason = in_our_words(error)
            self._groups.notice_rollback(reason)
            raise reason from error
        handled().ticket = ticket
        return cursor

    def _undo_change(self, *, is_empty: bool) -> None:
        if self.connection.in_transaction:  # otherwise SQLite undid the whole group
            self.connection.execute("ROLLBACK TO change")
            self.connection.execute("RELEASE change")
        if not is_empty:
            self.memory.clear()  # which may know of writes that are undone now


def _connect(path: Path) -> SqliteDatabase:
    """The connection, to a file that only its owner can read; SQLite gives -wal and -shm the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    # thread_safe would mean a connection for each greenlet
    sql = SqliteDatabase(str(path), pragmas=PRAGMAS, thread_safe=False, autoconnect=False, timeout=OPENING_SECONDS)
    sql.connect()
    return sql
