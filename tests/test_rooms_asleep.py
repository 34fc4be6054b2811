"""A device that sleeps stays in its rooms, and is woken by what is said there (XEP-0198, XEP-0357, XEP-0352)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from handlers.login import accounts
from handlers.rooms.room import Room
from handlers.sessions import client_state
from tests.harness.in_process import Client
from tests.harness.pushing import break_off, device, enable, expire, leave, pushes, server_that_pushes, woken
from tests.harness.rooms import ROOM, be, configure, enter, opened, say, told
from tests.harness.streams import Stream, listening_server, local_name
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
INACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_that_pushes(tmp_path) as server:
        yield server


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, open to all."""
    return opened(romeo, "romeo")


@pytest.fixture
def phone(server: Server, room: Room, romeo: Client, app: Client) -> Client:
    """Juliet's, which is in the room."""
    phone = device(server, "juliet@localhost/phone")
    enter(phone, "juliet")
    romeo.received()
    return phone


# -- while it sleeps


def test_a_device_that_sleeps_is_in_the_room_and_is_woken_by_what_is_said(
    room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    break_off(phone)
    assert told(romeo.received()) == [] and phone.jid in room.by_session
    say(romeo, "Good morrow")
    assert pushes(app) == [{"message-count": "1"}]
    say(romeo, "It is the east")
    assert pushes(app) == [{"message-count": "2"}]


@pytest.mark.parametrize(
    ("content", "wakes"),
    [
        ("<body>hi</body>", True),
        ("<encrypted xmlns='urn:xmpp:omemo:2'><payload>YQ==</payload></encrypted>", True),
        ("<subject>The east</subject>", False),
        (COMPOSING, False),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>", False),
        ("<reactions xmlns='urn:xmpp:reactions:0' id='m'><reaction>!</reaction></reactions>", False),
    ],
)
def test_it_is_woken_for_what_there_is_to_read(
    room: Room, romeo: Client, app: Client, phone: Client, content: str, wakes: bool
) -> None:
    break_off(phone)
    romeo.sends(f"<message to='{ROOM}' type='groupchat'>{content}</message>")
    assert len(pushes(app)) == wakes


def test_who_comes_and_goes_wakes_nobody(
    server: Server, room: Room, romeo: Client, mercutio: Client, app: Client, phone: Client
) -> None:
    break_off(phone)
    enter(mercutio, "mercutio")
    leave(mercutio)
    assert app.received() == []


def test_it_is_woken_by_a_private_message(room: Room, romeo: Client, app: Client, phone: Client) -> None:
    break_off(phone)
    say(romeo, "psst", room=f"{ROOM}/juliet", type="chat")
    assert pushes(app) == [{"message-count": "1"}]


def test_it_is_not_woken_by_what_its_user_says_on_another_device(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    laptop = Client(server, "juliet@localhost/laptop")
    enter(laptop, "juliet")
    break_off(phone)
    say(laptop, "Ay me")
    assert app.received() == []
    say(romeo, "She speaks")
    assert len(pushes(app)) == 1


def test_nor_by_its_own_words_that_come_back_when_the_line_is_dead(
    room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    break_off(phone)
    phone.session.resume(phone)
    say(phone, "Ay me")
    break_off(phone)
    assert app.received() == []


# -- when nobody has resumed it


def test_when_its_time_is_over_it_leaves_the_room(room: Room, romeo: Client, app: Client, phone: Client) -> None:
    break_off(phone, seconds=0)
    say(romeo, "Good morrow")
    assert len(pushes(app)) == 1
    expire(phone)
    assert told(romeo.received())[-1:] == [f"juliet out none/none {phone.jid}"] and phone.jid not in room.by_session
    assert app.received() == []


def test_a_member_whose_time_is_over_is_woken_by_what_is_said_from_then_on(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    configure(room, membersonly=True)
    be(room, phone, "member")
    break_off(phone, seconds=0)
    expire(phone)
    say(romeo, "Good morrow")
    assert woken(app) == [f"node of {phone.jid}"]


def test_the_servers_own_clock_ends_a_session_that_nobody_resumes(tmp_path: Path) -> None:
    """Over the wire, from the room to the app server, before and after that."""
    settings: dict[str, Any] = {"push": {"burst_seconds": 0.0}, "stream_management": {"resume_seconds": 1}}
    with listening_server(tmp_path, **settings) as server:
        for name in ("romeo", "app"):
            accounts.create(server, JID.of(name, "localhost"), "secret")
        with Stream(server) as romeo, Stream(server) as app, Stream(server) as phone:
            for name, stream in (("romeo", romeo), ("app", app), ("juliet", phone)):
                stream.logs_in(name)
                stream.binds("service" if name == "app" else "device")
            assert phone.asks_iq(enable()) == "result"
            assert phone.asks("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").get("max") == "1"
            romeo.send(f"<presence to='{ROOM}/romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
            romeo.send(f"<iq type='set' id='open' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                       "<x xmlns='jabber:x:data' type='submit'/></query></iq>")  # fmt: skip
            _reads_until(romeo, "open")
            phone.send(f"<presence to='{ROOM}/juliet'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
            assert [_reads_until(phone, "subject"), _reads_until(romeo, "juliet")]
            phone.close()
            romeo.send(f"<message to='{ROOM}' type='groupchat' id='m1'><body>Good morrow</body></message>")
            assert app.asks(" ").find(".//{urn:xmpp:push:0}notification") is not None
            assert _reads_until(romeo, "unavailable") == "presence"


def _reads_until(stream: Stream, word: str) -> str:
    """Read until a stanza that has this word in it; what kind of stanza it is."""
    while True:
        element = stream.asks(" ")
        if word in etree.tostring(element).decode():
            return local_name(element)


# -- a client that nobody looks at (XEP-0352)


def become_inactive(server: Server, client: Client) -> None:
    client_state.become_inactive(server, client, parse(INACTIVE.encode()))  # type: ignore[arg-type]


def test_what_is_said_reaches_an_inactive_client_at_once_and_who_comes_and_types_does_not(
    server: Server, room: Room, romeo: Client, mercutio: Client, phone: Client
) -> None:
    become_inactive(server, phone)
    enter(mercutio, "mercutio")
    romeo.sends(f"<message to='{ROOM}' type='groupchat'>{COMPOSING}</message>")
    romeo.sends(f"<presence to='{ROOM}/romeo'><show>away</show></presence>")
    assert phone.received() == []
    say(romeo, "Good morrow")
    received = told(phone.received())
    assert received[-1] == "romeo says Good morrow"
    assert received[:-1] == ["mercutio in none/participant", "romeo composing", "romeo in owner/moderator"]


def test_that_it_was_put_out_reaches_an_inactive_client_at_once(
    server: Server, room: Room, romeo: Client, phone: Client
) -> None:
    become_inactive(server, phone)
    kick = "<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='juliet' role='none'/></query>"
    assert romeo.asks(kick, type="set", to=ROOM) == ""
    assert told(phone.received()) == [f"juliet out none/none {phone.jid} 307 110"]
