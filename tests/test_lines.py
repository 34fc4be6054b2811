"""What anybody can cause again and again does not fill the log."""

import logging
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.harness.federated import Directory, federated, federation_of, next_of, somebody
from tests.harness.peer_servers import PeerServer, PeerStream, agree
from xmpp.federation.lines import MOST_OWNERS, Lines
from xmpp.running import lines as running_lines
from xmpp.running.lines import LINES_PER_SECOND, MOST_AT_ONCE, LimitedLines
from xmpp.server import Server

FEW = 3  # lines at once, for tests
CHAT = "<message to='{}' type='chat' id='{}'><body>hi</body></message>"


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def server(tmp_path: Path, directory: Directory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(running_lines, "MOST_AT_ONCE", FEW)
    monkeypatch.setattr(running_lines, "LINES_PER_SECOND", 0.0)
    with federated(tmp_path, directory, "a.example", federation={"without_tls": ["c.example"]}) as one:
        yield one


def test_a_flood_is_counted_and_not_written_down() -> None:
    lines, now = LimitedLines(), 1_000.0
    assert [lines.next(now) for _ in range(MOST_AT_ONCE)] == [0] * MOST_AT_ONCE
    assert [lines.next(now) for _ in range(500)] == [None] * 500
    now += 1 / LINES_PER_SECOND
    assert [lines.next(now) for _ in range(3)] == [500, None, None]
    day = sum(lines.next(now + tenth / 10) is not None for tenth in range(10 * 24 * 3600))
    assert day <= 24 * 3600 * LINES_PER_SECOND + 1
    assert lines.next(now + 48 * 3600) is not None


def test_row_246_domains_that_somebody_makes_up_have_few_lines(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    juliet = somebody(server, "juliet@a.example/x")
    for number in range(FEW + 10):
        juliet.sends(CHAT.format(f"x@made.up{number}.example", 1))
        assert "remote-server-not-found" in next_of(juliet, "message")
    assert caplog.text.count("cannot be reached") == FEW
    monkeypatch.setattr(running_lines, "LINES_PER_SECOND", 1e9)
    juliet.sends(CHAT.format("x@the.last.example", 1))
    assert "remote-server-not-found" in next_of(juliet, "message")
    assert "(10 more were not logged before this one)" in caplog.text.splitlines()[-1]


def test_row_246_a_server_that_comes_and_goes_has_few_lines_and_no_other_has_less(
    server: Server, directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with PeerServer() as authority:
        directory.ports["c.example"] = authority.port
        for _ in range(2 * FEW):
            with PeerStream.to(server) as peer:
                agree(peer, authority)
    assert caplog.text.count("c.example") == FEW
    assert federation_of(server).lines.of("d.example").next(monotonic()) == 0


def test_so_many_owners_of_domains_have_lines_of_their_own_and_those_beneath_a_domain_have_none() -> None:
    lines = Lines()
    first = lines.of("c.example")
    assert lines.of("rooms.c.example") is first
    for number in range(MOST_OWNERS):
        lines.of(f"{number}.d{number}.example")
    assert lines.of("c.example") is not first
