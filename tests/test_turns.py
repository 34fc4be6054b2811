"""Who has much to do lets others go first: sockets at every turn, and those like him, who all get as much."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent import socket

from xmpp.stream.turns import LEAST_SECONDS, ROUND_SECONDS, TURN_SECONDS, Turn, Turns

ROUNDS = 20
FEW = 10


@contextmanager
def running(*acts: Callable[[], object]) -> Iterator[list["gevent.Greenlet[[], object]"]]:
    """Greenlets that do this for as long as the block lasts."""
    greenlets = [gevent.spawn(act) for act in acts]
    try:
        yield greenlets
    finally:
        gevent.killall(greenlets)


def never_done(turns: Turns, log: list[str], name: str) -> Callable[[], None]:
    def act() -> None:
        while True:
            log.append(name)
            turns.wait()

    return act


def test_between_any_two_turns_all_sockets_are_looked_at() -> None:
    turns, log = Turns(), list[str]()
    one, other = socket.socketpair()

    def echo() -> None:
        while data := other.recv(1):
            other.sendall(data)

    busy = [never_done(turns, log, name) for name in "abc"]
    with one, other, running(echo, *busy):
        for _ in range(ROUNDS):
            before = len(log)
            one.sendall(b"x")
            assert one.recv(1) == b"x"
            assert len(log) - before < FEW
        assert len(log) > ROUNDS  # they did go on


def test_those_that_have_much_to_do_get_equally_many_turns() -> None:
    turns, log = Turns(), list[str]()
    with running(*(never_done(turns, log, name) for name in "abc")):
        while len(log) < 3 * ROUNDS:
            turns.wait()
    counts = [log.count(name) for name in "abc"]
    assert max(counts) - min(counts) <= 1


def test_where_many_have_much_to_do_turns_are_shorter() -> None:
    turns, log = Turns(), list[str]()
    alone = turns.seconds
    with running(*(never_done(turns, log, str(number)) for number in range(2))):
        while len(log) < 2 * 2:
            turns.wait()
        assert turns.seconds == ROUND_SECONDS / 3
    log.clear()
    with running(*(never_done(turns, log, str(number)) for number in range(9))):
        while len(log) < 2 * 9:
            turns.wait()
        assert turns.seconds == ROUND_SECONDS / 10
    log.clear()
    with running(*(never_done(turns, log, str(number)) for number in range(200))):
        while len(log) < 2 * 200:
            turns.wait()
        assert turns.seconds == LEAST_SECONDS
    assert turns.seconds == alone


def test_one_that_ends_while_it_waits_holds_up_nobody() -> None:
    turns, log = Turns(), list[str]()
    with running(*(never_done(turns, log, name) for name in "abc")) as (_, second, _):
        while "b" not in log:
            turns.wait()
        second.kill()
        done = len(log)
        while len(log) < done + FEW:
            turns.wait()
    assert set(log[done:]) == {"a", "c"}


def test_a_turn_ends_when_its_time_is_used_up_and_not_before() -> None:
    turn, others = Turn(Turns()), list[str]()
    turn.begin()
    gevent.spawn(others.append, "had the chance")
    time.sleep(max(0.0, 2 * (turn.ends - time.monotonic())))  # others have the processor
    turn.end()
    assert others == []
    used_up = time.thread_time() + TURN_SECONDS
    while time.thread_time() < used_up:
        pass
    turn.end()
    assert others == ["had the chance"]


def test_who_takes_the_time_of_many_turns_at_once_leaves_as_many_out() -> None:
    turns, log = Turns(), list[str]()

    def takes_long() -> None:
        turn = Turn(turns)
        while True:
            busy_until = time.thread_time() + 10 * turns.seconds
            while time.thread_time() < busy_until:
                pass
            log.append("long")
            turn.end()

    with running(takes_long, never_done(turns, log, "short")):
        while log.count("long") < 5:
            turns.wait()
    assert log.count("short") >= 10 * (log.count("long") - 1)
