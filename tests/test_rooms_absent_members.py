"""Who belongs to a room and is not in it is woken by what is said there (XEP-0357), and app servers learn nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from db import blocklists
from db.rooms import Affiliation
from handlers.login import accounts
from handlers.rooms import absent_members
from handlers.rooms.absentees import AbsentMembers
from handlers.rooms.room import Room
from tests.harness.in_process import Client, add_accounts, queries_of, server_in, xml
from tests.harness.pushing import (
    APP,
    answer,
    break_off,
    device,
    enable,
    expire,
    leave,
    node_of,
    pushes,
    server_that_pushes,
    woken,
)
from tests.harness.rooms import ROOM, be, configure, enter, opened, say
from tests.harness.rooms import leave as leave_room
from tests.harness.streams import PATIENCE
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.routing import portions, requests
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")
PHONE = "juliet@localhost/phone"
OF_PHONE = f"node of {PHONE}"
NO_STORE = "<no-store xmlns='urn:xmpp:hints'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_that_pushes(tmp_path) as server:
        yield server


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, for members."""
    return opened(romeo, "romeo", membersonly=True)


@pytest.fixture
def phone(server: Server, room: Room, app: Client) -> Client:
    """Of Juliet, who is a member and not in the room."""
    be(room, Client(server, "juliet@localhost/balcony"), "member")
    return device(server, PHONE)


def says(client: Client, content: str) -> None:
    client.sends(f"<message to='{ROOM}' type='groupchat' id='m'>{content}</message>")


# -- whom


@pytest.mark.parametrize("affiliation", ["member", "admin", "owner"])
@pytest.mark.parametrize("depart", [leave, break_off])
def test_who_belongs_to_a_room_for_members_is_woken_by_what_is_said_there(
    room: Room, romeo: Client, app: Client, phone: Client, depart: Any, affiliation: str
) -> None:
    be(room, phone, affiliation)
    depart(phone)
    say(romeo, "Good morrow")
    assert woken(app) == [OF_PHONE]


@pytest.mark.parametrize("affiliation", ["none", "outcast"])
def test_nobody_else_is(room: Room, romeo: Client, app: Client, phone: Client, affiliation: str) -> None:
    leave(phone)
    say(romeo, "hi")
    assert woken(app) == [OF_PHONE]
    be(room, phone, affiliation)
    say(romeo, "Good morrow")
    assert app.received() == []


