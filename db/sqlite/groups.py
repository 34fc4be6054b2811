"""Group commit: what is written at about the same time is one transaction, with one wait for the disk and one Ticket.

    first write             BEGIN, and the loop is asked to call at the end of the turn
    rows that are appended  are gathered, and written together: before any other statement, else at the end
    end of the turn         COMMIT; this does not wait for the disk
    worker thread           fdatasync of the log
    then                    the group's Ticket closes

What is written while a group is on its way to the disk is the next group. If many groups follow each other, each
gathers for a moment longer. So the more is written, and the slower the disk, the larger groups become, and the less
each row costs; and where little is written nobody waits for others.

While another program has locked the file, no group begins: each write tries, and fails at once with StorageBusy. Reads
go on. Waiting would stop the loop for as long as that program likes.

No greenlet switch lies inside of a statement or a change, so a transaction never holds anybody's half-done work.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from db.sqlite.errors import StorageError, in_our_words
from db.sqlite.trouble import Trouble
from db.sqlite.wal import Wal
from xmpp.running.durations import Durations
from xmpp.running.tickets import Ticket

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.001
"""How long a group goes on gathering once the one before is on the disk, if there are many: with only a few rows in a
group, each row costs twice as much."""

AT_ONCE_PER_SECOND = 500
AT_ONCE_SECONDS = 0.02
"""So many groups may follow another at once, and as many as in that time in a row, before they gather."""

QUICK_SECONDS = 0.03
"""If a checkpoint took longer than this, the disk is slow now, and the loop is not stopped for another one."""

ROWS_AT_ONCE = 16
"""Written by one statement, since each statement reads and writes the table's last number (AUTOINCREMENT)."""


