"""Group commit: what is written in one turn of the event loop is one transaction, one wait for the disk, one Ticket.

    first write of a turn   BEGIN, and the loop is asked to call at the end of the turn
    end of the turn         COMMIT; this does not wait for the disk, and readers see it at once
    worker thread           fdatasync of the log; groups that are committed meanwhile share the next one
    then                    the Tickets of these groups close, in order

No greenlet switch lies inside of a statement or a change, so a transaction is never anybody's half-done work.
"""

import logging
import sqlite3
from collections.abc import Callable

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

    def commit(self) -> None:
        """Ends the open group, if there is one; its ticket closes once it is on the disk."""
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
        pending = self._latest if self._latest and self._latest.is_open else None
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
        ticket.close(reason)

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
            # What was committed meanwhile is little, so it may hold up the loop, once in a long while: otherwise a log
            # that is written to all the time would never start over, and grow without bound.
            self.commit()
            self._wal.checkpoint()
