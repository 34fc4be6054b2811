"""XEP-0437: clients learn in which of their rooms something was said while they are not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import blocklists, room_visits
from db.rooms import Affiliation
from db.sqlite.queries import Prepared
from handlers.login import accounts
from handlers.rooms.room import Room
from handlers.rooms.room_activity import RoomActivity
from handlers.sessions.managed_sessions import Management
from tests.harness.archives import server_with_archive
from tests.harness.in_process import Client, add_accounts, crash, online, queries_of, server_in, xml
from tests.harness.pushing import break_off
from tests.harness.rooms import INFO, ROOM, SERVICE, be, configure, enter, leave, opened, room_at, say
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.routing import portions
from xmpp.server import Server

RAI = "<rai xmlns='urn:xmpp:rai:0'/>"
MANTUA = f"mantua@{SERVICE}"
JULIET = JID.parse("juliet@localhost")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, to which Juliet belongs."""
    room = opened(romeo, "romeo")
    room.set_affiliations({JULIET: Affiliation("member")})
    return room


@pytest.fixture
def juliet(server: Server, room: Room) -> Client:
    return Client(server, "juliet@localhost/balcony")


def subscribe(client: Client, service: str = SERVICE) -> list[str]:
    """Of which rooms a client is told at once."""
    return rooms_in(client.sends(f"<presence to='{service}' id='rai'>{RAI}</presence>"))


def unsubscribe(client: Client) -> None:
    assert client.sends(f"<presence to='{SERVICE}' type='unavailable'/>") == []


def rooms_in(received: list[str]) -> list[str]:
    """The rooms that the one message names, if one has come."""
    if not received:
        return []
    [message] = [parse(each.encode()) for each in received]
    assert message.tag == "{jabber:client}message", received
    assert message.get("from") == SERVICE and [child.tag for child in message] == ["{urn:xmpp:rai:0}rai"]
    return [each.text or "" for each in message[0]]


def error_of(received: list[str]) -> tuple[str, str]:
    [presence] = [parse(each.encode()) for each in received]
    assert (presence.get("type"), presence.get("from"), presence.get("id")) == ("error", SERVICE, "rai")
    error = presence[-1]
    return str(error[0].tag).rpartition("}")[2], error.get("type", "")


# -- what is said


def test_who_has_subscribed_is_told_where_something_is_said(romeo: Client, juliet: Client) -> None:
    assert subscribe(juliet) == []
    say(romeo, "Good morrow")
    assert juliet.received() == [
        xml(
            f"<message to='{juliet.jid}' from='{SERVICE}'>"
            f"<rai xmlns='urn:xmpp:rai:0'><activity>{ROOM}</activity></rai></message>"
        )
    ]


def test_once_for_each_room(romeo: Client, juliet: Client) -> None:
    be(opened(romeo, "romeo", room=MANTUA), juliet, "member")
    subscribe(juliet)
    say(romeo, "Good morrow")
    assert rooms_in(juliet.received()) == [ROOM]
    say(romeo, "Good morrow")
    assert juliet.received() == []
    say(romeo, "Good morrow", room=MANTUA)
    assert rooms_in(juliet.received()) == [MANTUA]


def test_and_again_when_it_has_been_there(romeo: Client, juliet: Client) -> None:
    subscribe(juliet)
    say(romeo, "Good morrow")
    assert rooms_in(juliet.received()) == [ROOM]
    enter(juliet, "juliet")
    say(romeo, "It is the east")
    assert not any("rai" in each for each in juliet.received())
    leave(juliet, "juliet")
    assert juliet.received() == []
    say(romeo, "She speaks")
    assert rooms_in(juliet.received()) == [ROOM]


def test_or_when_another_device_of_the_account_has(server: Server, romeo: Client, juliet: Client) -> None:
    subscribe(juliet)
    say(romeo, "Good morrow")
    assert rooms_in(juliet.received()) == [ROOM]
    laptop = Client(server, "juliet@localhost/laptop")
    enter(laptop, "juliet")
    say(romeo, "It is the east")
    assert juliet.received() == []
    leave(laptop, "juliet")
    say(romeo, "She speaks")
    assert rooms_in(juliet.received()) == [ROOM]


