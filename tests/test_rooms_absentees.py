"""Who of a room is to be woken next, and who is left alone for how long: data in, data out."""

from math import inf

import pytest

from handlers.rooms import absentees
from handlers.rooms.absentees import Absentees, AbsentMembers
from xmpp.data.jid import JID

JULIET, ROMEO, NURSE = (JID.parse(f"{name}@localhost") for name in ("juliet", "romeo", "nurse"))
VERONA, MANTUA = (JID.parse(f"{name}@rooms.localhost") for name in ("verona", "mantua"))


@pytest.fixture
def state() -> AbsentMembers:
    state = AbsentMembers()
    state.rooms = {room: Absentees([JULIET, NURSE], here=[]) for room in (VERONA, MANTUA)}
    return state


def woken(state: AbsentMembers, now: float, *, seconds: float = 10.0, at_most: float = 300.0) -> None:
    state.was_woken(JULIET, VERONA, now, seconds=seconds, at_most=at_most)


def is_due(state: AbsentMembers, now: float, room: JID = VERONA) -> bool:
    state.rooms[room].wake_up(now)
    return JULIET in state.rooms[room].due and not state.is_resting(JULIET, room, now)


def test_those_who_are_there_are_not_to_be_woken() -> None:
    absentees = Absentees([JULIET, NURSE], here=[ROMEO, NURSE])
    assert [*absentees.due] == [JULIET]
    absentees.wants(NURSE)
    absentees.wants(ROMEO)  # nobody of the room
    assert [*absentees.due] == [JULIET, NURSE]


def test_who_was_woken_is_left_alone_for_a_while(state: AbsentMembers) -> None:
    assert is_due(state, 0)
    woken(state, 0)
    assert [*state.rooms[VERONA].due] == [NURSE]
    assert not is_due(state, 9.9)
    assert is_due(state, 10)


def test_each_time_for_twice_as_long_and_not_for_ever(state: AbsentMembers) -> None:
    now, waits = 0.0, []
    for _ in range(30):
        woken(state, now)
        wait = next(seconds for seconds in range(1, 2_000) if is_due(state, now + seconds))
        waits.append(wait)
        now += wait
    assert waits[:6] == [10, 20, 40, 80, 160, 300] and set(waits[5:]) == {300}


def test_never_for_a_shorter_time_than_a_burst(state: AbsentMembers) -> None:
    woken(state, 0, seconds=1_000)
    assert not is_due(state, 999) and is_due(state, 1_000)


def test_without_bursts_nobody_is_left_alone(state: AbsentMembers) -> None:
    for _ in range(3):
        woken(state, 5, seconds=0)
        assert is_due(state, 5)


def test_who_comes_back_and_goes_is_to_be_woken_at_once_and_the_times_count_anew(state: AbsentMembers) -> None:
    for now in (0, 10, 30):
        woken(state, now)
    state.goes(JULIET)
    assert is_due(state, 31)
    woken(state, 31)
    assert not is_due(state, 40) and is_due(state, 41)


def test_it_is_left_alone_by_all_rooms_and_then_by_none(state: AbsentMembers) -> None:
    woken(state, 0)
    assert not is_due(state, 5, MANTUA)
    assert JULIET not in state.rooms[MANTUA].due
    assert is_due(state, 10, MANTUA) and is_due(state, 10, VERONA)
    woken(state, 10)
    assert not is_due(state, 15, MANTUA)
    state.goes(JULIET)
    assert is_due(state, 16, MANTUA) and is_due(state, 16, VERONA)


def test_whose_devices_are_all_here_is_to_be_woken_when_one_goes(state: AbsentMembers) -> None:
    state.is_awake(JULIET, VERONA)
    assert not is_due(state, 1e9)
    state.goes(JULIET)
    assert is_due(state, 0)


def test_who_does_not_belong_to_the_room_any_more_is_not_to_be_woken(state: AbsentMembers) -> None:
    woken(state, 0)
    state.rooms[VERONA].remove(JULIET)
    assert not is_due(state, 100)
    state.rooms[VERONA].add(JULIET, is_here=False)
    assert is_due(state, 100)


def test_of_too_many_who_is_left_alone_longest_is_to_be_woken_again(
    state: AbsentMembers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absentees, "MAX_RESTING", 1)
    state.is_awake(JULIET, VERONA)
    assert not is_due(state, 0)
    state.was_woken(NURSE, VERONA, 0, seconds=10, at_most=10)
    assert is_due(state, 0)
    assert state.is_resting(NURSE, VERONA, 5) and not state.is_resting(JULIET, VERONA, inf)