class GroupCommit:
    """The groups of one database. `undone` is called when rows have been rolled back that could be read before."""

    def __init__(self, connection: sqlite3.Connection, wal: Wal, undone: Callable[[], object]) -> None:
        self._connection = connection
        self._wal = wal
        self._undone = undone
        self._appended: dict[str, list[Sequence[object]]] = {}
        self._open: Ticket | None = None
        self._latest: Ticket | None = None  # of the groups that were committed
        self._committed: list[Ticket] = []
        self._writer: gevent.Greenlet[[], None] | None = None
        self._worker = ThreadPool(1)
        self._trouble = Trouble()
        self._at_once_until = 0.0  # if those that have followed at once were spread evenly
        self.waits = Durations()  # for the disk, by the groups

    def join(self) -> Ticket:
        """The ticket of the open group. If there is none, a transaction begins. Raises sqlite3.Error."""
        if self._open is None:
            self._begin()
            self._open = Ticket()
            if self._writer is None:  # else the writer commits when it is done with the group before
                gevent.get_hub().loop.run_callback(self.commit)
        return self._open

    @property
    def unfinished(self) -> Ticket | None:
        """The ticket of what was written last and is not lost, unless that is on the disk."""
        if self._open is not None:
            return self._open
        return self._latest if self._latest is not None and self._latest.is_open else None

    def append(self, statement: str, row: Sequence[object]) -> Ticket:
        """Adds a row to the open group, to be written together with all others that this statement appends."""
        ticket = self.join()
        rows = self._appended.get(statement)
        if rows is None:
            self._appended[statement] = [row]
        else:
            rows.append(row)
        return ticket

    def write_appended(self) -> None:
        """Writes what was appended. If that fails, the whole group does, since these rows are promised already."""
        if not self._appended:
            return
        appended, self._appended = self._appended, {}
        try:
            for statement, rows in appended.items():
                for start in range(0, len(rows), ROWS_AT_ONCE):
                    some = rows[start : start + ROWS_AT_ONCE]
                    self._connection.execute(_with_rows(statement, len(some)), list(chain.from_iterable(some)))
        except sqlite3.Error as error:
            reason = in_our_words(error)
            ticket, self._open = self._open, None
            assert ticket is not None
            self._lose(ticket, reason)
            raise reason from error

    def commit(self) -> None:
        """Ends the open group, if there is one; its ticket closes once it is on the disk."""
        try:
            self.write_appended()
        except StorageError:
            return  # the ticket has failed, and tells those who wait for it
        ticket, self._open = self._open, None
        if ticket is None:
            return
        try:
            self._connection.commit()
        except sqlite3.Error as error:
            self._lose(ticket, in_our_words(error))
            return
        self._latest = ticket
        self._committed.append(ticket)
        if self._writer is None:
            self._writer = gevent.spawn(self._write_down)

    def notice_rollback(self, reason: StorageError) -> None:
        """After a failed statement: for some errors, such as a full disk, SQLite has undone the whole transaction."""
        self._trouble.notice(reason)
        if self._open is not None and not self._connection.in_transaction:
            ticket, self._open = self._open, None
            self._lose(ticket, reason)

    def flush(self) -> None:
        """Commits, and yields until everything is on the disk. Raises what the last group failed with."""
        pending = self.unfinished
        self.commit()
        if pending is not None:
            self.wait(pending)

    def wait(self, ticket: Ticket) -> None:
        """Yields until the ticket is closed. Raises what it failed with."""
        closed = Event()
        ticket.when_closed(closed.set)
        closed.wait()
        if ticket.failed is not None:
            raise ticket.failed

    def close(self) -> None:
        """Yields until nothing is on its way to the disk."""
        while self._writer is not None:
            self._writer.join()
        self._worker.kill()

    def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            self._trouble.notice(in_our_words(error))
            raise
        self._trouble.notice_unlocked()

    def _lose(self, ticket: Ticket, reason: StorageError) -> None:
        self._trouble.notice(reason)
        if not reason.lasts:
            logger.error("A group of writes is lost: %s", reason)
        if self._connection.in_transaction:
            self._connection.rollback()
        self._undone()
        ticket.failed = reason
        # Closed later: what waits for the ticket may write, and this may be the middle of a statement or a change.
        gevent.get_hub().loop.run_callback(ticket.close, reason)

    def _write_down(self) -> None:
        """The writer: runs as long as there are groups to bring to the disk; the next one gathers meanwhile."""
        try:
            while self._committed:
                tickets, self._committed = self._committed, []
                failed = self._sync()
                if failed is None:
                    self._trouble.notice_stored()
                for ticket in tickets:
                    ticket.close(failed)
                if self._wal.is_due():
                    self._checkpoint()
                if self._open is not None:
                    if self._are_many():
                        gevent.sleep(GATHER_SECONDS)
                    self.commit()
        finally:
            self._writer = None

    def _are_many(self) -> bool:
        """Counts a group that follows another; whether there are more than AT_ONCE_PER_SECOND."""
        now = time.monotonic()
        self._at_once_until = max(self._at_once_until, now - AT_ONCE_SECONDS) + 1 / AT_ONCE_PER_SECOND
        return self._at_once_until > now

    def _sync(self) -> StorageError | None:
        """Brings the log to the disk; returns what went wrong, never raises: the tickets have to be closed."""
        began = time.monotonic()
        try:
            return self._worker.apply(self._wal.sync)
        except Exception as error:  # no thread can be started, say
            logger.exception("The write-ahead log cannot be brought to the disk")
            return StorageError(str(error))
        finally:
            self.waits.note(time.monotonic() - began)

    def _checkpoint(self) -> None:
        """Brings the log into the database file, so that the log can start over.

        A log that is written to all the time would never start over, and grow without bound. So if it is too long the
        worker does a second, shorter round, and the loop stops for the little that was written during that.
        """
        self._worker.apply(self._wal.checkpoint)
        if not self._wal.is_too_long():
            return
        self.commit()
        began = time.monotonic()
        self._worker.apply(self._wal.checkpoint)
        if self._open is None:  # nobody has written meanwhile, so the next write begins at the start of the log
            return
        if time.monotonic() - began < QUICK_SECONDS or self._wal.is_far_too_long():
            self.commit()
            self._wal.checkpoint()


@cache
def _with_rows(statement: str, count: int) -> str:
    """An INSERT of one row, made into an INSERT of `count` rows."""
    row = statement[statement.rindex("(") :]
    return ", ".join([statement, *[row] * (count - 1)])