def test_a_session_that_is_not_there_is_told_though_another_one_is(
    server: Server, romeo: Client, juliet: Client
) -> None:
    laptop = Client(server, "juliet@localhost/laptop")
    enter(laptop, "juliet")
    subscribe(juliet)
    say(romeo, "Good morrow")
    assert rooms_in(juliet.received()) == [ROOM]
    assert not any("rai" in each for each in laptop.received())


def test_nobody_is_told_of_what_it_says_itself(server: Server, romeo: Client, juliet: Client) -> None:
    laptop = Client(server, "juliet@localhost/laptop")
    enter(laptop, "juliet")
    subscribe(juliet)
    say(laptop, "Ay me")
    assert juliet.received() == []
    say(romeo, "She speaks")
    assert rooms_in(juliet.received()) == [ROOM]


@pytest.mark.parametrize(
    "content",
    [
        "<subject>The east</subject>",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='m'><reaction>!</reaction></reactions>",
    ],
)
def test_what_nobody_reads_is_no_activity(romeo: Client, juliet: Client, content: str) -> None:
    subscribe(juliet)
    romeo.sends(f"<message to='{ROOM}' type='groupchat'>{content}</message>")
    assert juliet.received() == []


# -- who


@pytest.mark.parametrize("affiliation", ["none", "outcast"])
def test_row_121_who_does_not_belong_to_a_room_is_not_told_of_it(
    room: Room, romeo: Client, juliet: Client, affiliation: str
) -> None:
    be(room, juliet, affiliation)
    assert subscribe(juliet) == []
    say(romeo, "Good morrow")
    be(room, juliet, "member")
    say(romeo, "It is the east")
    assert rooms_in(juliet.received()) == [ROOM]
    enter(juliet, "juliet")
    leave(juliet, "juliet")
    juliet.received()
    be(room, juliet, affiliation)
    say(romeo, "She speaks")
    assert juliet.received() == []
    unsubscribe(juliet)
    assert subscribe(juliet) == []


def test_row_52_who_has_blocked_a_room_is_not_told_of_it(server: Server, romeo: Client, juliet: Client) -> None:
    blocklists.add(server.db, JULIET, [JID.parse(ROOM)])
    subscribe(juliet)
    say(romeo, "Good morrow")
    assert juliet.received() == []
    unsubscribe(juliet)
    assert subscribe(juliet) == []


def test_row_121_of_a_room_with_a_password_only_those_are_told_who_can_know_it(
    server: Server, room: Room, romeo: Client, juliet: Client
) -> None:
    configure(room, passwordprotectedroom=True, roomsecret="wherefore")
    assert subscribe(juliet) == []
    say(romeo, "Good morrow")
    assert juliet.received() == []
    unsubscribe(juliet)
    assert subscribe(juliet) == []
    enter(juliet, "juliet", "<password>wherefore</password>")
    leave(juliet, "juliet")
    juliet.received()
    say(romeo, "It is the east")
    assert rooms_in(juliet.received()) == [ROOM]
    unsubscribe(juliet)
    assert subscribe(juliet) == [ROOM]


def test_who_does_not_subscribe_is_not_told(romeo: Client, juliet: Client) -> None:
    assert juliet.sends(f"<presence to='{SERVICE}'/>") == []
    say(romeo, "Good morrow")
    assert juliet.received() == []


# -- what was said before


def test_who_subscribes_is_told_of_all_rooms_with_news_in_one_message(
    server: Server, romeo: Client, juliet: Client
) -> None:
    for address in (MANTUA, f"padua@{SERVICE}", f"venice@{SERVICE}"):
        be(opened(romeo, "romeo", room=address), juliet, "member")
    for address in (ROOM, MANTUA, f"padua@{SERVICE}"):
        enter(juliet, "juliet", room=address)
        leave(juliet, "juliet", room=address)
    say(romeo, "hi")
    say(romeo, "hi", room=MANTUA)
    juliet.received()
    assert subscribe(juliet) == [MANTUA, ROOM]
    say(romeo, "hi")
    assert juliet.received() == []
    say(romeo, "hi", room=f"padua@{SERVICE}")
    assert rooms_in(juliet.received()) == [f"padua@{SERVICE}"]


