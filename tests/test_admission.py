"""Strangers, however many, leave the loop to those who have a session (xmpp/stream/admission.py)."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket

from tests.harness.streams import JULIET, Stream, listener_of, listening_server
from xmpp.running.accepting import PatientServer
from xmpp.server import Server
from xmpp.stream import admission, turns
from xmpp.stream.admission import BEGUN_FIRST, MOST_WAITING, ROUND_SECONDS, Admission
from xmpp.stream.pace import LOGIN_TURNS, TURNS_USED_UP, Pace
from xmpp.stream.turns import Turns

WORK_SECONDS = ROUND_SECONDS / 2
MANY, FEW, MUCH = 60, 12, 30
BYTES_PER_SECOND = 1_000_000
REGISTER = "<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>"
PING = "<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that passes for the queue: that of what strangers have done for them."""
    passed = [0.0]
    monkeypatch.setattr(admission, "monotonic", lambda: passed[0])
    return passed


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """One in which no stranger has time left: each round of the loop is for one of them."""
    monkeypatch.setattr(admission, "ROUND_SECONDS", 0.0)
    with listening_server(tmp_path, bind={"resources": 2 * MANY}, sasl={"iterations": 4096}) as server:
        yield server


def strangers(
    queue: Admission, clock: list[float], log: list[str], *, has_begun: bool = False, number: int = MANY
) -> "list[gevent.Greenlet[[], None]]":
    """Many that have a piece of work each."""

    def work() -> None:
        queue.wait(has_begun=has_begun)
        clock[0] += WORK_SECONDS
        log.append("begun" if has_begun else "new")

    return [gevent.spawn(work) for _ in range(number)]


def test_between_the_work_for_some_and_for_the_next_all_sockets_are_looked_at(clock: list[float]) -> None:
    queue, log = Admission(), list[str]()
    one, other = socket.socketpair()

    def echo() -> None:
        while data := other.recv(1):
            other.sendall(data)

    with one, other:
        answering = gevent.spawn(echo)
        strangers(queue, clock, log)
        while len(log) < MANY:
            before = len(log)
            one.sendall(b"x")
            assert one.recv(1) == b"x"
            assert len(log) - before <= FEW
        answering.kill()


def test_a_few_need_not_wait(clock: list[float]) -> None:
    queue = Admission()
    current = gevent.getcurrent()
    gevent.get_hub().loop.run_callback(current.throw, AssertionError("it has waited"))
    for _ in range(3):
        queue.wait(has_begun=False)
    with pytest.raises(AssertionError, match="it has waited"):
        gevent.sleep(0)


def test_a_round_is_not_over_because_somebody_starts_a_timer(clock: list[float]) -> None:
    """That sets the loop's own time anew."""
    queue, log = Admission(), list[str]()

    def greedy() -> None:
        for _ in range(MANY):
            queue.wait(has_begun=False)
            clock[0] += WORK_SECONDS
            gevent.get_hub().loop.update_now()
            log.append("greedy")

    working = gevent.spawn(greedy)
    gevent.sleep(0)
    assert 0 < len(log) < FEW
    working.kill()


def test_who_has_begun_goes_before_who_is_new(clock: list[float]) -> None:
    queue, log = Admission(), list[str]()
    strangers(queue, clock, log)
    strangers(queue, clock, log, has_begun=True)
    while len(log) < 2 * MANY:
        gevent.sleep(0)
    some = log[FEW:MANY]  # after the few that need not wait
    assert some.count("begun") >= len(some) * BEGUN_FIRST // (BEGUN_FIRST + 1)


def test_row_250_who_talks_on_and_on_without_logging_in_goes_behind_who_is_new(clock: list[float]) -> None:
    queue, log = Admission(), list[str]()
    pace = Pace(BYTES_PER_SECOND, Turns(), queue, has_begun=True)
    for _ in range(LOGIN_TURNS):
        pace.queue_up()  # nobody else is about

    def talk_on() -> None:
        pace.queue_up()
        log.append("talker")

    gevent.joinall([*strangers(queue, clock, log), gevent.spawn(talk_on)])
    assert log == ["new"] * MANY + ["talker"]


