"""What slows guessing down: counts that fade, and the delays that follow from them. Time is a number here."""

import pytest

from handlers.login.throttle import BOUND, HALF_LIFE, MOST, FadingCounts, LoginThrottle

HERE, THERE = "192.0.2.1", "198.51.100.7"
JULIET, ROMEO = "juliet@localhost", "romeo@localhost"


def test_a_count_grows_with_each_event_and_halves_with_time() -> None:
    counts = FadingCounts(half_life=100)
    for _ in range(4):
        counts.add("key", now=1000)
    assert [counts.get("key", now) for now in (1000, 1100, 1200)] == [4, 2, 1]
    assert counts.get("another", 1000) == 0


def test_a_count_has_a_limit_so_that_it_is_forgotten_in_the_end() -> None:
    counts = FadingCounts(half_life=100)
    for _ in range(1000):
        counts.add("key", now=0)
    assert counts.get("key", 0) == MOST
    assert counts.get("key", 1000) < 0.1


def test_there_are_never_more_keys_than_the_bound_and_the_oldest_go_first() -> None:
    counts = FadingCounts()
    for number in range(BOUND + 10):
        counts.add(str(number), now=0)
        counts.add("busy", now=0)
    assert len(counts) == BOUND
    assert counts.get("0", 0) == 0
    assert counts.get("busy", 0) == MOST


def test_nobody_waits_who_has_not_failed() -> None:
    assert LoginThrottle().delay(HERE, JULIET, now=0) == 0


def test_each_failure_doubles_the_delay() -> None:
    throttle = LoginThrottle()
    delays = []
    for _ in range(5):
        throttle.failed(HERE, JULIET, now=0)
        delays.append(throttle.delay(HERE, JULIET, now=0))
    assert delays == [0.5, 1, 2, 4, 8]


@pytest.mark.parametrize(
    ("peer", "account", "waits"),
    [
        (HERE, JULIET, True),
        (HERE, ROMEO, True),  # the same network tries another account
        (THERE, JULIET, True),  # another network tries the same account
        (THERE, ROMEO, False),
    ],
)
def test_failures_count_against_the_network_and_against_the_account(peer: str, account: str, waits: bool) -> None:
    throttle = LoginThrottle()
    throttle.failed(HERE, JULIET, now=0)
    assert (throttle.delay(peer, account, now=0) > 0) is waits


def test_failures_are_forgotten() -> None:
    throttle = LoginThrottle()
    for _ in range(100):
        throttle.failed(HERE, JULIET, now=0)
    assert throttle.delay(HERE, JULIET, now=6 * HALF_LIFE) == 0
