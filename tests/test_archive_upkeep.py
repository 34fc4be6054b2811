"""What is done for the archives in the background: indexing, and deleting what is not to be kept."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db import accounts, archive, archives
from handlers.admin import upkeep
from handlers.archive import indexing
from tests.harness.archives import JULIET, MERCUTIO, ROMEO, page, query, refusal, say, server_with_archive
from tests.harness.in_process import Client
from xmpp.data.jid import JID
from xmpp.routing.tables import SERVER_STARTED
from xmpp.server import Server

DAY = 24 * 3600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path, archive={"max_days": 30, "max_messages": 5}) as server:
        yield server


def remember(server: Server, account: JID, *days_ago: float) -> None:
    number = archives.of(server.db, account).number
    for days in days_ago:
        at = int((time.time() - days * DAY) * 1000)
        text = f"{days:g}"
        stanza = f"<message><body>{text}</body></message>".encode()
        archive.append(server.db, number, f"{account}-{text}", at, ROMEO, "", False, "", text, stanza)
    archive.settle(server.db)


def rows(server: Server, table: str) -> int:
    [(count,)] = server.db.connection.execute(f"SELECT COUNT(*) FROM {table}").fetchall()
    return int(count)


def bodies(server: Server, account: JID) -> list[str | None]:
    return query(Client(server, f"{account}/{time.monotonic_ns()}")).bodies


def test_what_is_too_old_is_deleted(server: Server) -> None:
    remember(server, MERCUTIO, 41)
    remember(server, JULIET, 40, 31, 29, 1)
    upkeep.delete_what_is_not_kept(server)
    assert bodies(server, JULIET) == ["29", "1"]
    assert bodies(server, MERCUTIO) == []
    assert refusal(Client(server, f"{JULIET}/x"), page(after=f"{JULIET}-31")) == "item-not-found"


def test_of_what_is_too_much_the_newest_is_kept(server: Server) -> None:
    remember(server, JULIET, *range(9, 0, -1))
    remember(server, MERCUTIO, *range(5, 0, -1))
    upkeep.delete_what_is_not_kept(server)
    assert bodies(server, JULIET) == bodies(server, MERCUTIO) == list("54321")


def test_counting_goes_step_by_step(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COUNT_MESSAGES", 2)
    remember(server, JULIET, *range(9, 0, -1))
    upkeep.delete_what_is_not_kept(server)
    assert bodies(server, JULIET) == list("54321")


def test_without_limits_everything_is_kept(tmp_path: Path) -> None:
    with server_with_archive(tmp_path, archive={"max_messages": 0}) as server:
        remember(server, JULIET, 9000, *range(30, 0, -1))
        upkeep.delete_what_is_not_kept(server)
        assert rows(server, "archive_message") == 31


def test_others_have_their_turn_while_much_is_deleted(server: Server) -> None:
    remember(server, JULIET, *(40 + number / 1000 for number in range(3 * upkeep.DELETE_MESSAGES)))
    left = []

    def look() -> None:
        while rows(server, "archive_message"):
            left.append(rows(server, "archive_message"))
            gevent.sleep(0)

    looking = gevent.spawn(look)
    upkeep.delete_what_is_not_kept(server)
    looking.join()
    steps = [before - after for before, after in zip(left, [*left[1:], 0], strict=True)]
    assert 0 < max(steps) <= upkeep.DELETE_MESSAGES


@pytest.mark.parametrize("enabled", [True, False])
def test_the_archive_of_an_account_that_is_gone_goes_too(tmp_path: Path, enabled: bool) -> None:
    with server_with_archive(tmp_path, archive={"enabled": enabled}) as server:
        assert upkeep.start in server.tables[SERVER_STARTED]
        remember(server, JULIET, *range(2 * upkeep.DELETE_MESSAGES))
        remember(server, MERCUTIO, 1)
        accounts.remove(server.db, JULIET)
        upkeep.delete_what_is_not_kept(server)
        assert (rows(server, "archive_message"), rows(server, "archive")) == (1, 1)
        server.db.connection.execute("INSERT INTO archive_text (archive_text) VALUES ('integrity-check')")


def waiting(server: Server) -> int:
    counted = "SELECT COUNT(*) FROM archive_message WHERE id > (SELECT up_to FROM archive_indexed)"
    return int(server.db.connection.execute(counted).fetchone()[0])


def test_messages_are_indexed_before_too_many_wait(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "TOO_MUCH", 10 * (archive.MESSAGE_EFFORT + len("hi")))
    romeo = Client(server, f"{ROMEO}/orchard")
    say(romeo, *["hi"] * 30)
    server.db.flush()
    assert waiting(server) <= 10


def test_a_full_disk_does_not_end_the_upkeep(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(indexing, "INDEX_SECONDS", 0.001)
    monkeypatch.setattr(upkeep, "AFTER_FAILURE_SECONDS", 0.001)
    remember(server, JULIET, 1)
    say(Client(server, f"{ROMEO}/orchard"), "hi" * 10_000)
    server.db.flush()
    [(pages,)] = server.db.connection.execute("PRAGMA page_count").fetchall()
    server.db.connection.execute(f"PRAGMA max_page_count = {pages}")
    upkeep.start(server)
    with gevent.Timeout(30):
        while "cannot be looked after" not in caplog.text:
            gevent.sleep(0)
        server.db.connection.execute("PRAGMA max_page_count = 1073741823")
        while waiting(server):
            gevent.sleep(0)
    upkeep.stop(server)


def test_a_mistake_of_ours_does_not_end_the_upkeep(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(indexing, "INDEX_SECONDS", 0.001)
    monkeypatch.setattr(upkeep, "AFTER_FAILURE_SECONDS", 0.001)
    say(Client(server, f"{ROMEO}/orchard"), "hi")
    with monkeypatch.context() as patched:
        patched.setattr(archive, "index_some", fail)
        upkeep.start(server)
        with gevent.Timeout(30):
            while "looking after the archive failed" not in caplog.text:
                gevent.sleep(0)
    with gevent.Timeout(30):
        while waiting(server):
            gevent.sleep(0)
    upkeep.stop(server)


def test_what_waits_is_indexed_in_the_background(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "INDEX_SECONDS", 0.001)
    upkeep.start(server)
    try:
        say(Client(server, f"{ROMEO}/orchard"), *["hi"] * 5)
        with gevent.Timeout(30):
            while waiting(server):
                gevent.sleep(0)
        assert server.state(indexing.Indexing).waiting == 0
    finally:
        upkeep.stop(server)
        gevent.joinall(server.state(upkeep.Upkeep).greenlets, timeout=30)
    assert all(greenlet.dead for greenlet in server.state(upkeep.Upkeep).greenlets)
