"""Sessions that end while a room has more for them: they leave, and what they had not acknowledged does not come back
to the room."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from db import offline
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import Rooms
from handlers.sessions import redelivery
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.managed_client import ManagedClient, ReturningClient, bodies
from tests.harness.rooms import MUC, ROOM, enter, in_short, opened, say, told
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing import portions
from xmpp.server import Server

BODIES = [f"line {number}" for number in range(500)]


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


def asleep(server: Server, address: str, nick: str, *rooms: str) -> ManagedClient:
    """A device in rooms whose session waits to be resumed, until the loop gets to its timers."""
    client = ManagedClient(server, address)
    client.enables(resume="true")
    client.management.seconds = 0
    for room in rooms or (ROOM,):
        enter(client, nick, room=room)
    client.loses_connection()
    return client


def expire(server: Server, *sleepers: ManagedClient) -> None:
    """The server's own timer ends these sessions, and all that they leave behind is dealt with."""
    for sleeper in sleepers:
        while sleeper.session in server.online:
            gevent.sleep(0)
    redelivery.finish(server)


@pytest.fixture
def routed(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[Stanza]:
    """All that the server routes from now on."""
    stanzas = list[Stanza]()
    route: Callable[[Stanza], None] = server.router.route

    def note(stanza: Stanza) -> None:
        stanzas.append(stanza)
        route(stanza)

    monkeypatch.setattr(server.router, "route", note)
    return stanzas


def test_devices_that_sleep_for_good_leave_once_and_nothing_of_what_they_missed_comes_back(
    server: Server, room: Room, romeo: Client, juliet: Client, routed: list[Stanza]
) -> None:
    enter(juliet, "juliet")
    sleepers = [asleep(server, f"mercutio@localhost/{name}", name) for name in ("one", "two", "three", "four")]
    romeo.received(), juliet.received()
    for body in BODIES:
        say(romeo, body)
    assert [len(sleeper.management.sent) >= len(BODIES) for sleeper in sleepers] == [True] * 4
    romeo.received(), juliet.received()
    routed.clear()
    expire(server, *sleepers)
    gone = {f"{name} out none/none" for name in ("one", "two", "three", "four")}
    assert Counter(told(juliet.received())) == Counter(gone)
    assert Counter(each.partition(" mercutio")[0] for each in told(romeo.received())) == Counter(gone)
    assert [each for each in routed if each.type == "error"] == []
    assert list(room.by_session) == [romeo.jid, juliet.jid]
    assert told(say(romeo, "still here?")) == told(juliet.received()) == ["romeo says still here?"]


def test_a_device_that_comes_back_has_all_that_was_said_and_is_still_there(
    server: Server, room: Room, romeo: Client
) -> None:
    phone = ManagedClient(server, "mercutio@localhost/tomb")
    id = phone.enables(resume="true")
    enter(phone, "mercutio")
    had = phone.management.sent.count
    phone.loses_connection()
    romeo.received()
    for body in BODIES:
        say(romeo, body)
    again = ReturningClient(server, "mercutio@localhost")
    missed = again.resumes(id, had)
    assert bodies(missed) == BODIES
    say(again, "I have it all")
    assert "mercutio says I have it all" in told(romeo.received())


def test_a_device_in_several_rooms_leaves_them_all(server: Server, room: Room, romeo: Client) -> None:
    other = opened(romeo, "romeo", room="mantua@rooms.localhost")
    sleeper = asleep(server, "mercutio@localhost/tomb", "mercutio", ROOM, other.address)
    romeo.received()
    for address in (ROOM, other.address):
        say(romeo, "one", room=address), say(romeo, "two", room=address)
    expire(server, sleeper)
    assert told(romeo.received()) == ["mercutio out none/none mercutio@localhost/tomb"] * 2
    assert sleeper.jid not in server.state(Rooms).entered


def test_a_room_elsewhere_is_told_once_that_somebody_is_gone(server: Server, routed: list[Stanza]) -> None:
    sleeper = asleep(server, "mercutio@localhost/tomb", "mercutio", "verona@rooms.example")
    for room in ("verona", "verona", "mantua", "verona"):
        sender = JID.parse(f"{room}@rooms.example/romeo")
        server.router.route(Stanza.build("message", type="groupchat", id="m", to=sleeper.jid, sender=sender))
    routed.clear()
    expire(server, sleeper)
    assert [(each.kind, each.type, each.to) for each in routed if each.to != sleeper.jid] == [
        ("presence", "unavailable", "verona@rooms.example/mercutio"),
        ("message", "error", "verona@rooms.example/romeo"),
        ("message", "error", "mantua@rooms.example/romeo"),
    ]


# -- what occupants say to each other alone


def test_what_was_said_to_a_device_alone_comes_back_to_who_has_said_it(
    server: Server, room: Room, romeo: Client
) -> None:
    sleeper = asleep(server, "mercutio@localhost/tomb", "mercutio")
    laptop = Client(server, "mercutio@localhost/laptop")
    laptop.sends("<presence/>")
    for id in ("one", "two"):
        romeo.sends(f"<message to='{ROOM}/mercutio' type='chat' id='{id}'><body>psst</body></message>")
    composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    romeo.sends(f"<message to='{ROOM}/mercutio' type='chat' id='typing'>{composing}</message>")
    romeo.received()
    expire(server, sleeper)
    left, *errors = romeo.received()
    assert in_short(left) == "mercutio out none/none mercutio@localhost/tomb"
    assert told(errors) == ["mercutio error recipient-unavailable wait"] * 2
    assert [f' id="{id}"' in error for id, error in zip(("one", "two"), errors, strict=True)] == [True, True]
    assert laptop.received() == [] and offline.count(server.db, sleeper.account) == 0


def test_an_invitation_is_kept_for_whoever_comes_next(server: Server, room: Room, romeo: Client) -> None:
    sleeper = ManagedClient(server, "mercutio@localhost/tomb")
    sleeper.enables(resume="true")
    sleeper.sends("<presence/>")
    sleeper.management.seconds = 0
    sleeper.loses_connection()
    invite = "<invite to='mercutio@localhost'/>"
    romeo.sends(f"<message to='{ROOM}'><x xmlns='{MUC}#user'>{invite}</x></message>")
    expire(server, sleeper)
    assert offline.count(server.db, sleeper.account) == 1 and romeo.received() == []


def test_what_another_device_under_the_nick_has_got_does_not_come_back(
    server: Server, room: Room, romeo: Client
) -> None:
    sleeper = asleep(server, "mercutio@localhost/tomb", "mercutio")
    laptop = Client(server, "mercutio@localhost/laptop")
    enter(laptop, "mercutio")
    romeo.received(), laptop.received()
    romeo.sends(f"<message to='{ROOM}/mercutio' type='chat' id='one'><body>psst</body></message>")
    assert told(laptop.received()) == ["romeo says psst"]
    expire(server, sleeper)
    assert romeo.received() == [] and laptop.received() == []


def test_what_is_in_the_archive_does_not_come_back(tmp_path: Path) -> None:
    with server_in(tmp_path, archive={"enabled": True}) as server:
        add_accounts(server, "romeo", "mercutio")
        romeo = Client(server, "romeo@localhost/orchard")
        opened(romeo, "romeo")
        sleeper = asleep(server, "mercutio@localhost/tomb", "mercutio")
        romeo.sends(f"<message to='{ROOM}/mercutio' type='chat' id='one'><body>psst</body></message>")
        romeo.received()
        expire(server, sleeper)
        assert told(romeo.received()) == ["mercutio out none/none mercutio@localhost/tomb"]


@pytest.mark.parametrize("id", ["id='m'", ""])
def test_who_has_blocked_somebody_stays_in_the_room_whatever_that_one_says(
    server: Server, room: Room, romeo: Client, juliet: Client, id: str
) -> None:
    enter(juliet, "juliet")
    block = f"<block xmlns='urn:xmpp:blocking'><item jid='{ROOM}/romeo'/></block>"
    assert juliet.asks(block, type="set") == ""
    romeo.received()
    [error] = romeo.sends(f"<message to='{ROOM}/juliet' type='chat' {id}><body>psst</body></message>")
    assert in_short(error) == "juliet error service-unavailable cancel"
    assert juliet.jid in room.by_session


# -- a new session of the same address


def test_a_new_session_of_the_address_hears_nothing_of_the_end_of_the_old_one(
    server: Server, room: Room, romeo: Client
) -> None:
    """Where a room has more to tell than can be told at once, the end of a session waits for its turn."""
    enter(Client(server, "mercutio@localhost/tomb"), "mercutio")
    old = server.online.session(JID.parse("mercutio@localhost/tomb"))
    server.portions.begin(room.address, iter(range(2 * portions.STEPS)))
    assert old is not None
    old.end()
    new = Client(server, "mercutio@localhost/tomb")
    entered = enter(new, "mercutio")
    while server.portions.are_left:
        gevent.sleep(0.001)
    assert [each for each in told([*entered, *new.received()]) if "out" in each] == []
    assert new.jid in room.by_session
