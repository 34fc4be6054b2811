"""The newest lines of the log are kept in memory: bounded, without secrets, and found by level, text and time."""

import logging

import pytest

from handlers.admin.administration import carry_out
from xmpp.control import Refused
from xmpp.running import recent_log
from xmpp.running.recent_log import RecentLog
from xmpp.server import Server

log = logging.getLogger("tests.somebody")


@pytest.fixture
def recent(recent_log: RecentLog) -> RecentLog:
    return recent_log


def texts(server: Server, **asked: object) -> list[str]:
    return [entry.text for entry in carry_out(server, "log", **asked)]  # type: ignore[arg-type]


def test_what_was_logged_is_there_the_newest_first(server: Server, recent: RecentLog) -> None:
    log.info("one %s", "thing")
    log.warning("another")
    [newest, oldest] = carry_out(server, "log")
    assert (newest.text, newest.level, newest.logger) == ("another", "warning", "tests.somebody")
    assert oldest.text == "one thing" and server.started_at <= oldest.at <= newest.at


def test_lines_are_found_by_level_text_time_and_number(server: Server, recent: RecentLog) -> None:
    for number in range(4):
        log.info("Login of guest%d", number)
    log.error("a mistake")
    assert texts(server, level="error") == ["a mistake"]
    assert texts(server, text="LOGIN OF GUEST1") == ["Login of guest1"]
    assert texts(server, text="tests.some", level="error") == ["a mistake"]
    entries = carry_out(server, "log", most=2)
    assert texts(server, before=entries[-1].number, most=2) == ["Login of guest2", "Login of guest1"]
    assert texts(server, since=entries[0].at + 1000.0) == []
    with pytest.raises(Refused, match="is no level"):
        texts(server, level="loud")


def test_row_55_secrets_are_taken_out_of_it(server: Server, recent: RecentLog) -> None:
    log.info("<auth mechanism='PLAIN'>c2VjcmV0</auth> password='swordfish'")
    try:
        raise ValueError("token=swordfish")
    except ValueError:
        log.exception("failed")
    everything = "".join(texts(server))
    assert "swordfish" not in everything and "c2VjcmV0" not in everything
    assert "ValueError" in everything and everything.count("[removed]") >= 3


def test_it_keeps_so_many_lines_and_so_many_characters(
    server: Server, recent: RecentLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_log, "MOST", 10)
    for number in range(30):
        log.info("line %d", number)
    assert len(recent) == 10 and texts(server)[-1] == "line 20"
    monkeypatch.setattr(recent_log, "MOST_CHARACTERS", 2_000)
    log.info("x" * 100_000)
    log.info("the last")
    assert texts(server) == ["the last"]


def test_a_very_long_line_is_cut(server: Server, recent: RecentLog) -> None:
    log.info("x" * 100_000)
    [text] = texts(server)
    assert text == "x" * recent_log.LONGEST + "..."


def test_what_cannot_be_formatted_does_no_harm(server: Server, recent: RecentLog) -> None:
    recent.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    log.info("the next")
    assert texts(server) == ["the next"]


def test_there_is_none_where_nothing_has_started_the_log(server: Server) -> None:
    assert carry_out(server, "log") == []


def test_health_says_what_there_is(server: Server) -> None:
    health = carry_out(server, "health")
    assert health.accounts == 3 and health.sessions == 0
    assert health.storage_seconds >= 0 and health.storage_error == ""
    assert 0 < health.storage_bytes < health.disk_bytes and health.disk_free_bytes > 0
    assert health.versions["xserv"] and health.most_memory_bytes > 1_000_000