def test_what_it_has_heard_is_no_news(romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    say(romeo, "Good morrow")
    leave(juliet, "juliet")
    juliet.received()
    assert subscribe(juliet) == []


def test_nor_what_another_device_hears(server: Server, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    leave(juliet, "juliet")
    juliet.received()
    say(romeo, "Good morrow")
    enter(Client(server, "juliet@localhost/laptop"), "juliet")
    assert subscribe(juliet) == []


def test_what_was_said_before_a_restart_is_news_after_it(tmp_path: Path) -> None:
    with server_with_archive(tmp_path) as server:
        romeo, juliet, mercutio = (Client(server, f"{name}@localhost/x") for name in ("romeo", "juliet", "mercutio"))
        be(opened(romeo, "romeo"), juliet, "member")
        be(opened(romeo, "romeo", room=MANTUA), juliet, "member")
        be(room_at(server), mercutio, "member")
        for address in (ROOM, MANTUA):
            enter(juliet, "juliet", room=address)
            leave(juliet, "juliet", room=address)
        say(romeo, "Good morrow")
        enter(mercutio, "mercutio")
        crash(server)
    with server_in(tmp_path, archive={}) as server:
        assert subscribe(Client(server, "juliet@localhost/x")) == [ROOM]
        assert subscribe(Client(server, "mercutio@localhost/x")) == [ROOM]  # it was cut off: better twice than never


def test_who_was_never_there_is_told_where_anything_was_said(romeo: Client, juliet: Client) -> None:
    be(opened(romeo, "romeo", room=MANTUA), juliet, "member")
    say(romeo, "Good morrow")
    assert subscribe(juliet) == [ROOM]


def test_who_asks_again_is_not_told_the_same_again(romeo: Client, juliet: Client) -> None:
    say(romeo, "Good morrow")
    assert subscribe(juliet) == [ROOM]
    assert subscribe(juliet) == []
    unsubscribe(juliet)
    assert subscribe(juliet) == [ROOM]


# -- the end


def test_who_unsubscribes_is_told_no_more(romeo: Client, juliet: Client) -> None:
    subscribe(juliet)
    unsubscribe(juliet)
    say(romeo, "Good morrow")
    assert juliet.received() == []


@pytest.mark.parametrize("blocked", [[], [SERVICE]])
def test_with_the_session_the_subscription_ends(
    server: Server, romeo: Client, juliet: Client, blocked: list[str]
) -> None:
    subscribe(juliet)
    blocklists.add(server.db, JULIET, map(JID.parse, blocked))
    juliet.session.close()
    [subscriptions] = server.state(RoomActivity)
    assert len(subscriptions) == 0
    again = Client(server, str(juliet.jid))
    say(romeo, "Good morrow")
    assert again.received() == []


def test_with_its_presence_the_subscription_ends(server: Server, romeo: Client, room: Room) -> None:
    juliet = online(server, "juliet@localhost/balcony")
    juliet.received()
    subscribe(juliet)
    juliet.sends("<presence type='unavailable'/>")
    say(romeo, "Good morrow")
    assert juliet.received() == []


def test_a_session_that_sleeps_is_told_when_it_is_back(romeo: Client, juliet: Client) -> None:
    subscribe(juliet)
    break_off(juliet)
    say(romeo, "Good morrow")
    management = juliet.session.state(Management)
    assert management is not None
    assert rooms_in([bytes(each.stanza).decode() for each in management.sent]) == [ROOM]


def test_row_121_another_account_of_the_name_learns_nothing(
    server: Server, room: Room, romeo: Client, juliet: Client
) -> None:
    enter(juliet, "juliet")
    leave(juliet, "juliet")
    say(romeo, "Good morrow")
    accounts.remove(server, JULIET)
    add_accounts(server, "juliet")
    assert room_visits.nicks(server.db, room.number) == {}
    again = Client(server, "juliet@localhost/other")
    assert subscribe(again) == []
    be(room, again, "member")
    enter(again, "juliet")
    leave(again, "juliet")
    again.received()
    assert subscribe(again) == []


# -- limits


def test_strangers_to_the_server_are_not_told(server: Server, room: Room) -> None:
    stranger = JID.parse("paris@elsewhere.example/x")
    server.router.route(Stanza.build("presence", RAI.encode(), to=JID.parse(SERVICE), sender=stranger))
    assert [len(each) for each in server.state(RoomActivity)] in ([], [0])


def test_only_so_many_sessions_are_told(tmp_path: Path) -> None:
    with server_in(tmp_path, room_activity={"max_subscriptions": 1}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = (Client(server, f"{name}@localhost/x") for name in ("romeo", "juliet"))
        assert subscribe(romeo) == []
        assert error_of(juliet.sends(f"<presence to='{SERVICE}' id='rai'>{RAI}</presence>")) == (
            "resource-constraint",
            "wait",
        )
        assert subscribe(romeo) == []
        unsubscribe(romeo)
        assert subscribe(juliet) == []


def test_of_only_so_many_rooms_one_session_is_told(tmp_path: Path) -> None:
    with server_in(tmp_path, room_activity={"max_rooms": 2}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = (Client(server, f"{name}@localhost/x") for name in ("romeo", "juliet"))
        addresses = [f"room{number}@{SERVICE}" for number in range(4)]
        for address in addresses:
            be(opened(romeo, "romeo", room=address), juliet, "member")
            enter(juliet, "juliet", room=address)
            leave(juliet, "juliet", room=address)
        say(romeo, "hi", room=addresses[0])
        juliet.received()
        assert subscribe(juliet) == addresses[:1]
        for address in addresses:
            say(romeo, "hi", room=address)
        assert rooms_in(juliet.received()) == addresses[1:2]


def test_of_many_all_are_told_while_others_have_their_turn(
    server: Server, room: Room, romeo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    juliets = [Client(server, f"juliet@localhost/{number}") for number in range(50)]
    for juliet in juliets:
        subscribe(juliet)
    monkeypatch.setattr(portions, "STEPS", 10)
    monkeypatch.setattr(server.portions, "wait_for_own", lambda: None)
    say(romeo, "hi")
    assert juliets[-1].received() == []
    server.portions.wait(("room_activity", room.address))
    assert all(rooms_in(juliet.received()) == [ROOM] for juliet in juliets[10:])


def test_to_say_more_costs_nothing(
    server: Server, room: Room, romeo: Client, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(juliet)
    say(romeo, "Good morrow")
    juliet.received()
    asked, write = queries_of(server.db, monkeypatch), server.db.write

    def written(query: Prepared, *values: object) -> int:
        asked.append(query.text)
        return int(write(query, *values))

    monkeypatch.setattr(server.db, "write", written)
    begun = list[object]()
    monkeypatch.setattr(server.portions, "begin", lambda line, steps, **_: begun.append(line))
    for _ in range(10):
        say(romeo, "hi")
    assert begun == [ROOM] * 10
    assert [text for text in asked if "room_" in text] == []


# -- discovery


def test_the_service_says_that_it_can_tell(tmp_path: Path, server: Server, romeo: Client) -> None:
    assert '<feature var="urn:xmpp:rai:0">' in romeo.asks(INFO, to=SERVICE)
    (folder := tmp_path / "off").mkdir()
    with server_in(folder, room_activity={"enabled": False}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/x")
        assert "urn:xmpp:rai:0" not in romeo.asks(INFO, to=SERVICE)
        assert romeo.sends(f"<presence to='{SERVICE}' id='rai'>{RAI}</presence>") == []
        opened(romeo, "romeo")
        assert len(say(romeo, "hi")) == 1
