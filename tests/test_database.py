"""The database file: who may open it, what a group of writes is, and what happens when writing fails."""

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from db import accounts, blocklists, last_activity, offline, rosters
from db.last_activity import AccountActivity
from db.sqlite import groups, trouble
from db.sqlite.database import Database
from db.sqlite.errors import ConstraintViolated, DatabaseInUse, StorageError, StorageFull, StorageUnwritable
from db.sqlite.queries import ANY, Prepared
from db.sqlite.wal import CHECKPOINT_BYTES
from tests.harness.failures import undo_whole_group
from xmpp.data.jid import JID
from xmpp.running.handling import Handled, handled
from xmpp.running.tickets import Ticket

ROOT = Path(__file__).parent.parent
ROMEO = JID.parse("romeo@montague.example")
JULIET = JID.parse("juliet@capulet.example")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xserv.db"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    with Database(path) as db:
        accounts.create(db, ROMEO, {}, created=0.0)
        rest(db)
        with Handled():
            yield db


def rest(db: Database) -> None:
    """Waits until everything is on the disk, and the next group begins a turn of its own."""
    db.flush()
    if db._groups._writer is not None:
        db._groups._writer.join()


def kept(db: Database) -> list[bytes]:
    return [waiting.stanza for waiting in offline.waiting(db, ROMEO)]


def noted() -> Ticket:
    """The ticket of what was written last."""
    ticket = handled().ticket
    assert isinstance(ticket, Ticket)
    return ticket


def keep(db: Database, stanza: bytes) -> Ticket:
    """Writes a row, as something of its own, and returns the ticket of its group."""
    with Handled():
        offline.keep(db, ROMEO, stanza, at=0.0)
        return noted()