def test_row_120_who_belongs_to_it_by_its_domain_alone_is_not_woken(
    room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    """Nobody could say so of others, and have all of them woken."""
    room.set_affiliations({JULIET: Affiliation("none"), JID.parse("localhost"): Affiliation("member")})
    leave(phone)
    say(romeo, "Good morrow")
    assert app.received() == []


def test_of_an_open_room_nobody_is_woken_by_everything(room: Room, romeo: Client, app: Client, phone: Client) -> None:
    configure(room, membersonly=False)
    leave(phone)
    say(romeo, "Good morrow")
    assert app.received() == []
    configure(room, membersonly=True)
    say(romeo, "Good morrow")
    assert woken(app) == [OF_PHONE]


def test_a_device_that_is_connected_is_not_woken_and_the_others_are(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    leave(device(server, "juliet@localhost/tablet"))
    say(romeo, "Good morrow")
    assert woken(app) == ["node of juliet@localhost/tablet"]


def test_nobody_is_woken_who_is_in_the_room_by_another_device(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    laptop = Client(server, "juliet@localhost/laptop")
    enter(laptop, "juliet")
    leave(phone)
    say(romeo, "Good morrow")
    assert app.received() == []
    break_off(laptop)
    say(romeo, "It is the east")
    assert app.received() == []
    leave_room(laptop, "juliet")
    say(romeo, "She speaks")
    assert woken(app) == [OF_PHONE]


def test_who_has_said_it_is_not_woken_on_other_devices(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    leave(device(server, "romeo@localhost/phone"))
    leave(phone)
    say(romeo, "Good morrow")
    assert woken(app) == [OF_PHONE]


@pytest.mark.parametrize(
    "blocked", ["rooms.localhost", ROOM, f"{ROOM}/romeo", "romeo@localhost", "romeo@localhost/orchard"]
)
def test_row_52_who_has_blocked_the_room_or_who_speaks_is_not_woken(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client, blocked: str
) -> None:
    leave(phone)
    blocklists.add(server.db, JULIET, [JID.parse(blocked)])
    say(romeo, "Good morrow")
    assert app.received() == []
    blocklists.remove(server.db, JULIET, [JID.parse(blocked)])
    say(romeo, "Good morrow")
    assert woken(app) == [OF_PHONE]


# -- by what


@pytest.mark.parametrize(
    ("content", "wakes"),
    [
        ("<body>hi</body>", True),
        ("<encrypted xmlns='urn:xmpp:omemo:2'><payload>YQ==</payload></encrypted>", True),
        ("<body>hi</body>" + NO_STORE, False),  # it would find nothing
        ("<body/>", False),
        ("<subject>The east</subject>", False),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", False),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>", False),
        ("<reactions xmlns='urn:xmpp:reactions:0' id='m'><reaction>!</reaction></reactions>", False),
    ],
)
def test_absentees_are_woken_for_what_there_is_to_read(
    room: Room, romeo: Client, app: Client, phone: Client, content: str, wakes: bool
) -> None:
    leave(phone)
    says(romeo, content)
    assert len(pushes(app)) == wakes


def test_row_58_app_servers_learn_nothing_of_it(tmp_path: Path) -> None:
    """Even where they are told what else there is, and even of a message before."""
    with server_that_pushes(tmp_path, include_sender=True, include_body=True) as server:
        romeo, app = Client(server, "romeo@localhost/orchard"), Client(server, APP)
        room = opened(romeo, "romeo", membersonly=True)
        phone = device(server, PHONE)
        be(room, phone, "member")
        leave(phone)
        romeo.sends(f"<message to='{JULIET}' type='chat'><body>for you alone</body></message>")
        assert pushes(app)[0].keys() == {"message-count", "last-message-sender", "last-message-body"}
        say(romeo, "Good morrow")
        [push] = app.received()
        id = parse(push.encode()).get("id")
        assert push == xml(
            f"<iq type='set' id='{id}' from='{JULIET}' to='{APP}'>"
            f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{OF_PHONE}'><item>"
            "<notification xmlns='urn:xmpp:push:0'><x xmlns='jabber:x:data' type='result'>"
            "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:push:summary</value></field>"
            "<field var='message-count' type='text-single'><value>2</value></field>"
            "</x></notification></item></publish></pubsub></iq>"
        )


# -- mentions, in a room for all


@pytest.fixture
def open_room(room: Room) -> Room:
    configure(room, membersonly=False)
    return room


@pytest.mark.parametrize(
    ("content", "wakes"),
    [
        ("<body>good morrow, Juliet!</body>", True),
        ("<body>JULIET: are you there?</body>", True),
        ("<body>Juliets are roses</body>", False),
        ("<body>good morrow</body>", False),
        ("<body>her</body><reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:juliet@localhost'/>", True),
        (f"<body>her</body><reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:{ROOM}/juliet'/>", True),
        ("<body>her</body><reference xmlns='urn:xmpp:reference:0' type='data' uri='xmpp:juliet@localhost'/>", False),
        ("<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:juliet@localhost'/>", False),
        ("<body>[Juliet]</body><encrypted xmlns='urn:xmpp:omemo:2'><payload>YQ==</payload></encrypted>", False),
    ],
)
def test_who_belongs_to_an_open_room_is_woken_by_what_mentions_it(
    open_room: Room, romeo: Client, app: Client, phone: Client, content: str, wakes: bool
) -> None:
    be(open_room, phone, "member", "juliet")
    leave(phone)
    says(romeo, content)
    assert len(pushes(app)) == wakes


def test_who_is_there_or_does_not_belong_to_it_is_not(
    server: Server, open_room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    be(open_room, phone, "member", "juliet")
    laptop = Client(server, "juliet@localhost/laptop")
    enter(laptop, "juliet")
    leave(phone)
    say(romeo, "Juliet!")
    assert app.received() == []
    leave_room(laptop, "juliet")
    say(romeo, "Juliet!")
    assert woken(app) == [OF_PHONE]
    be(open_room, phone, "none", "juliet")
    say(romeo, "Juliet!")
    assert app.received() == []


def test_it_is_known_by_the_nick_that_it_had_also_when_nobody_was_in_the_room_since(
    server: Server, open_room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    enter(phone, "The sun")
    leave(phone)
    say(romeo, "the sun is up")
    assert woken(app) == [OF_PHONE]
    leave_room(romeo, "romeo")
    server.db.memory.clear()
    enter(romeo, "romeo")
    say(romeo, "arise, the Sun")
    assert woken(app) == [OF_PHONE]


# -- how often


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[tuple[Server, Client, Client, Client]]:
    """Romeo, the app server, and Juliet's phone, of a server where only coming back ends a burst."""
    with server_that_pushes(tmp_path, burst_seconds=1e6) as server:
        romeo = Client(server, "romeo@localhost/orchard")
        phone = device(server, PHONE)
        be(opened(romeo, "romeo", membersonly=True), phone, "member")
        yield server, romeo, Client(server, APP), phone


Patient = tuple[Server, Client, Client, Client]


def test_row_120_a_burst_of_messages_is_one_push(patient: Patient) -> None:
    _, romeo, app, phone = patient
    leave(phone)
    for _ in range(3):
        say(romeo, "hi")
    assert pushes(app) == [{"message-count": "1"}]
    say(romeo, "hi")
    assert app.received() == []


def test_without_a_limit_each_message_is_one(room: Room, romeo: Client, app: Client, phone: Client) -> None:
    leave(phone)
    for count in (1, 2, 3):
        say(romeo, "hi")
        assert pushes(app) == [{"message-count": str(count)}]


def test_who_was_woken_for_a_room_is_left_alone_by_others_as_well(patient: Patient) -> None:
    _, romeo, app, phone = patient
    be(opened(romeo, "romeo", room="mantua@rooms.localhost", membersonly=True), phone, "member")
    leave(phone)
    say(romeo, "hi")
    say(romeo, "hi", room="mantua@rooms.localhost")
    assert len(pushes(app)) == 1
    leave(Client(phone.server, PHONE))
    say(romeo, "hi", room="mantua@rooms.localhost")
    assert len(pushes(app)) == 1


@pytest.mark.parametrize("depart", [leave, break_off])
def test_who_has_come_and_is_gone_is_woken_again(patient: Patient, depart: Any) -> None:
    server, romeo, app, phone = patient
    leave(phone)
    say(romeo, "hi")
    assert len(pushes(app)) == 1
    again = Client(server, PHONE)
    say(romeo, "hi")
    assert app.received() == []
    depart(again)
    say(romeo, "hi")
    assert pushes(app) == [{"message-count": "1"}]


def test_a_device_that_was_here_is_woken_once_it_goes(patient: Patient) -> None:
    _, romeo, app, phone = patient
    say(romeo, "hi")
    assert app.received() == []
    leave(phone)
    say(romeo, "hi")
    assert pushes(app) == [{"message-count": "1"}]


def test_who_has_been_in_the_room_is_woken_again_when_it_has_left(patient: Patient) -> None:
    server, romeo, app, phone = patient
    leave(phone)
    say(romeo, "hi")
    assert len(pushes(app)) == 1
    again = Client(server, PHONE)
    enter(again, "juliet")
    leave(again)
    say(romeo, "hi")
    assert len(pushes(app)) == 1


def test_a_session_whose_time_is_over_has_not_come_back(patient: Patient) -> None:
    server, romeo, app, phone = patient
    break_off(phone, seconds=0)
    say(romeo, "hi")
    assert len(pushes(app)) == 1
    expire(phone)
    assert not server.state(AbsentMembers).rooms[JID.parse(ROOM)].due
    say(romeo, "hi")
    assert app.received() == []


# -- who belongs to it, as that changes


def test_who_becomes_a_member_is_woken_from_then_on(
    server: Server, room: Room, romeo: Client, mercutio: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    leave(device(server, "mercutio@localhost/phone"))
    say(romeo, "hi")
    assert woken(app) == [OF_PHONE]
    be(room, mercutio, "member")
    say(romeo, "hi")
    assert woken(app) == [OF_PHONE, "node of mercutio@localhost/phone"]


def test_who_enables_push_later_is_woken_from_then_on(server: Server, room: Room, romeo: Client, app: Client) -> None:
    phone = Client(server, PHONE)
    be(room, phone, "member")
    say(romeo, "hi")
    assert phone.asks(enable("later"), type="set") == ""
    leave(phone)
    say(romeo, "hi")
    assert woken(app) == ["later"]


def test_who_disables_it_is_woken_no_more_until_it_enables_it_again(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    assert phone.asks(f"<disable xmlns='urn:xmpp:push:0' jid='{APP}'/>", type="set") == ""
    leave(phone)
    say(romeo, "hi")
    assert app.received() == []
    leave(device(server, PHONE))
    say(romeo, "hi")
    assert woken(app) == [OF_PHONE]


def test_another_account_of_the_name_is_not_woken(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    say(romeo, "hi")
    assert woken(app) == [OF_PHONE]
    accounts.remove(server, JULIET)
    add_accounts(server, "juliet")
    leave(device(server, PHONE))
    say(romeo, "hi")
    assert app.received() == []


# -- rooms of many


def crowd(server: Server, room: Room, count: int) -> list[str]:
    """So many members with a phone each, which is away; returns the nodes."""
    names = [f"capulet{number:03}" for number in range(count)]
    add_accounts(server, *names)
    room.set_affiliations({JID.of(name, "localhost"): Affiliation("member") for name in names})
    phones = [device(server, f"{name}@localhost/phone") for name in names]
    for phone in phones:
        leave(phone)
    return [f"node of {phone.jid}" for phone in phones]


def test_of_many_all_are_woken_while_others_have_their_turn(
    server: Server, room: Room, romeo: Client, app: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = crowd(server, room, 50)
    monkeypatch.setattr(portions, "STEPS", 10)
    monkeypatch.setattr(server.portions, "wait_for_own", lambda: None)
    say(romeo, "hi")
    first = woken(app)
    assert 0 < len(first) < 20
    server.portions.wait(("absent_members", room.address))
    assert sorted([*first, *woken(app)]) == nodes


def test_of_many_who_is_mentioned_is_found_although_their_nicks_are_still_being_learned(
    server: Server, open_room: Room, romeo: Client, app: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = crowd(server, open_room, 50)
    last = JID.parse("capulet049@localhost")
    open_room.set_affiliations({last: Affiliation("member", "The last one")})
    monkeypatch.setattr(portions, "STEPS", 1)
    monkeypatch.setattr(server.portions, "wait_for_own", lambda: None)
    say(romeo, "is the last one here?")
    assert app.received() == []
    server.portions.wait(("absent_members", open_room.address))
    assert woken(app) == nodes[-1:]


def test_row_120_app_servers_that_do_not_answer_leave_room_for_what_others_are_asked(
    server: Server, room: Room, romeo: Client, app: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_WAITING", 8)
    monkeypatch.setattr(absent_members, "RETRY_SECONDS", 0.0)
    nodes = crowd(server, room, 10)
    say(romeo, "hi")
    unanswered = app.received()
    assert len(unanswered) == 4
    say(romeo, "hi")
    assert app.received() == []
    for push in unanswered:
        answer(app, push)
    found = [node_of(push) for push in unanswered]
    with gevent.Timeout(PATIENCE):
        while len(found) < len(nodes):
            gevent.sleep(0.001)  # the server's timer
            found += woken(app)
    assert sorted(found) == nodes


def test_of_many_who_were_woken_just_now_nobody_is_looked_at(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    server, romeo, app, phone = patient
    leave(phone)
    room = server.state(AbsentMembers).rooms
    say(romeo, "hi")
    pushes(app)
    asked = queries_of(server.db, monkeypatch)
    begun = list[object]()
    monkeypatch.setattr(server.portions, "begin", lambda line, steps, **_: begun.append(line))
    for _ in range(10):
        say(romeo, "hi")
    assert not room[JID.parse(ROOM)].due
    assert [text for text in asked if "push" in text or "affiliation" in text] == []
    assert [line for line in begun if line != ROOM] == []


def test_what_is_known_of_a_room_is_forgotten_with_it(
    server: Server, room: Room, romeo: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    say(romeo, "hi")
    assert room.address in server.state(AbsentMembers).rooms
    leave_room(romeo, "romeo")
    assert server.state(AbsentMembers).rooms == {}


def test_rooms_do_without_it(tmp_path: Path) -> None:
    for off in ({"push": {"enabled": False}}, {"absent_members": {"enabled": False}}):
        (folder := tmp_path / next(iter(off))).mkdir()
        with server_in(folder, **off) as server:
            add_accounts(server, "romeo")
            romeo = Client(server, "romeo@localhost/orchard")
            opened(romeo, "romeo", membersonly=True)
            assert len(say(romeo, "hi")) == 1
