"""XEP-0045 section 7.8: invitations that go through a room, and their refusal; XEP-0249."""

from pathlib import Path

import pytest

from db.rooms import Affiliation
from handlers.rooms.room import Room
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import ROOM, be, configure, enter, opened, told
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

USER = "http://jabber.org/protocol/muc#user"


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


def invite(client: Client, *to: str, inside: str = "") -> list[str]:
    invites = "".join(f"<invite to='{each}'>{inside}</invite>" for each in to)
    return client.sends(f"<message to='{ROOM}' id='i'><x xmlns='{USER}'>{invites}</x></message>")


def test_an_invitation_is_passed_on_in_the_name_of_the_room(room: Room, romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence/>")
    assert invite(romeo, "juliet@localhost", inside="<reason>a word</reason><evil/>") == []
    [received] = juliet.received()[-1:]
    assert f'<x xmlns="{USER}"><invite from="romeo@localhost"><reason>a word</reason></invite></x>' in received
    assert f'from="{ROOM}"' in received and 'id="i"' in received
    assert juliet.account not in room.affiliations


def test_everybody_invites_to_an_open_room(room: Room, juliet: Client, mercutio: Client) -> None:
    enter(juliet, "juliet")
    mercutio.sends("<presence/>")
    assert invite(juliet, "mercutio@localhost") == []
    assert '<invite from="juliet@localhost">' in mercutio.received()[0]


def test_an_invitation_waits_for_who_is_not_there(room: Room, romeo: Client, juliet: Client) -> None:
    juliet.session.end()
    assert invite(romeo, "juliet@localhost") == []
    again = Client(juliet.server, "juliet@localhost/balcony")
    assert '<invite from="romeo@localhost">' in "".join(again.sends("<presence/>"))


def test_an_invitation_has_the_password(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, passwordprotectedroom=True, roomsecret="a<b")
    juliet.sends("<presence/>")
    invite(romeo, "juliet@localhost")
    assert "</invite><password>a&lt;b</password></x>" in juliet.received()[-1]


def test_who_is_invited_to_a_room_of_members_is_one(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, membersonly=True)
    assert invite(romeo, "juliet@localhost/balcony") == []
    assert "<invite " in juliet.received()[0]
    assert room.affiliation(juliet.account) == "member"
    assert "110" in told(enter(juliet, "juliet"))[1]


def test_members_invite_where_the_room_says_so(room: Room, juliet: Client, mercutio: Client) -> None:
    configure(room, membersonly=True)
    be(room, juliet, "member")
    enter(juliet, "juliet")
    assert told(invite(juliet, "mercutio@localhost")) == ["room error forbidden auth"]
    assert mercutio.account not in room.affiliations
    configure(room, allowinvites=True)
    assert invite(juliet, "mercutio@localhost") == []
    assert room.affiliation(mercutio.account) == "member"


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ("", "jid-malformed modify"),
        ("@localhost", "jid-malformed modify"),
        ("localhost", "jid-malformed modify"),
        ("nobody@localhost", "item-not-found cancel"),
    ],
)
def test_what_is_nobody_is_not_invited_nor_are_the_others(
    room: Room, romeo: Client, juliet: Client, to: str, error: str
) -> None:
    configure(room, membersonly=True)
    assert told(invite(romeo, "juliet@localhost", to)) == [f"room error {error}"]
    assert juliet.received() == [] and juliet.account not in room.affiliations


def test_who_is_banned_is_not_invited(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, membersonly=True)
    be(room, juliet, "outcast")
    assert told(invite(romeo, "juliet@localhost")) == ["room error not-allowed cancel"]
    assert room.affiliation(juliet.account) == "outcast"


def test_who_has_blocked_somebody_is_not_invited_by_it(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, membersonly=True)
    juliet.sends("<presence/>")
    juliet.asks("<block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block>", type="set")
    assert told(invite(romeo, "juliet@localhost")) == ["room error item-not-found cancel"]
    assert juliet.received() == [] and juliet.account not in room.affiliations


@pytest.mark.parametrize(("inviter", "comes"), [("romeo@localhost", False), ("mercutio@localhost", True), ("@", True)])
def test_nor_by_way_of_a_room_elsewhere(juliet: Client, inviter: str, comes: bool) -> None:
    juliet.sends("<presence/>")
    juliet.asks("<block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block>", type="set")
    content = f"<x xmlns='{USER}'><invite from='{inviter}'/></x>".encode()
    sender = JID.parse("verona@rooms.example")
    juliet.server.router.route(Stanza.build("message", content, type="normal", to=juliet.account, sender=sender))
    assert len(juliet.received()) == comes


def test_who_is_not_in_the_room_does_not_invite(room: Room, juliet: Client) -> None:
    assert told(invite(juliet, "mercutio@localhost")) == ["room error not-acceptable cancel"]


def test_so_many_are_invited_at_once(room: Room, romeo: Client) -> None:
    assert told(invite(romeo, *["juliet@localhost"] * 21)) == ["room error policy-violation modify"]


def test_so_many_people_are_members(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"max_affiliations": 10}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = (Client(server, f"{name}@localhost/x") for name in ("romeo", "juliet"))
        room = opened(romeo, "romeo", membersonly=True)
        room.set_affiliations({JID.parse(f"{n}@localhost"): Affiliation("member") for n in range(9)})
        assert told(invite(romeo, "juliet@localhost")) == ["room error resource-constraint wait"]
        assert juliet.received() == []


def decline(client: Client, to: str) -> list[str]:
    refusal = f"<decline to='{to}'><reason>busy</reason></decline>"
    return client.sends(f"<message to='{ROOM}' id='d'><x xmlns='{USER}'>{refusal}</x></message>")


@pytest.mark.parametrize("to", ["romeo@localhost", "romeo@localhost/orchard", f"{ROOM}/romeo"])
def test_who_has_invited_is_told_that_nobody_comes(room: Room, romeo: Client, juliet: Client, to: str) -> None:
    romeo.sends("<presence/>")
    assert decline(juliet, to) == []
    [received] = romeo.received()[-1:]
    assert f'<x xmlns="{USER}"><decline from="juliet@localhost"><reason>busy</reason></decline></x>' in received
    assert f'from="{ROOM}"' in received


@pytest.mark.parametrize("to", ["mercutio@localhost", f"{ROOM}/mercutio"])
def test_nobody_else_is_told_anything_by_a_refusal(room: Room, juliet: Client, mercutio: Client, to: str) -> None:
    mercutio.sends("<presence/>")
    assert decline(juliet, to) == []
    assert mercutio.received() == []


def test_row_26_to_refuse_does_not_tell_strangers_who_is_in_a_room_or_belongs_to_it(
    room: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    romeo.asks(f"<block xmlns='urn:xmpp:blocking'><item jid='{juliet.account}'/></block>", type="set")
    be(room, mercutio, "member")
    named = (romeo.account, mercutio.account, "nobody@localhost", f"{ROOM}/romeo", f"{ROOM}/nobody", "a@elsewhere")
    assert [decline(juliet, each) for each in named] == [[]] * len(named)


def test_direct_invitations_are_messages(romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence/>")
    romeo.sends(f"<message to='juliet@localhost'><x xmlns='jabber:x:conference' jid='{ROOM}'/></message>")
    assert 'jid="verona@rooms.localhost"' in juliet.received()[-1]
