"""XEP-0500: how long people wait between two messages to a room, and who does not."""

import time

import pytest

from handlers.rooms import slow_mode
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import Rooms
from handlers.rooms.slow_mode import LastSaid
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, be, configure, enter, leave, opened, say, told
from xmpp.data.jid import JID

REFUSED = ["room error policy-violation wait"]
CORRECTION = "<replace xmlns='urn:xmpp:message-correct:0' id='m'/>"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by the monotonic clock, in a list of one."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def room(romeo: Client, juliet: Client, now: list[float]) -> Room:
    """Romeo's, in which Juliet waits half a minute between two messages."""
    room = opened(romeo, "romeo", slow_mode_duration=30)
    enter(juliet, "juliet")
    romeo.received()
    return room


def test_who_has_spoken_waits_and_hears_for_how_long(
    room: Room, romeo: Client, juliet: Client, now: list[float]
) -> None:
    assert told(say(juliet, "one")) == ["juliet says one"]
    now[0] += 22.5
    [refused] = say(juliet, "two")
    assert told([refused]) == REFUSED
    assert "30 seconds" in refused and "in 8 seconds" in refused
    assert told(romeo.received()) == ["juliet says one"]
    now[0] += 7.5
    assert told(say(juliet, "three")) == ["juliet says three"]


def test_what_was_refused_does_not_count(room: Room, juliet: Client, now: list[float]) -> None:
    say(juliet, "one")
    now[0] += 29
    assert told(say(juliet, "two")) == REFUSED
    now[0] += 1
    assert told(say(juliet, "two")) == ["juliet says two"]


def test_what_was_refused_for_another_reason_does_not_count(room: Room, juliet: Client) -> None:
    forged = "<moderated xmlns='urn:xmpp:message-moderate:1'/>"
    refused = juliet.sends(f"<message to='{ROOM}' type='groupchat'><body>hi</body>{forged}</message>")
    assert told(refused) == ["room error forbidden auth"]
    assert told(say(juliet, "one")) == ["juliet says one"]


def test_another_nick_device_or_entrance_is_not_another_person(room: Room, romeo: Client, juliet: Client) -> None:
    say(juliet, "one")
    juliet.sends(f"<presence to='{ROOM}/Capulet'/>")
    assert told(say(juliet, "two")) == REFUSED
    phone = Client(juliet.server, "juliet@localhost/phone")
    enter(phone, "another")
    assert told(say(phone, "two")) == REFUSED
    leave(juliet, "Capulet")
    enter(juliet, "juliet")
    assert told(say(juliet, "two")) == REFUSED


def test_nor_is_who_comes_back_when_nobody_else_was_there(
    room: Room, romeo: Client, juliet: Client, now: list[float]
) -> None:
    say(juliet, "one")
    leave(romeo, "romeo")
    leave(juliet, "juliet")
    assert room.address not in juliet.server.state(Rooms).here
    enter(juliet, "juliet")
    assert told(say(juliet, "two")) == REFUSED


@pytest.mark.parametrize(("affiliation", "waits"), [("owner", False), ("admin", False), ("member", True)])
def test_admins_and_owners_do_not_wait(room: Room, juliet: Client, affiliation: str, waits: bool) -> None:
    be(room, juliet, affiliation)
    say(juliet, "one")
    assert told(say(juliet, "two")) == (REFUSED if waits else ["juliet says two"])


def test_moderators_who_are_no_admins_wait(room: Room, juliet: Client) -> None:
    room.occupants["juliet"].role = "moderator"
    say(juliet, "one")
    assert told(say(juliet, "two")) == REFUSED


def test_the_subject_does_not_count_nor_what_has_no_body(room: Room, juliet: Client) -> None:
    configure(room, changesubject=True)
    for content in (
        "<subject>The balcony</subject>",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>x</reaction></reactions>",
        "<received xmlns='urn:xmpp:receipts' id='1'/>",
    ):
        for _ in range(2):
            [heard] = juliet.sends(f"<message to='{ROOM}' type='groupchat'>{content}</message>")
            assert "error" not in heard
    assert told(say(juliet, "one")) == ["juliet says one"]


def test_what_has_a_body_counts_whatever_else_it_has(room: Room, juliet: Client) -> None:
    say(juliet, "one")
    for more in (CORRECTION, "<no-store xmlns='urn:xmpp:hints'/>", "<subject>Re: it</subject>"):
        refused = juliet.sends(f"<message to='{ROOM}' type='groupchat' id='m2'><body>two</body>{more}</message>")
        assert told(refused) == REFUSED


def test_each_room_has_a_time_of_its_own_and_the_present_length_holds(
    room: Room, romeo: Client, juliet: Client, now: list[float]
) -> None:
    other = "mantua@rooms.localhost"
    opened(romeo, "romeo", room=other, slow_mode_duration=30)
    enter(juliet, "juliet", room=other)
    say(juliet, "one")
    assert told(say(juliet, "one", room=other)) == ["juliet says one"]
    configure(room, slow_mode_duration=10)
    now[0] += 10
    assert told(say(juliet, "two")) == ["juliet says two"]
    configure(room, slow_mode_duration=0)
    assert told(say(juliet, "three")) == ["juliet says three"]


def test_who_has_spoken_is_remembered_for_a_day_and_of_so_many(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_mode, "MOST", 3)
    last, people = LastSaid(), [JID.parse(f"{name}@localhost") for name in "abcde"]
    for at, person in enumerate(people):
        last.note(room, person, float(at))
    assert [last.of(room, person) for person in people] == [None, None, 2, 3, 4]
    last.note(room, people[2], 5.0)
    last.note(room, people[0], 86_404.5)
    assert [last.of(room, person) for person in people] == [86_404.5, None, 5, None, None]
