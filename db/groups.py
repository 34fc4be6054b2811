"""Group commit: what is written in one turn of the event loop is one transaction, one wait for the disk, one Ticket.

    first write of a turn   BEGIN, and the loop is asked to call at the end of the turn
    rows that are appended  are gathered, and written together: before any other statement, else at the end
    end of the turn         COMMIT; this does not wait for the disk, and readers see it at once
    worker thread           fdatasync of the log; groups that are committed meanwhile share the next one
    then                    the Tickets of these groups close, in order

No greenlet switch lies inside of a statement or a change, so a transaction is never anybody's half-done work.
"""

import logging
import sqlite3
from collections.abc import Callable, Sequence

import gevent
from gevent.threadpool import ThreadPool

from db.errors import StorageError, in_our_words
from db.tickets import Ticket
from db.wal import Wal

logger = logging.getLogger(__name__)


class GroupCommit:
    """The groups of one database. `undone` is called when rows are rolled back that could be read already."""

    def __init__(self, connection: sqlite3.Connection, wal: Wal, undone: Callable[[], object]) -> None:
        self._connection = connection
        self._wal = wal
        self._undone = undone
        self._appended: dict[str, list[Sequence[object]]] = {}
        self._open: Ticket | None = None
        self._latest: Ticket | None = None
        self._committed: list[Ticket] = []
        self._writer: gevent.Greenlet[[], None] | None = None
        self._worker = ThreadPool(1)

    def join(self) -> Ticket:
        """The open group's ticket; the first write of a turn opens the transaction."""
        if self._open is None:
            self._connection.execute("BEGIN IMMEDIATE")
            self._open = self._latest = Ticket()
            gevent.get_hub().loop.run_callback(self.commit)
        return self._open

    @property
    def unfinished(self) -> Ticket | None:
        """The ticket of what was written last, unless that is on the disk."""
        return self._latest if self._latest is not None and self._latest.is_open else None

    def append(self, statement: str, row: Sequence[object]) -> Ticket:
        """Has a row written with the open group, together with all others that are appended by this statement."""
        ticket = self.join()
        rows = self._appended.get(statement)
        if rows is None:
            self._appended[statement] = [row]
        else:
            rows.append(row)
        return ticket

    def write_appended(self) -> None:
        """Writes what was appended. Where that fails the whole group is lost: others were promised these rows."""
        if not self._appended:
            return
        appended, self._appended = self._appended, {}
        try:
            for statement, rows in appended.items():
                self._connection.executemany(statement, rows)
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
            return  # who waited for it has been told
        ticket, self._open = self._open, None
        if ticket is None:
            return
        try:
            self._connection.commit()
        except sqlite3.Error as error:
            self._lose(ticket, in_our_words(error))
            return
        self._committed.append(ticket)
        if self._writer is None:
            self._writer = gevent.spawn(self._write_down)

    def notice_rollback(self, reason: StorageError) -> None:
        """After a failed statement: SQLite undoes the whole transaction for some, such as a full disk."""
        if self._open is not None and not self._connection.in_transaction:
            ticket, self._open = self._open, None
            self._lose(ticket, reason)

    def flush(self) -> None:
        """Commits, and waits until everything is on the disk (yields). Raises what the last group failed with."""
        pending = self.unfinished
        self.commit()
        while self._writer is not None:
            self._writer.join()
        if pending and pending.failed:
            raise pending.failed

    def close(self) -> None:
        self._worker.kill()

    def _lose(self, ticket: Ticket, reason: StorageError) -> None:
        logger.error("A group of writes is lost: %s", reason)
        if self._connection.in_transaction:
            self._connection.rollback()
        self._undone()
        ticket.is_open, ticket.failed = False, reason
        # What waited for it may write, and this may be the middle of a statement, or of a change.
        gevent.get_hub().loop.run_callback(ticket.close, reason)

    def _write_down(self) -> None:
        """The committer: runs as long as something is committed that is not on the disk yet."""
        try:
            while self._committed:
                tickets, self._committed = self._committed, []
                failed = self._worker.apply(self._wal.sync)
                for ticket in tickets:
                    ticket.close(failed)
                if self._wal.is_due():
                    self._checkpoint()
        finally:
            self._writer = None

    def _checkpoint(self) -> None:
        self._worker.apply(self._wal.checkpoint)
        if self._wal.is_too_long():
            # A log that is written to all the time would never start over, and grow without bound. So the loop is held
            # up, once in a long while, for what comes in while the worker does what came in while it did the rest.
            self._worker.apply(self._wal.checkpoint)
            self.commit()
            self._wal.checkpoint()
