"""XEP-0045 sections 7.10 and 7.12: members who register themselves, and nicks that are nobody else's."""

from pathlib import Path

import pytest

from db.rooms import Affiliation
from handlers.rooms.room import Room
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import (
    ROOM,
    be,
    configure,
    enter,
    leave,
    opened,
    told,
)
from xmpp.data.jid import JID

OWN_NICK = "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>"
REGISTER = "<query xmlns='jabber:iq:register'/>"


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


def registration(nick: str, form_type: str = "http://jabber.org/protocol/muc#register") -> str:
    return (
        "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"
        f"<field var='FORM_TYPE'><value>{form_type}</value></field>"
        f"<field var='muc#register_roomnick'><value>{nick}</value></field></x></query>"
    )


def test_who_registers_is_a_member_and_has_a_nick(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    romeo.received()
    assert "muc#register_roomnick" in juliet.asks(REGISTER, to=ROOM)
    assert "<identity" not in juliet.asks(OWN_NICK, to=ROOM)
    assert juliet.asks(registration("jule"), type="set", to=ROOM) == ""
    assert told(romeo.received()) == ["juliet in member/participant juliet@localhost/balcony"]
    answer = juliet.asks(REGISTER, to=ROOM)
    assert "<registered></registered><username>jule</username>" in answer
    assert '<identity category="conference" name="jule" type="text">' in juliet.asks(OWN_NICK, to=ROOM)
    assert told(romeo.sends(f"<presence to='{ROOM}/jule'/>")) == ["jule error conflict cancel"]


def test_who_registers_has_the_floor_after_it_is_told_that_it_is_done(room: Room, juliet: Client) -> None:
    enter(juliet, "juliet")
    configure(room, moderatedroom=True)
    done, seen = juliet.sends(f"<iq type='set' id='r' to='{ROOM}'>{registration('jule')}</iq>")
    assert 'type="result"' in done
    assert told([seen]) == ["juliet in member/participant juliet@localhost/balcony 110"]
    assert "<actor" not in seen
    assert room.by_session[juliet.jid].role == "participant"


def test_a_nick_is_given_back(room: Room, juliet: Client, mercutio: Client) -> None:
    juliet.asks(registration("jule"), type="set", to=ROOM)
    assert mercutio.asks(registration("jule"), type="set", to=ROOM) == "conflict"
    remove = "<query xmlns='jabber:iq:register'><remove/></query>"
    assert juliet.asks(remove, type="set", to=ROOM) == ""
    assert mercutio.asks(registration("jule"), type="set", to=ROOM) == ""
    assert room.affiliation(juliet.account) == "member"


def test_owners_who_register_stay_owners(room: Room, romeo: Client) -> None:
    assert romeo.asks(registration("montague"), type="set", to=ROOM) == ""
    assert room.affiliations[romeo.account] == Affiliation("owner", "montague")


def test_a_nick_is_kept_for_as_long_as_the_room(room: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    juliet.asks(registration("jule"), type="set", to=ROOM)
    leave(romeo, "romeo")
    assert told(enter(mercutio, "jule")) == ["jule error conflict cancel"]


@pytest.mark.parametrize(
    ("payload", "condition"),
    [
        (REGISTER, "bad-request"),
        (registration("jule", "http://jabber.org/protocol/muc#roomconfig"), "bad-request"),
        (registration(""), "bad-request"),
        (registration("  "), "jid-malformed"),
        (registration("x" * 101), "jid-malformed"),
        (registration("romeo"), "conflict"),
    ],
)
def test_what_is_no_registration_is_refused(room: Room, juliet: Client, payload: str, condition: str) -> None:
    assert juliet.asks(payload, type="set", to=ROOM) == condition
    assert juliet.account not in room.affiliations


@pytest.mark.parametrize(
    "configuration",
    [{"membersonly": True}, {"moderatedroom": True}, {"passwordprotectedroom": True, "roomsecret": "x"}],
)
def test_nobody_gets_an_entrance_or_the_floor_by_registering(
    room: Room, juliet: Client, configuration: dict[str, object]
) -> None:
    configure(room, **configuration)
    assert juliet.asks(REGISTER, to=ROOM) == "not-allowed"
    assert juliet.asks(registration("jule"), type="set", to=ROOM) == "not-allowed"
    be(room, juliet, "member")
    assert juliet.asks(registration("jule"), type="set", to=ROOM) == ""


def test_who_is_banned_loses_the_nick_that_it_has_registered(
    room: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    admin = "<query xmlns='http://jabber.org/protocol/muc#admin'><item {}/></query>"
    assert juliet.asks(registration("jule"), type="set", to=ROOM) == ""
    assert 'nick="jule"' in romeo.asks(admin.format("affiliation='member'"), to=ROOM)
    ban = admin.format("affiliation='outcast' jid='juliet@localhost'")
    assert romeo.asks(ban, type="set", to=ROOM) == ""
    assert romeo.asks(admin.format("affiliation='outcast'"), to=ROOM).endswith(
        '<item affiliation="outcast" jid="juliet@localhost"></item></query>'
    )
    assert "juliet" not in romeo.asks(admin.format("affiliation='member'"), to=ROOM)
    assert juliet.asks(REGISTER, to=ROOM) == "not-allowed"
    assert mercutio.asks(registration("jule"), type="set", to=ROOM) == ""


def test_who_is_banned_does_not_register(room: Room, juliet: Client) -> None:
    be(room, juliet, "outcast")
    assert juliet.asks(registration("jule"), type="set", to=ROOM) == "not-allowed"


def test_so_many_people_are_something_in_a_room(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"max_affiliations": 10}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = (Client(server, f"{name}@localhost/x") for name in ("romeo", "juliet"))
        room = opened(romeo, "romeo")
        room.set_affiliations({JID.parse(f"{n}@localhost"): Affiliation("member") for n in range(9)})
        assert juliet.asks(registration("jule"), type="set", to=ROOM) == "resource-constraint"
