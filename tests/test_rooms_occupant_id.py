"""XEP-0421: whatever a room says of an occupant has its id, once, and that of nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import rooms
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import find
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import MUC, ROOM, configure, enter, leave, opened, say
from xmpp.data.wire import parse
from xmpp.server import Server

OCCUPANT_ID = "{urn:xmpp:occupant-id:0}occupant-id"
FORGED = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, archive={"enabled": True}) as server:
        add_accounts(server, "romeo", "juliet", "mercutio")
        yield server


@pytest.fixture
def room(romeo: Client, juliet: Client) -> Room:
    """Romeo's, in which Juliet is as well."""
    room = opened(romeo, "romeo")
    enter(juliet, "juliet")
    romeo.received()
    juliet.received()
    return room


def ids(received: list[str]) -> list[str]:
    """The id in each stanza, or in the message that it forwards; there is one only."""
    found = []
    for each in received:
        element = parse(each.encode())
        forwarded = [*element.iter("{urn:xmpp:forward:0}forwarded")]
        children = (forwarded[0][-1] if forwarded else element).findall(OCCUPANT_ID)
        assert len(children) <= 1, each
        found += [child.get("id", "") for child in children]
    assert all(0 < len(id) <= 128 for id in found)
    return found


def admin(client: Client, item: str) -> list[str]:
    return client.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MUC}#admin'><item {item}/></query></iq>")


def test_presence_of_whoever_enters_changes_and_leaves(
    room: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    of_romeo, of_juliet, of_mercutio = (room.id_of(each.account) for each in (romeo, juliet, mercutio))
    assert ids(enter(mercutio, "mercutio", says=FORGED)) == [of_romeo, of_juliet, of_mercutio]
    assert ids(juliet.received()) == [of_mercutio]
    mercutio.sends(f"<presence to='{ROOM}/mercutio'><show>away</show>{FORGED}</presence>")
    mercutio.sends(f"<presence to='{ROOM}/queen mab'/>")
    assert ids(juliet.received()) == [of_mercutio] * 3
    assert ids(mercutio.received()) == []
    assert ids(leave(mercutio, "queen mab")) == [of_mercutio]
    assert ids(juliet.received()) == [of_mercutio]


@pytest.mark.parametrize(
    "item",
    [
        "nick='juliet' role='none'",
        "nick='juliet' role='visitor'",
        "jid='juliet@localhost' affiliation='outcast'",
        "jid='juliet@localhost' affiliation='admin'",
        "jid='juliet@localhost' affiliation='member'",
    ],
)
def test_presence_of_whom_others_make_something_else(room: Room, romeo: Client, juliet: Client, item: str) -> None:
    _, *seen = admin(romeo, item)
    assert ids(seen) == [room.id_of(juliet.account)]
    assert ids(juliet.received())[:1] == [room.id_of(juliet.account)]


def test_presence_of_who_is_not_in_the_room(room: Room, juliet: Client, mercutio: Client) -> None:
    assert ids(mercutio.sends(f"<presence to='{ROOM}/mercutio'/>")) == [room.id_of(mercutio.account)]
    unreachable = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    assert ids(juliet.sends(f"<message to='{ROOM}' type='error'>{unreachable}</message>")) == [
        room.id_of(juliet.account)
    ]


def test_presence_at_the_end_of_the_room(room: Room, romeo: Client, juliet: Client) -> None:
    romeo.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MUC}#owner'><destroy/></query></iq>")
    assert ids(juliet.received()) == [room.id_of(juliet.account)]


@pytest.mark.parametrize(
    "inner", ["<body>hello</body>", "<subject>It</subject>", "<subject/>", "<x xmlns='elsewhere'/>"]
)
def test_whatever_is_said_to_all(room: Room, romeo: Client, juliet: Client, inner: str) -> None:
    configure(room, changesubject=True)
    message = f"<message to='{ROOM}' type='groupchat'>{inner}{FORGED}{FORGED}</message>"
    for each in (juliet.sends(message), romeo.received()):
        assert ids(each) == [room.id_of(juliet.account)]


def test_what_is_said_in_private(room: Room, romeo: Client, juliet: Client) -> None:
    juliet.sends(f"<message to='{ROOM}/romeo' type='chat'><body>hello</body>{FORGED}</message>")
    assert ids(romeo.received()) == [room.id_of(juliet.account)]


def test_a_private_message_that_comes_back(room: Room, romeo: Client, juliet: Client) -> None:
    assert juliet.asks(f"<block xmlns='urn:xmpp:blocking'><item jid='{ROOM}/romeo'/></block>", type="set") == ""
    refused = romeo.sends(f"<message to='{ROOM}/juliet' type='chat' id='m'><body>psst</body></message>")
    assert ids(refused) == [room.id_of(juliet.account)]


def test_an_error_tells_of_nobody_by_an_id_that_somebody_has_made_up(
    room: Room, romeo: Client, juliet: Client
) -> None:
    romeo.sends(f"<message to='{ROOM}/juliet' type='chat' id='m'><body>psst</body></message>")
    error = "<error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    juliet.sends(f"<message to='{ROOM}/romeo' type='error' id='m'>{error}{FORGED}</message>")
    assert ids(romeo.received()) == [room.id_of(juliet.account)]


def test_history_and_subject(room: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    configure(room, changesubject=True)
    say(romeo, "hello")
    juliet.sends(f"<message to='{ROOM}' type='groupchat'><subject>It</subject></message>")
    leave(juliet, "juliet")
    of_romeo, of_juliet, of_mercutio = (room.id_of(each.account) for each in (romeo, juliet, mercutio))
    assert ids(enter(mercutio, "mercutio")) == [of_romeo, of_mercutio, of_romeo, of_juliet]


def test_the_subject_once_the_room_was_not_in_memory(room: Room, romeo: Client, juliet: Client) -> None:
    romeo.sends(f"<message to='{ROOM}' type='groupchat'><subject>It</subject></message>")
    leave(romeo, "romeo")
    leave(juliet, "juliet")
    romeo.server.db.memory.clear()
    again = find(romeo.server, room.address)
    assert again is not None and again is not room
    assert ids(enter(juliet, "juliet"))[-1] == room.id_of(romeo.account) == again.id_of(romeo.account)


def test_what_the_archive_gives(room: Room, juliet: Client) -> None:
    say(juliet, "hello")
    page = juliet.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='urn:xmpp:mam:2'/></iq>")
    assert ids(page) == [room.id_of(juliet.account)]


def test_an_id_is_that_of_the_account_and_of_no_other_room(room: Room, romeo: Client, juliet: Client) -> None:
    before = room.id_of(juliet.account)
    leave(juliet, "juliet")
    phone = Client(juliet.server, "juliet@localhost/phone")
    assert ids(enter(phone, "capulet"))[-1] == before
    elsewhere = opened(romeo, "romeo", room="mantua@rooms.localhost")
    assert elsewhere.id_of(juliet.account) != before
    assert "juliet" not in before


def test_a_room_that_is_made_again_has_other_ids(room: Room, romeo: Client) -> None:
    before = room.id_of(romeo.account)
    romeo.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MUC}#owner'><destroy/></query></iq>")
    rooms.create(romeo.server.db, room.address, romeo.account, "{}", is_public=False, secret=b"another", at=0.0)
    again = find(romeo.server, room.address)
    assert again is not None and again.id_of(romeo.account) != before
