"""XEP-0045 sections 7.14 and 17.1.3: how somebody leaves a room, with or without saying so."""

import pytest

from handlers.login import accounts
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import Rooms
from tests.harness.in_process import Client, add_accounts
from tests.harness.managed_client import ManagedClient
from tests.harness.rooms import ROOM, SERVICE, be, enter, leave, opened, room_at, say, told
from xmpp.data.wire import parse


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


# -- 7.14 leaving


def test_who_leaves_says_so_to_all(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    romeo.received()
    presence = f"<presence to='{ROOM}/juliet' type='unavailable'><status>the nurse calls</status></presence>"
    [own] = juliet.sends(presence)
    [seen] = romeo.received()
    assert "<status>the nurse calls</status>" in own and "<status>the nurse calls</status>" in seen
    assert told([own, seen]) == [
        "juliet out none/none juliet@localhost/balcony 110",
        "juliet out none/none juliet@localhost/balcony",
    ]


def test_who_is_not_in_a_room_leaves_it_in_silence(room: Room, juliet: Client) -> None:
    assert leave(juliet, "juliet") == leave(juliet, "juliet", room=f"nowhere@{SERVICE}") == []


def test_a_room_that_is_not_kept_is_gone_with_the_last_one(romeo: Client, juliet: Client) -> None:
    opened(romeo, "romeo", persistentroom=False)
    leave(romeo, "romeo")
    assert "201" in told(enter(juliet, "juliet"))[0]


def test_a_room_that_is_kept_is_not_in_memory_while_nobody_is_in_it(room: Room, romeo: Client, juliet: Client) -> None:
    leave(romeo, "romeo")
    assert not list(room.server.state(Rooms))
    assert told(enter(juliet, "juliet"))[0] == "juliet in none/participant juliet@localhost/balcony 110"


def test_who_goes_offline_leaves(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    romeo.received()
    juliet.sends("<presence type='unavailable'/>")
    assert told(romeo.received())[0] == "juliet out none/none juliet@localhost/balcony"


def test_a_session_that_ends_leaves_its_rooms(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    juliet.sends(f"<presence to='{ROOM}/jule'/>")
    romeo.received()
    juliet.session.end()
    assert told(romeo.received()) == ["jule out none/none juliet@localhost/balcony"]
    assert list(room.by_session) == [romeo.jid]


def test_a_session_that_sleeps_stays_until_it_is_over(room: Room, romeo: Client) -> None:
    mercutio = ManagedClient(romeo.server, "mercutio@localhost/tomb")
    mercutio.enables(resume="true")
    enter(mercutio, "mercutio")
    mercutio.loses_connection()
    romeo.received()
    for word in ("one", "two"):
        assert told(say(romeo, word)) == [f"romeo says {word}"]
    mercutio.session.end()
    assert told(romeo.received()) == ["mercutio out none/none mercutio@localhost/tomb"]


def test_rooms_that_were_left_leave_nothing_behind(room: Room, juliet: Client) -> None:
    enter(juliet, "juliet")
    for nick in ("one", "two", "three"):
        juliet.sends(f"<presence to='{ROOM}/{nick}'/>")
    leave(juliet, "three")
    assert juliet.session.directed == set()
    assert juliet.jid not in room.server.state(Rooms).entered


# -- 17.1.3


@pytest.mark.parametrize(
    ("condition", "is_gone"),
    [
        ("gone", True),
        ("internal-server-error", True),
        ("item-not-found", True),
        ("jid-malformed", True),
        ("recipient-unavailable", True),
        ("redirect", True),
        ("remote-server-not-found", True),
        ("remote-server-timeout", True),
        ("service-unavailable", True),
        ("bad-request", False),
        ("feature-not-implemented", False),
        ("forbidden", False),
        ("not-acceptable", False),
        ("not-allowed", False),
        ("policy-violation", False),
        ("resource-constraint", False),
    ],
)
@pytest.mark.parametrize("kind", ["message", "presence"])
def test_who_cannot_be_reached_is_out_of_the_room(
    room: Room, romeo: Client, juliet: Client, kind: str, condition: str, is_gone: bool
) -> None:
    enter(juliet, "juliet")
    romeo.received()
    error = f"<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    received = juliet.sends(f"<{kind} to='{ROOM}/romeo' type='error' id='m'>{error}</{kind}>")
    assert told(received) == (["juliet out none/none juliet@localhost/balcony 333 110"] if is_gone else [])
    assert told(romeo.received()) == (["juliet out none/none juliet@localhost/balcony 333"] if is_gone else [])
    assert bool(juliet.session.directed) != is_gone


def test_who_refuses_a_request_stays(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    juliet.sends(f"<iq to='{ROOM}/romeo' type='get' id='r'><query xmlns='jabber:iq:version'/></iq>")
    id = parse(romeo.received()[-1].encode()).get("id")
    error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    romeo.sends(f"<iq to='{ROOM}/juliet' type='error' id='{id}'>{error}</iq>")
    assert told(juliet.received()) == ["romeo error service-unavailable cancel"]
    assert romeo.jid in room.by_session


def test_an_error_from_somebody_else_is_nothing(room: Room, romeo: Client, juliet: Client) -> None:
    error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    for to in (ROOM, f"{ROOM}/romeo", f"nowhere@{SERVICE}/romeo"):
        assert juliet.sends(f"<message to='{to}' type='error'>{error}</message>") == []
    assert romeo.received() == []


def test_who_gets_the_name_of_an_account_that_is_gone_is_nothing_in_its_rooms(
    room: Room, romeo: Client, juliet: Client
) -> None:
    be(room, juliet, "admin", "jule")
    accounts.remove(romeo.server, juliet.account)
    add_accounts(romeo.server, "juliet")
    enter(romeo, "jule")
    assert told(enter(Client(romeo.server, "juliet@localhost/balcony"), "juliet"))[1] == (
        "juliet in none/participant juliet@localhost/balcony 110"
    )
    leave(romeo, "jule")
    assert room_at(romeo.server).affiliations.keys() == {romeo.account}
