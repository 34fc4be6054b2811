"""Groups of writes that do not reach the disk, of a server inside the test."""

import os
from collections.abc import Callable, Hashable, Iterator

import gevent

from db import offline
from db.sqlite.database import Database
from xmpp.data.jid import JID
from xmpp.running.handling import Handled
from xmpp.server import Server


def fail_to_sync(db: Database) -> None:
    """The group that is open does not reach the disk. What it has written is there for all to read, and gets to the
    disk with the next one."""
    reader, writer = os.pipe()
    os.dup2(writer, db._groups._wal._descriptor)  # a pipe cannot be brought to a disk
    os.close(reader)
    os.close(writer)


def fail_to_commit(db: Database) -> None:
    """The group that is open is rolled back at its end: nothing of it has happened."""
    db._groups.join()
    db.connection.execute("PRAGMA defer_foreign_keys = ON")
    offline.keep(db, JID.parse("nobody@localhost"), b"", at=0.0)  # a row of no account is looked at in the end


def act_and_lose(server: Server, fail: Callable[[Database], None], line: Hashable, act: Callable[[], object]) -> None:
    """Have something stored that is lost, and only then what comes of it for many, in this line. Yields until it is
    done."""

    def acts() -> None:
        with Handled():
            server.portions.begin(line, _until_closed(server.db), at_once=False)
            fail(server.db)
            act()

    server.db.flush()
    gevent.spawn(acts).join()
    server.portions.wait(line)


def _until_closed(db: Database) -> Iterator[None]:
    while db._groups.unfinished is not None:
        yield


def undo_whole_group(db: Database, at: str) -> None:
    """From now on SQLite undoes the whole transaction at statements such as "INSERT ON pubsub_item", as it does where a
    disk is full in the middle of one."""
    db.connection.execute("DROP TRIGGER IF EXISTS lost")
    db.connection.execute(f"CREATE TEMP TRIGGER lost BEFORE {at} BEGIN SELECT RAISE(ROLLBACK, 'no more room'); END")


def undo_no_more(db: Database) -> None:
    """Store everything again."""
    db.connection.execute("DROP TRIGGER lost")
