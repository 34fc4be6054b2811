"""Servers that cannot be reached are tried again after pauses, which grow up to a limit, and at random."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.harness.federated import Directory, federated, next_of, somebody
from tests.harness.in_process import Client
from xmpp.federation import link
from xmpp.server import Server

SHORTLY = 0.01  # seconds


def longest(below: int) -> int:
    """In place of a random number."""
    return below - 1


def shortest(below: int) -> int:
    """In place of a random number."""
    return 0


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = monotonic()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    chosen = Clock()
    monkeypatch.setattr(link, "monotonic", chosen)
    return chosen


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    with federated(tmp_path, directory, "a.example", federation={"most_pause_seconds": 60}) as one:
        yield one


@pytest.fixture
def juliet(server: Server) -> Client:
    return somebody(server, "juliet@a.example/x")


def is_tried(juliet: Client, directory: Directory, domain: str = "nowhere.example") -> bool:
    """Whether the domain is looked for when somebody writes there, who is told in any case."""
    before = len(directory.dialled)
    said = "".join(juliet.sends(f"<message to='romeo@{domain}' type='chat'><body>hi</body></message>"))
    said = said if "<message" in said else next_of(juliet, "message")
    assert "remote-server-not-found" in said
    return len(directory.dialled) > before


@pytest.mark.parametrize(("chance", "share"), [(longest, 1.0), (shortest, 0.5)])
def test_pauses_double_up_to_the_limit_of_which_at_least_half_is_waited(
    juliet: Client,
    directory: Directory,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    chance: Callable[[int], int],
    share: float,
) -> None:
    monkeypatch.setattr(link, "randbelow", chance)
    assert is_tried(juliet, directory)
    for seconds in (5, 10, 20, 40, 60, 60):
        clock.now += seconds * share - SHORTLY
        assert not is_tried(juliet, directory), seconds
        clock.now += 2 * SHORTLY
        assert is_tried(juliet, directory), seconds


def test_a_limit_below_the_first_pause_holds_for_that_one_too(
    tmp_path: Path, directory: Directory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "randbelow", longest)
    with federated(tmp_path, directory, "a.example", federation={"most_pause_seconds": 1}) as server:
        juliet = somebody(server, "juliet@a.example/x")
        assert is_tried(juliet, directory)
        clock.now += 1 - SHORTLY
        assert not is_tried(juliet, directory)
        clock.now += 2 * SHORTLY
        assert is_tried(juliet, directory)


def test_pauses_begin_anew_once_as_much_again_has_passed_without_a_try(
    juliet: Client, directory: Directory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "randbelow", longest)
    for seconds in (0, 5, 10):  # the next pause is of 20 seconds
        clock.now += seconds + SHORTLY
        assert is_tried(juliet, directory)
    clock.now += 2 * 20 + SHORTLY
    assert is_tried(juliet, directory)
    clock.now += 5 + SHORTLY
    assert is_tried(juliet, directory)


def test_domains_that_failed_at_the_same_time_are_not_tried_again_at_the_same_time(
    juliet: Client, directory: Directory, clock: Clock
) -> None:
    waiting, began, after = [f"d{number}.example" for number in range(20)], clock.now, set[float]()
    assert all(is_tried(juliet, directory, domain) for domain in waiting)
    while waiting:
        clock.now += 0.125
        tried = [domain for domain in waiting if is_tried(juliet, directory, domain)]
        waiting = [domain for domain in waiting if domain not in tried]
        after |= {clock.now - began} if tried else set()
        assert clock.now - began <= 5.125
    assert min(after) >= 2.5
    assert len(after) > 3
