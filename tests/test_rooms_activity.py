"""XEP-0502: how many messages an hour there are in a room, which are counted, and of which rooms it is told."""

import time
from typing import Any

import pytest

from handlers.rooms import activity
from handlers.rooms.activity import Activity
from handlers.rooms.rooms_here import Rooms
from tests.harness.in_process import Client
from tests.harness.rooms import INFO, ROOM, configure, enter, fields_in, leave, opened, say
from xmpp.data.wire import parse

HOUR = 3_600.0
NOON = 500_000 * HOUR


def told(client: Client) -> list[str] | None:
    """The field, as somebody who asks the room is told it."""
    return fields_in(parse(client.asks(INFO, to=ROOM).encode())).get("{urn:xmpp:muc-activity}message-activity")


def test_messages_are_counted_by_the_hour_for_a_day() -> None:
    counted = Activity()
    for hour in range(24):
        for _ in range(3):
            counted.count(1, NOON + hour * HOUR)
    assert counted.per_hour(1, NOON + 24 * HOUR, 0.0) == 3
    assert counted.per_hour(1, NOON + 25 * HOUR, 0.0) == pytest.approx(69 / 24)
    assert counted.per_hour(1, NOON + 47 * HOUR, 0.0) == pytest.approx(3 / 24)
    assert counted.per_hour(1, NOON + 48 * HOUR, 0.0) == 0
    assert counted.per_hour(2, NOON, 0.0) == 0


def test_hours_in_which_nothing_was_said_count_as_hours() -> None:
    counted = Activity()
    counted.count(1, NOON)
    counted.count(1, NOON + 10 * HOUR)
    counted.count(1, NOON + 200 * HOUR)
    assert counted.per_hour(1, NOON + 201 * HOUR, 0.0) == pytest.approx(1 / 24)


def test_what_was_before_the_start_of_the_server_is_not_there_to_be_counted() -> None:
    counted = Activity()
    for _ in range(6):
        counted.count(1, NOON)
    assert counted.per_hour(1, NOON + 60, NOON - 60) == 6  # an hour at least, else a greeting would look like a crowd
    assert counted.per_hour(1, NOON + 3 * HOUR, NOON) == 2


def test_a_clock_that_is_put_back_does_no_harm() -> None:
    counted = Activity()
    counted.count(1, NOON)
    counted.count(1, NOON - 5 * HOUR)
    assert counted.per_hour(1, NOON, NOON - 2 * HOUR) == 1
    assert counted.per_hour(1, NOON - 5 * HOUR, 0.0) is not None


def test_of_many_rooms_the_quietest_are_not_known_and_nothing_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "MOST_ROOMS", 2)
    counted = Activity()
    for room in (1, 2, 1, 3):
        counted.count(room, NOON)
    assert len(counted) == 2
    assert [counted.per_hour(room, NOON, NOON) for room in (1, 2, 3, 4)] == [2, None, 1, None]
    assert counted.per_hour(2, NOON + 26 * HOUR, NOON) == 0


def test_a_public_room_says_so_to_everybody(romeo: Client, juliet: Client) -> None:
    opened(romeo, "romeo", publicroom=True)
    assert told(juliet) == ["0.00"]
    for _ in range(3):
        say(romeo, "hi")
    assert told(juliet) == ["3.00"]


@pytest.mark.parametrize(
    "configuration",
    [{"publicroom": False}, {"persistentroom": False}, {"membersonly": True}, {"passwordprotectedroom": True}],
)
def test_another_room_says_nothing_not_even_to_its_owner(romeo: Client, configuration: dict[str, Any]) -> None:
    room = opened(romeo, "romeo", publicroom=True)
    assert told(romeo) is not None
    configure(room, roomsecret="cauldron", **configuration)
    say(romeo, "hi")
    assert told(romeo) is None


@pytest.mark.parametrize(
    "content",
    [
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<body>corrected</body><replace xmlns='urn:xmpp:message-correct:0' id='m'/>",
        "<subject>The balcony</subject>",
        "<body>/me takes it back</body><retract xmlns='urn:xmpp:message-retract:1' id='unknown'/>",
    ],
)
def test_what_is_no_message_of_its_own_is_not_counted(romeo: Client, content: str) -> None:
    opened(romeo, "romeo", publicroom=True)
    romeo.sends(f"<message to='{ROOM}' type='groupchat' id='m2'>{content}</message>")
    assert told(romeo) == ["0.00"]
    say(romeo, "hi")
    assert told(romeo) == ["1.00"]


def test_neither_what_is_refused_nor_what_is_said_in_private_is_counted(romeo: Client, juliet: Client) -> None:
    room = opened(romeo, "romeo", publicroom=True)
    enter(juliet, "juliet")
    room.occupants["juliet"].role = "visitor"
    say(juliet, "hi")
    romeo.sends(f"<message to='{ROOM}/juliet' type='chat'><body>psst</body></message>")
    assert told(romeo) == ["0.00"]


def test_it_is_still_known_when_nobody_is_in_the_room(romeo: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    room = opened(romeo, "romeo", publicroom=True)
    for _ in range(6):
        say(romeo, "hi")
    leave(romeo, "romeo")
    romeo.server.db.memory.clear()
    assert room.address not in romeo.server.state(Rooms).here
    later = time.time() + 2 * HOUR
    monkeypatch.setattr(time, "time", lambda: later)
    assert told(romeo) == ["3.00"]
