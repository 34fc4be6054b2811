"""Another program has locked the file: nobody waits for it, reads go on, and so do writes once it lets go."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from db import accounts, offline, private
from db.sqlite.database import Database
from db.sqlite.errors import StorageBusy, StorageError
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.managed_client import ManagedClient, write
from tests.harness.rawclient import PATIENCE, condition_of, logged_in, new_account, somebody
from tests.harness.servers import RunningServer
from xmpp.data import names
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO = JID.parse("romeo@montague.example")
WRITES = 100
"""Were one to wait for the lock, even for a second, so many would take longer than a client waits for a pong."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes, and takes its time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def note(number: int) -> str:
    return f"<query xmlns='jabber:iq:private'><note xmlns='urn:example:{number}'>{number}</note></query>"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xserv.db"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    with Database(path) as db:
        accounts.create(db, ROMEO, {}, created=0.0)
        db.flush()
        yield db


def test_nobody_waits_for_the_lock(db: Database) -> None:
    assert db.connection.execute("PRAGMA busy_timeout").fetchone() == (0,)


def test_what_is_written_meanwhile_fails_alone_and_all_can_be_read(db: Database, path: Path) -> None:
    private.put(db, ROMEO, "before", b"1")
    db.flush()
    with locked(path):
        for _ in range(2):
            with pytest.raises(StorageBusy):
                private.put(db, ROMEO, "meanwhile", b"2")
            with pytest.raises(StorageBusy), db.change():
                private.put(db, ROMEO, "meanwhile", b"2")
        assert private.get(db, ROMEO, "before") == b"1"
        assert private.get(db, ROMEO, "meanwhile") is None
        db.flush()
    private.put(db, ROMEO, "after", b"3")
    db.flush()
    db.close()
    with Database(path) as reopened:
        assert [private.get(reopened, ROMEO, name) for name in ("before", "meanwhile", "after")] == [b"1", None, b"3"]


def test_a_group_that_is_open_is_not_locked_out(db: Database, path: Path) -> None:
    offline.keep(db, ROMEO, b"1", at=0.0)
    with pytest.raises(sqlite3.OperationalError, match="locked"), closing(sqlite3.connect(path, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
    db.flush()


def test_the_log_says_once_that_it_is_locked_and_once_that_it_is_not(
    db: Database, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with locked(path), caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(StorageError):
                private.put(db, ROMEO, "meanwhile", b"2")
    private.put(db, ROMEO, "after", b"3")
    private.put(db, ROMEO, "after", b"4")
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_server_answers_all_who_want_nothing_stored_and_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    with RunningServer.demo("--data", str(tmp_path)) as server:
        name, password = new_account(server.port)
        with logged_in(server.port, name, password) as writer, somebody(server.port) as other:
            assert writer.ask("set", note(0)).get("type") == "result"
            other.comes_before_pong()
            with locked(tmp_path / "xserv.db"):
                for number in range(1, WRITES):
                    writer.send(f"<iq type='set' id='w{number}'>{note(number)}</iq>")
                other.socket.settimeout(PATIENCE)
                assert other.comes_before_pong() == []
                refused = writer.comes_before_pong()
                assert [condition_of(each[-1]) for each in refused] == ["resource-constraint"] * (WRITES - 1)
                assert {each[-1].get("type") for each in refused} == {"wait"}
                other.send("<presence/><presence type='unavailable'/>")
                assert {each.tag for each in other.comes_before_pong()} <= {names.PRESENCE}
            assert writer.ask("set", note(WRITES)).get("type") == "result"
        server.kill()
    with RunningServer.demo("--data", str(tmp_path)) as server, logged_in(server.port, name, password) as reader:
        found = [reader.ask("get", note(number))[0][0].text for number in (0, WRITES)]
        assert found == ["0", str(WRITES)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, archive={}) as server:
        add_accounts(server, "romeo", "juliet")
        server.db.flush()
        yield server


def test_who_is_refused_is_no_line_of_the_log(server: Server, romeo: Client, caplog: pytest.LogCaptureFixture) -> None:
    romeo.sends("<presence/>")
    gone = ManagedClient(server, "juliet@localhost/gone")
    gone.enables()
    write(romeo, "not acknowledged", to=gone.jid)
    server.db.flush()
    with locked(server.db.path), caplog.at_level(logging.WARNING):
        for number in range(3):
            assert romeo.asks(note(number), type="set") == "resource-constraint"
            [refused] = write(romeo, "not stored", to="juliet@localhost")
            assert "<resource-constraint " in refused
        gone.session.end()
        romeo.session.end()
    private.put(server.db, romeo.account, "after", b"3")
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