def test_who_writes_alone_does_not_wait_for_others(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group gathers only while there is one before it."""
    monkeypatch.setattr(groups, "GATHER_SECONDS", 1_000_000.0)
    for _ in range(3):
        with Handled(), gevent.Timeout(30):
            offline.keep(db, ROMEO, b"alone", at=0.0)
            db.wait_for_own()
        gevent.sleep(0)  # for the writer to see that nothing has come
    assert len(kept(db)) == 3


@pytest.mark.parametrize(("per_second", "gathers"), [(1e6, False), (1e-6, True)])
def test_only_where_many_groups_follow_each_other_they_gather(
    db: Database, monkeypatch: pytest.MonkeyPatch, per_second: float, gathers: bool
) -> None:
    monkeypatch.setattr(groups, "GATHER_SECONDS", 1_000_000.0)
    monkeypatch.setattr(groups, "AT_ONCE_PER_SECOND", per_second)
    with slow_disk(db):
        first = keep(db, b"first")
        end_turn()
        second = keep(db, b"second")
    first_closed, second_closed = closed(first), closed(second)
    assert first_closed.wait(30)
    end_turn()
    assert db._groups._open is (second if gathers else None)
    assert second_closed.wait(0.0 if gathers else 30.0) is not gathers
    if db._groups._writer is not None:
        db._groups._writer.kill()  # or closing would wait for it


def closed(ticket: Ticket) -> Event:
    event = Event()
    ticket.when_closed(event.set)
    return event


@contextmanager
def slow_disk(db: Database) -> Iterator[None]:
    """Occupies the worker, so that inside the block nothing reaches the disk."""
    reader, writer = os.pipe()
    occupied = db._groups._worker.spawn(os.read, reader, 1)
    try:
        yield
    finally:
        os.write(writer, b".")
        occupied.get()
        os.close(reader)
        os.close(writer)


def fail_at_commit(db: Database) -> Ticket:
    """Writes what only COMMIT will refuse: a row of no account, looked at when the transaction ends."""
    ticket = keep(db, b"lost")
    db.connection.execute("PRAGMA defer_foreign_keys = ON")
    offline.keep(db, JULIET, b"of nobody", at=0.0)
    return ticket


def end_turn() -> None:
    gevent.sleep(0)


# Rows that are appended


_APPEND = Prepared(AccountActivity.insert(account=ANY, at=ANY, status=ANY))


def append(db: Database, account: str, at: float) -> Ticket:
    with Handled():
        db.append(_APPEND, (account, at, ""))
        return noted()


def statements_of(db: Database) -> list[str]:
    """What SQLite is told from now on, but for the beginnings and ends of transactions."""
    said: list[str] = []
    db.connection.set_trace_callback(
        lambda text: said.append(text) if "TABLE" in text or "last_activity" in text else None
    )
    return said


def test_appended_rows_belong_to_the_group_and_are_written_at_its_end(db: Database) -> None:
    said = statements_of(db)
    with slow_disk(db):
        ticket = append(db, ROMEO, 1.0)
        assert said == []
        end_turn()
        assert len(said) == 1
        assert ticket.is_open
    db.flush()
    assert not ticket.is_open and ticket.failed is None


def test_whoever_reads_or_writes_comes_after_what_was_appended(db: Database) -> None:
    append(db, ROMEO, 1.0)
    assert last_activity.get(db, ROMEO) == (1.0, "")
    db.write(Prepared(AccountActivity.delete()))
    append(db, ROMEO, 2.0)
    last_activity.put(db, ROMEO, 3.0)
    assert last_activity.get(db, ROMEO) == (3.0, "")


def test_appended_rows_that_cannot_be_written_fail_the_whole_group(db: Database) -> None:
    ticket = keep(db, b"lost too")
    append(db, ROMEO, 1.0)
    append(db, JULIET, 1.0)  # of nobody
    end_turn()
    assert isinstance(ticket.failed, ConstraintViolated)
    assert kept(db) == []
    assert last_activity.get(db, ROMEO) is None


def test_who_comes_after_appended_rows_that_cannot_be_written_is_told(db: Database) -> None:
    ticket = append(db, JULIET, 1.0)
    with pytest.raises(ConstraintViolated):
        keep(db, b"not written either")
    assert isinstance(ticket.failed, ConstraintViolated)
    assert kept(db) == []
    assert not append(db, ROMEO, 1.0).failed
    assert last_activity.get(db, ROMEO) == (1.0, "")


def test_who_tells_what_it_has_read_waits_for_what_is_not_on_the_disk_yet(db: Database) -> None:
    with slow_disk(db):
        ticket = keep(db, b"hi")
        end_turn()
        with Handled() as other:
            db.touch_unfinished()
        assert other.ticket is ticket
    db.flush()
    with Handled() as another:
        db.touch_unfinished()
    assert another.ticket is None


# Opening


def test_all_files_are_for_the_owner_only(path: Path) -> None:
    umask = os.umask(0)
    try:
        with Database(path) as db:
            last_activity.get(db, ROMEO)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys(["xserv.db", "xserv.db-wal", "xserv.db-shm", "xserv.lock"], 0o600)


def test_a_file_is_opened_once_in_a_process(db: Database, path: Path) -> None:
    with pytest.raises(DatabaseInUse) as refused:
        Database(path)
    assert (refused.value.path, refused.value.pid) == (str(path), os.getpid())


def test_a_file_is_opened_by_one_process_only(db: Database, path: Path) -> None:
    attempt = "import sys; from db.sqlite.database import Database; Database(sys.argv[1])"
    command = [sys.executable, "-c", attempt, str(path)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode != 0
    assert f"{path} is in use by another xserv (process {os.getpid()})" in second.stderr


def test_a_closed_file_can_be_opened_again_and_is_one_file(path: Path) -> None:
    for _ in range(2):
        Database(path).close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["xserv.db", "xserv.lock"]


def test_closing_twice_is_fine(path: Path) -> None:
    db = Database(path)
    db.close()
    db.close()


def test_two_databases_in_one_process_know_nothing_of_each_other(tmp_path: Path) -> None:
    with Database(tmp_path / "one.db") as one, Database(tmp_path / "two.db") as two:
        accounts.create(one, ROMEO, {}, created=0.0)
        assert accounts.exists(one, ROMEO)
        assert not accounts.exists(two, ROMEO)


@pytest.mark.parametrize(
    "content", [b"this is no database, but longer than a header of SQLite's would have to be" * 20]
)
def test_what_is_no_database_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for _ in range(2):  # the second time: the first gave back the lock
        with pytest.raises(StorageError, match="not a database"):
            Database(path)
    assert path.read_bytes() == content


def test_a_folder_that_does_not_exist_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file or directory"):
        Database(tmp_path / "nowhere" / "xserv.db")


# Groups


def test_writes_of_one_turn_share_a_ticket(db: Database) -> None:
    assert keep(db, b"1") is keep(db, b"2")


def test_writes_of_two_turns_have_two_tickets(db: Database) -> None:
    first = keep(db, b"1")
    end_turn()
    assert keep(db, b"2") is not first


def test_reading_touches_nothing(db: Database) -> None:
    rosters.roster(db, ROMEO)
    assert handled().ticket is None


def test_what_is_written_can_be_read_before_it_is_committed(db: Database) -> None:
    ticket = keep(db, b"1")
    assert kept(db) == [b"1"]
    assert ticket.is_open


def test_a_ticket_is_open_until_the_disk_has_its_group(db: Database) -> None:
    with slow_disk(db):
        ticket = keep(db, b"1")
        end_turn()
        assert not db.connection.in_transaction
        assert ticket.is_open
    db.flush()
    assert not ticket.is_open
    assert ticket.failed is None


def test_tickets_close_in_order_and_those_who_wait_are_called_in_order(db: Database) -> None:
    called: list[str] = []
    with slow_disk(db):
        for name in ("first", "second", "third"):
            ticket = keep(db, name.encode())
            ticket.when_closed(lambda name=name: called.append(name))  # type: ignore[misc]
            ticket.when_closed(lambda name=name: called.append(f"{name} again"))  # type: ignore[misc]
            end_turn()
        assert called == []
    db.flush()
    assert called == ["first", "first again", "second", "second again", "third", "third again"]


def test_a_closed_ticket_calls_at_once(db: Database) -> None:
    ticket = keep(db, b"1")
    db.flush()
    called: list[bool] = []
    ticket.when_closed(lambda: called.append(ticket.is_open))
    assert called == [False]


def test_one_who_fails_does_not_keep_the_others_waiting(db: Database) -> None:
    called: list[str] = []
    ticket = keep(db, b"1")
    ticket.when_closed(lambda: 1 / 0)
    ticket.when_closed(lambda: called.append("second"))
    db.flush()
    assert called == ["second"]


def test_a_script_without_a_loop_has_everything_on_the_disk_at_the_end(path: Path) -> None:
    with Database(path) as db:
        accounts.create(db, ROMEO, {}, created=0.0)
        ticket = keep(db, b"1")
    assert not ticket.is_open
    with Database(path) as db:
        assert kept(db) == [b"1"]


# Changes


def test_a_change_that_fails_leaves_nothing_of_itself_and_all_that_was_before(db: Database) -> None:
    ticket = keep(db, b"before")
    with pytest.raises(ZeroDivisionError), db.change():
        keep(db, b"half")
        blocklists.add(db, ROMEO, [JULIET])
        1 / 0  # noqa: B018
    keep(db, b"after")
    assert kept(db) == [b"before", b"after"]
    assert offline.count(db, ROMEO) == 2
    assert blocklists.patterns(db, ROMEO) == frozenset()
    db.flush()
    assert ticket.failed is None


def test_a_change_inside_a_change_fails_alone(db: Database) -> None:
    with db.change():
        keep(db, b"outer")
        with pytest.raises(ConstraintViolated), db.change():
            keep(db, b"inner")
            offline.keep(db, JULIET, b"of nobody", at=0.0)
    db.flush()
    assert kept(db) == [b"outer"]


def test_a_statement_that_fails_leaves_the_rest_of_its_group(db: Database) -> None:
    ticket = keep(db, b"1")
    with pytest.raises(ConstraintViolated):
        offline.keep(db, JULIET, b"of nobody", at=0.0)
    assert keep(db, b"2") is ticket
    db.flush()
    assert ticket.failed is None
    assert kept(db) == [b"1", b"2"]


def lose_group(db: Database) -> None:
    """Writes a row at which SQLite undoes the whole transaction, as it may on a full disk."""
    undo_whole_group(db, "INSERT ON offline_message WHEN NEW.stanza = CAST('full' AS BLOB)")
    with pytest.raises(StorageError):
        offline.keep(db, ROMEO, b"full", at=0.0)


def test_a_change_whose_group_is_lost_is_lost_as_a_whole(db: Database) -> None:
    with pytest.raises(StorageError), db.change():
        blocklists.add(db, ROMEO, [JULIET])
        lose_group(db)
        with pytest.raises(StorageError):
            rosters.put(db, ROMEO, rosters.Item(JULIET))
    rest(db)
    assert blocklists.patterns(db, ROMEO) == frozenset()
    assert rosters.item(db, ROMEO, JULIET) is None
    assert kept(db) == []


def test_a_change_around_one_whose_group_is_lost_is_lost_too(db: Database) -> None:
    with pytest.raises(StorageError), db.change():
        blocklists.add(db, ROMEO, [JULIET])
        with pytest.raises(StorageError), db.change():
            lose_group(db)
    rest(db)
    assert blocklists.patterns(db, ROMEO) == frozenset()


def test_a_mistake_in_a_change_whose_group_is_lost_is_not_hidden(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.change():
        lose_group(db)
        1 / 0  # noqa: B018
    assert keep(db, b"later").failed is None


# Failures


def test_what_is_handled_writes_no_more_once_its_group_is_lost_and_others_do(db: Database) -> None:
    with Handled() as lost:
        blocklists.add(db, ROMEO, [JULIET])
        lose_group(db)
        assert lost.is_lost
        with pytest.raises(StorageError):
            offline.keep(db, ROMEO, b"half", at=0.0)
        with pytest.raises(StorageError):
            db.append(_APPEND, (ROMEO, 1.0, ""))
        with pytest.raises(StorageError):
            db.wait_for_own()
    ticket = keep(db, b"of others")
    db.flush()
    assert ticket.failed is None
    assert kept(db) == [b"of others"]
    assert last_activity.get(db, ROMEO) is None


def test_who_reads_after_a_lost_group_waits_for_the_one_before_it(db: Database) -> None:
    with slow_disk(db):
        first = keep(db, b"on its way")
        end_turn()
        with Handled():
            lose_group(db)
        with Handled() as reader:
            db.touch_unfinished()
        assert reader.ticket is first and first.is_open


def test_a_commit_that_fails_loses_its_group_and_says_so(db: Database) -> None:
    keep(db, b"earlier")
    end_turn()
    ticket = fail_at_commit(db)
    blocklists.add(db, ROMEO, [JULIET])
    with pytest.raises(ConstraintViolated):
        db.flush()
    assert isinstance(ticket.failed, ConstraintViolated)
    assert kept(db) == [b"earlier"]


def test_what_is_remembered_is_not_ahead_of_the_file_after_a_lost_group(db: Database) -> None:
    fail_at_commit(db)
    blocklists.add(db, ROMEO, [JULIET])
    rosters.put(db, ROMEO, rosters.Item(JULIET))
    accounts.create(db, JULIET.domain, {}, created=0.0)
    end_turn()
    assert blocklists.patterns(db, ROMEO) == frozenset()
    assert rosters.item(db, ROMEO, JULIET) is None
    assert not accounts.exists(db, JULIET.domain)
    assert offline.count(db, ROMEO) == 0


def test_after_a_lost_group_the_next_one_is_kept(db: Database, path: Path) -> None:
    fail_at_commit(db)
    end_turn()
    ticket = keep(db, b"later")
    db.flush()
    assert ticket.failed is None
    db.close()
    with Database(path) as reopened:
        assert kept(reopened) == [b"later"]


def test_a_full_disk_is_told_to_the_writer_and_the_database_goes_on(db: Database) -> None:
    first = keep(db, b"first")
    db.flush()
    pages = db.connection.execute("PRAGMA page_count").fetchone()[0]
    db.connection.execute(f"PRAGMA max_page_count = {pages + 8}")
    tickets = []
    with pytest.raises(StorageFull):
        while True:
            tickets.append(keep(db, b"x" * 10_000))
    db.connection.execute("PRAGMA max_page_count = 1000000")
    last = keep(db, b"last")
    db.flush()
    # SQLite may undo the whole transaction then: those who wrote in it are told by their ticket
    lost = [ticket for ticket in tickets if ticket.failed]
    assert kept(db) == [b"first"] + [b"x" * 10_000] * (len(tickets) - len(lost)) + [b"last"]
    assert all(isinstance(ticket.failed, StorageFull) for ticket in lost)
    assert (first.failed, last.failed) == (None, None)


def test_what_cannot_be_written_to_is_told_once_and_read_on(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    keep(db, b"first")
    db.flush()
    db.connection.execute("PRAGMA query_only = 1")
    for _ in range(2):
        with pytest.raises(StorageUnwritable):
            keep(db, b"more")
    assert kept(db) == [b"first"]
    assert [record.message.partition(":")[0] for record in caplog.records] == ["Nothing can be stored"]


def test_the_log_says_once_that_the_disk_is_full_and_once_that_it_is_not(
    db: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = db.connection.execute("PRAGMA page_count").fetchone()[0]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            db.connection.execute(f"PRAGMA max_page_count = {pages + 8}")
            with pytest.raises(StorageFull):
                while True:
                    keep(db, b"x" * 10_000)
            db.connection.execute("PRAGMA max_page_count = 1000000")
            keep(db, b"little")
            db.flush()
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        monkeypatch.setattr(trouble, "CALM_SECONDS", 0)
        keep(db, b"last")
        db.flush()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_failing_fsync_fails_the_ticket_and_the_next_group_is_safe_again(db: Database, path: Path) -> None:
    reader, writer = os.pipe()
    os.dup2(writer, db._groups._wal._descriptor)  # a pipe cannot be brought to a disk
    failing = keep(db, b"in doubt")
    with pytest.raises(StorageError):
        db.flush()
    assert isinstance(failing.failed, StorageError)
    ticket = keep(db, b"safe")
    db.flush()
    assert ticket.failed is None
    os.close(reader)
    os.close(writer)
    # a checkpoint made it safe: the file alone, without its log, has it
    alone = path.with_name("alone.db")
    alone.write_bytes(path.read_bytes())
    with Database(alone) as copy:
        assert b"safe" in kept(copy)


def test_a_long_log_is_brought_into_the_file_and_starts_over_in_its_place(db: Database, path: Path) -> None:
    stanza = b"x" * (CHECKPOINT_BYTES // 4)

    def fill_log() -> int:
        for _ in range(6):
            keep(db, stanza)
        rest(db)
        return path.with_name("xserv.db-wal").stat().st_size

    first = fill_log()
    assert path.stat().st_size > CHECKPOINT_BYTES
    assert max(fill_log() for _ in range(6)) < 3 * first


def test_what_is_written_while_the_disk_is_busy_is_one_group(db: Database) -> None:
    with slow_disk(db):
        first = keep(db, b"1")
        end_turn()
        second = keep(db, b"2")
        end_turn()
        assert keep(db, b"3") is second is not first
    rest(db)
    assert kept(db) == [b"1", b"2", b"3"]
    assert first.failed is second.failed is None


WRITER = """
import sys
from db import offline
from db.sqlite.database import Database
from xmpp.running.handling import handled

db = Database(sys.argv[1])
for number in range(1_000_000):
    offline.keep(db, "romeo@montague.example", b"%d" % number, at=0.0)
    ticket = handled().ticket
    ticket.when_closed(lambda: print(number, flush=True))
    db.flush()
"""


def test_a_killed_process_loses_nothing_whose_ticket_was_closed(path: Path) -> None:
    with Database(path) as db:
        accounts.create(db, ROMEO, {}, created=0.0)
    for kill_after in (1, 7, 40):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], cwd=ROOT, stdout=subprocess.PIPE) as writer:
            try:
                assert writer.stdout is not None
                told = [writer.stdout.readline() for _ in range(kill_after)]
            finally:
                writer.kill()
            told += writer.stdout.readlines()
        with Database(path) as db:
            found = kept(db)
            assert [line.strip() for line in told] == found[: len(told)]
            offline.drop(db, ROMEO, [each.id for each in offline.waiting(db, ROMEO)])