def test_row_250_who_uses_up_a_turn_again_and_again_soon_goes_behind_who_is_new(clock: list[float]) -> None:
    queue, log = Admission(), list[str]()
    pace = Pace(BYTES_PER_SECOND, Turns(), queue, has_begun=True)
    for _ in range(LOGIN_TURNS // TURNS_USED_UP):
        pace.end_turn()

    def talk_on() -> None:
        pace.end_turn()
        log.append("talker")

    gevent.joinall([*strangers(queue, clock, log), gevent.spawn(talk_on)])
    assert log == ["new"] * MANY + ["talker"]


def test_row_250_however_many_have_begun_some_who_are_new_go_before_them(clock: list[float]) -> None:
    queue, log = Admission(), list[str]()
    begun = strangers(queue, clock, log, has_begun=True)
    gevent.joinall([*begun, *strangers(queue, clock, log, number=FEW)])
    assert log.index("new") <= 2 * BEGUN_FIRST
    assert log[: MANY // 2].count("begun") > log[: MANY // 2].count("new") > 1


def test_who_gives_up_leaves_the_others_their_turns(clock: list[float]) -> None:
    queue, log = Admission(), list[str]()
    queue.wait(has_begun=False)
    clock[0] += ROUND_SECONDS
    impatient = gevent.spawn(queue.wait, has_begun=False)
    strangers(queue, clock, log)
    gevent.sleep(0)
    impatient.kill()
    while len(log) < MANY:
        gevent.sleep(0)
    assert impatient.ready()


def test_a_crowd_is_told_from_a_few(clock: list[float]) -> None:
    queue = Admission()
    some = strangers(queue, clock, [])
    gevent.sleep(0)
    assert not queue.has_crowd()
    many = strangers(queue, clock, [], number=2 * MOST_WAITING)
    while not queue.has_crowd():
        gevent.sleep(0)
    gevent.joinall([*some, *many])
    assert not queue.has_crowd()


def test_while_there_is_a_crowd_at_the_door_connections_wait_outside() -> None:
    served, crowd = list[object](), [True]
    listening = PatientServer(("127.0.0.1", 0), lambda *_: served.append(_), is_crowded=lambda: bool(crowd))
    listening.start()
    try:
        with socket.create_connection(("127.0.0.1", listening.address[1])) as connection:
            for _ in range(FEW):
                gevent.sleep(0.001)
            assert not served
            crowd.clear()
            assert connection.recv(1) == b""  # it was served, and closed then
            assert len(served) == 1
    finally:
        listening.stop()


def test_where_strangers_who_wait_have_all_places_others_wait_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not refused: who has the places may be sent away as soon as it is his turn."""
    waiting = list[object]()
    monkeypatch.setattr(Admission, "waiting", property(lambda _: len(waiting)))
    with listening_server(tmp_path) as server, Stream(server) as first, Stream(server) as second:
        monkeypatch.setattr(listener_of(server), "_possible", 2)
        for stream in (first, second):
            stream.open()
        waiting.append(first)
        with Stream(server) as third:
            for _ in range(FEW):
                second.asks(REGISTER)
            first.close()
            second.asks(REGISTER)
            waiting.clear()
            third.open()


def test_many_who_connect_at_once_keep_nobody_waiting_who_is_in(server: Server) -> None:
    with Stream(server) as inside:
        inside.logs_in()
        inside.binds("balcony")
        others = [Stream(server) for _ in range(MANY)]
        gevent.sleep(0.1)  # all are connected
        answered = list[int]()

        def open(stream: Stream) -> None:
            stream.open()
            answered.append(1)

        openings = [gevent.spawn(open, each) for each in others]
        gevent.sleep(0)  # all have said their first words
        inside.send(PING)
        assert inside.receives().get("id") == "p"
        assert len(answered) < FEW
        gevent.joinall(openings)
        assert len(answered) == MANY
        for each in others:
            each.close()


def test_many_who_are_lost_at_once_keep_nobody_waiting(server: Server) -> None:
    with Stream(server) as inside:
        inside.logs_in()
        inside.binds("balcony")
        others = []
        for _ in range(MANY):
            other = Stream(server)
            other.logs_in()
            other.binds()
            others.append(other)
        for other in others:
            other.close()
        inside.send(PING)
        assert inside.receives().get("id") == "p"
        assert len(server.online.sessions(JULIET)) > MANY - FEW
        while len(server.online.sessions(JULIET)) > 1:
            gevent.sleep(0)


def test_row_250_many_who_say_much_at_once_before_they_log_in_keep_nobody_waiting_who_is_in(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("TURN_SECONDS", "LEAST_SECONDS", "ROUND_SECONDS"):  # a turn is over after one element
        monkeypatch.setattr(turns, limit, 1e-9)
    monkeypatch.setattr(turns, "MOST_ROUNDS", 1)
    server.state(Turns).seconds = turns.TURN_SECONDS
    with Stream(server) as inside:
        inside.logs_in()
        inside.binds("balcony")
        others = [Stream(server) for _ in range(MANY)]
        for other in others:
            other.open()
        answered = list[int]()

        def ask(stream: Stream) -> None:
            stream.send(REGISTER * MUCH)
            for _ in range(MUCH):
                stream.receives()
                answered.append(1)

        asking = [gevent.spawn(ask, each) for each in others]
        while len(answered) < 4 * MANY:
            gevent.sleep(0)
        before = len(answered)
        inside.send(PING)
        assert inside.receives().get("id") == "p"
        assert len(answered) - before < FEW
        gevent.killall(asking)
        for other in others:
            other.close()
