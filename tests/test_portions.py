"""What is done for many is done in portions, in order, and nobody waits for it but who has begun it."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db.sqlite.errors import StorageError
from tests.harness.in_process import server_in
from xmpp.routing import portions
from xmpp.routing.portions import Portions, go_on
from xmpp.running.handling import Handled, handled
from xmpp.running.tickets import Ticket
from xmpp.server import Server

MANY = 20

pytestmark = pytest.mark.usefixtures("small_portions")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        yield server


@pytest.fixture
def work(server: Server) -> Portions:
    return server.portions


def counted(log: list[str], name: str, count: int = MANY) -> Iterator[None]:
    for number in range(count):
        log.append(f"{name}{number}")
        yield


def numbers(name: str, count: int = MANY) -> list[str]:
    return [f"{name}{number}" for number in range(count)]


def test_what_is_little_is_done_at_once(work: Portions) -> None:
    log = list[str]()
    work.begin("line", counted(log, "a", 2))
    work.begin("line", counted(log, "b", 2))
    assert log == ["a0", "a1", "b0", "b1"]
    assert not work.are_left


def test_of_what_is_much_only_a_portion_is_done_in_one_turn(work: Portions) -> None:
    log, turns = list[str](), list[int]()
    work.begin("line", counted(log, "a"))

    def watch() -> None:
        while work.are_left:
            turns.append(len(log))
            gevent.sleep(1e-6)

    gevent.joinall([gevent.spawn(watch)])
    grown = [after - before for before, after in zip([0, *turns], [*turns, len(log)], strict=True)]
    assert log == numbers("a")
    assert max(grown) == portions.STEPS


def test_a_portion_is_over_when_it_has_taken_long(work: Portions) -> None:
    work.seconds = 0.0
    log = list[str]()
    work.begin("line", counted(log, "a"))
    assert log == ["a0"]
    work.wait("line")
    assert log == numbers("a")


def test_one_line_is_worked_off_in_order_and_lines_take_turns(work: Portions) -> None:
    log = list[str]()
    work.begin("line", counted(log, "a"))
    work.begin("line", counted(log, "b", 1))
    work.begin("other", counted(log, "x", 6))
    work.begin("third", counted(log, "y", 1))
    work.wait_for_own()
    assert [each for each in log if each[0] in "ab"] == [*numbers("a"), "b0"]
    assert log.index("x5") < log.index("a12")
    assert log.index("y0") < log.index("a3")  # nothing is in line before it


def test_what_the_works_of_a_line_hold_is_known_until_they_are_done(work: Portions) -> None:
    log, lost = list[str](), Ticket()
    work.begin("line", counted(log, "done at once", 1), size=1)
    assert work.held("line") == 0
    work.begin("line", counted(log, "a"), size=10)
    with Handled(lost):
        work.begin("line", counted(log, "b"), size=100)
    work.begin("line", iter([]), size=1_000)
    work.begin("other", counted(log, "x"), size=10_000)
    assert (work.held("line"), work.held("other"), work.held("third")) == (1_110, 10_000, 0)
    lost.close(StorageError("lost"))
    work.wait("line")
    work.wait("other")
    assert (work.held("line"), work.held("other")) == (0, 0)
    assert not any("b" in each for each in log)


def test_many_little_works_are_not_all_begun_in_one_turn(work: Portions) -> None:
    log = list[str]()
    for number in range(MANY):
        work.begin(number, counted(log, f"{number} ", 1), at_once=False)
    assert log == []
    work.wait_for_own()
    assert log == [f"{number} 0" for number in range(MANY)]


def test_who_has_begun_something_waits_for_it_and_nobody_else(work: Portions) -> None:
    log = list[str]()

    def begin() -> None:
        work.begin("line", counted(log, "a"))
        work.wait_for_own()
        log.append("done")

    busy = gevent.spawn(begin)
    gevent.sleep(0)
    assert work.are_left
    work.wait_for_own()
    assert log == numbers("a", portions.STEPS)
    busy.join()
    assert log == [*numbers("a"), "done"]


@pytest.mark.parametrize("error", [ValueError("a mistake of ours"), StorageError("the disk is full")])
def test_what_fails_takes_nothing_else_with_it(
    work: Portions, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    log = list[str]()

    def fails() -> Iterator[None]:
        yield from counted(log, "a", 5)
        raise error

    work.begin("line", fails())
    work.begin("line", counted(log, "b"))
    work.wait_for_own()
    assert log == [*numbers("a", 5), *numbers("b")]
    assert str(error) in caplog.text


def test_nobody_is_told_of_what_was_not_stored(work: Portions) -> None:
    log, ticket = list[str](), Ticket()
    with Handled(ticket):
        work.begin("line", counted(log, "a"))
    ticket.failed = StorageError("the disk is full")
    work.begin("line", counted(log, "b", 1))
    work.wait("line")
    assert log == [*numbers("a", portions.STEPS), "b0"]


def test_what_is_done_at_once_is_done_within_what_has_begun_it_and_the_rest_is_not(work: Portions) -> None:
    with Handled() as begun_by:
        within = list[bool]()

        def look() -> Iterator[None]:
            for _ in range(MANY):
                within.append(handled() is begun_by)
                yield

        work.begin("line", look())
        work.wait_for_own()
    assert within == [True] * portions.STEPS + [False] * (MANY - portions.STEPS)


def test_what_is_told_later_waits_for_the_disk_as_what_is_told_now(work: Portions) -> None:
    seen, ticket = list[Ticket | None](), Ticket()
    with Handled(ticket):
        work.begin("line", seen_tickets(seen))
        work.wait_for_own()
    assert seen == [ticket] * MANY


def test_a_work_that_is_to_go_on_does_so_also_if_nothing_was_stored_and_is_asked_once(work: Portions) -> None:
    log, ticket, asked = list[str](), Ticket(), list[bool]()

    def if_lost() -> bool:
        asked.append(True)
        return True

    with Handled(ticket):
        work.begin("line", counted(log, "a"), if_lost=if_lost)
    ticket.failed = StorageError("the disk is full")
    work.wait("line")
    assert log == numbers("a")
    assert asked == [True]


def test_what_goes_on_is_not_held_back_by_what_is_lost(work: Portions) -> None:
    seen, ticket = list[Ticket | None](), Ticket()
    with Handled(ticket):
        work.begin("line", seen_tickets(seen), if_lost=go_on)
    ticket.failed = StorageError("the disk is full")
    work.wait("line")
    assert seen == [ticket] * portions.STEPS + [None] * (MANY - portions.STEPS)


def test_what_a_work_stores_and_loses_itself_does_not_end_it(work: Portions) -> None:
    log, before = list[str](), Ticket()

    def stores() -> Iterator[None]:
        for step in counted(log, "a"):
            if handled().ticket is before:
                handled().ticket = lost = Ticket()
                lost.failed = StorageError("the disk is full")
            yield step

    with Handled(before):
        work.begin("line", stores(), at_once=False)
    work.wait("line")
    assert log == numbers("a")


def test_what_is_not_of_what_is_stored_waits_for_no_disk(work: Portions) -> None:
    seen = list[Ticket | None]()
    with Handled(Ticket()) as begun_by:
        work.begin("line", seen_tickets(seen), is_of_stored=False)
        assert begun_by.works_left == 1
        work.wait_for_own()
    assert seen == [None] * MANY


def seen_tickets(seen: list[Ticket | None]) -> Iterator[None]:
    for _ in range(MANY):
        seen.append(handled().ticket)
        yield
