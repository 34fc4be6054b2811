"""What is being handled is known to all that runs in it, in one greenlet and across waits, and to nobody else."""

from collections.abc import Callable

import gevent
import pytest

from xmpp.running.handling import Handled, handled
from xmpp.running.tickets import Ticket


def test_one_thing_can_be_handled_within_another() -> None:
    ticket = Ticket()
    with Handled() as outer:
        with Handled(ticket) as inner:
            assert handled() is inner and handled().ticket is ticket
        assert handled() is outer and outer.ticket is None


def test_what_fails_is_over() -> None:
    with Handled() as outer:
        with pytest.raises(ValueError), Handled():
            raise ValueError
        assert handled() is outer


def test_a_greenlet_that_has_waited_goes_on_with_what_it_had_begun() -> None:
    seen = list[bool]()

    def handle() -> None:
        for _ in range(3):
            with Handled() as own:
                gevent.sleep(0)
                seen.append(handled() is own)

    gevent.joinall([gevent.spawn(handle) for _ in range(2)], raise_error=True)
    assert seen == [True] * 6


def run_spawned(act: Callable[[], None]) -> None:
    gevent.spawn(act).join()


def run_called_back(act: Callable[[], None]) -> None:
    gevent.get_hub().loop.run_callback(act)
    gevent.sleep(0)


@pytest.mark.parametrize("run", [run_spawned, run_called_back])
def test_what_begins_later_is_not_handled_within_what_asked_for_it(
    run: Callable[[Callable[[], None]], None],
) -> None:
    seen = list[Handled]()

    def act() -> None:
        with Handled():
            seen.append(handled())

    with Handled() as own:
        run(act)
        assert handled() is own
    assert seen != [own]


def test_where_nothing_was_begun_all_that_a_greenlet_does_is_one_thing() -> None:
    seen = list[Handled]()

    def act() -> None:
        seen.append(handled())
        gevent.sleep(0)
        seen.append(handled())

    gevent.joinall([gevent.spawn(act), gevent.spawn(act)], raise_error=True)
    one, other = seen[:2]
    assert one is not other
    assert seen[2:] == [one, other]


def test_a_greenlet_that_has_begun_nothing_can_store_again_after_something_was_lost() -> None:
    raised = list[Exception]()

    def act() -> None:
        ticket = Ticket()
        ticket.close(OSError("the disk is full"))
        handled().ticket = ticket
        handled().raise_if_lost()
        with Handled(ticket) as own:
            try:
                own.raise_if_lost()
            except OSError as error:
                raised.append(error)

    gevent.spawn(act).get()
    assert len(raised) == 1
