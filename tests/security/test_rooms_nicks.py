"""docs/security.md row 27: nobody takes another's nick in a room, or one that only looks like it."""

import pytest

from handlers.rooms.room import Room
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, be, enter, leave, opened, told

CONFLICT = "error conflict cancel"
LOOK_ALIKES = [
    "Rоmeo",  # a Cyrillic o
    "R0meo",
    "romeo",
    "ROMEO",
    "Rorneo",
    "Ꭱomeo",  # a Cherokee letter
    "Ｒomeo",  # of full width
]
INVISIBLE = [
    "Ro\u200bmeo",  # a space of no width
    "Romeo\u00ad",  # a hyphen that is not shown
    "Ro\u202emeo",  # from right to left
    "Romeo\u2066",
    "Ro\u2060meo",
    "Romeo\ufeff",
    "Ro\u200dmeo",
    "Romeo\ufe0f",
    "Romeo\U000e0041",  # a tag
    "Romeo\u115f",  # a filler
]


@pytest.fixture
def room(romeo: Client, juliet: Client, mercutio: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "Romeo")


def change_nick(client: Client, nick: str) -> list[str]:
    return told(client.sends(f"<presence to='{ROOM}/{nick}'/>"))


def registration(nick: str) -> str:
    return (
        "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
        f"<field var='muc#register_roomnick'><value>{nick}</value></field></x></query>"
    )


@pytest.mark.parametrize("nick", LOOK_ALIKES)
def test_row_27_nobody_looks_like_a_moderator(room: Room, romeo: Client, juliet: Client, nick: str) -> None:
    assert told(enter(juliet, nick)) == [f"{nick} {CONFLICT}"]
    enter(juliet, "Juliet")
    romeo.received()
    assert change_nick(juliet, nick) == [f"{nick} {CONFLICT}"]
    assert juliet.asks(registration(nick), type="set", to=ROOM) == "conflict"
    assert romeo.received() == []


@pytest.mark.parametrize("nick", LOOK_ALIKES)
def test_row_27_moderators_look_as_they_like(room: Room, romeo: Client, nick: str) -> None:
    phone = Client(romeo.server, "romeo@localhost/phone")
    assert "110" in told(enter(phone, nick))[-2]
    assert "110" in change_nick(romeo, nick)[-1]


@pytest.mark.parametrize("affiliation", ["owner", "admin"])
def test_row_27_nor_like_an_owner_or_an_admin_whatever_its_role(
    room: Room, romeo: Client, juliet: Client, mercutio: Client, affiliation: str
) -> None:
    be(room, juliet, affiliation)
    enter(juliet, "Juliet")
    room.occupants["Juliet"].role = "participant"
    assert told(enter(mercutio, "Ju1iet")) == [f"Ju1iet {CONFLICT}"]


def test_row_27_nor_like_whoever_has_reserved_a_nick_be_it_there_or_not(
    room: Room, juliet: Client, mercutio: Client
) -> None:
    assert told(enter(mercutio, "Ju1iet"))[-1] == "room subject "
    leave(mercutio, "Ju1iet")
    be(room, juliet, "member", "Juliet")
    assert told(enter(mercutio, "Ju1iet")) == [f"Ju1iet {CONFLICT}"]
    assert mercutio.asks(registration("juIiet"), type="set", to=ROOM) == "conflict"
    assert told(enter(juliet, "JULIET"))[-1] == "room subject "
    leave(juliet, "JULIET")
    be(room, juliet, "none")
    assert told(enter(mercutio, "Ju1iet"))[-1] == "room subject "


def test_row_27_a_reserved_nick_is_its_owner_s_whatever_it_looks_like(
    room: Room, romeo: Client, juliet: Client
) -> None:
    be(room, juliet, "member", "romeo")
    assert told(enter(juliet, "romeo"))[-1] == "room subject "
    assert told(enter(Client(romeo.server, "romeo@localhost/phone"), "R0meo")) == [f"R0meo {CONFLICT}"]


def test_row_27_whoever_is_like_anybody_else_may_look_alike(room: Room, juliet: Client, mercutio: Client) -> None:
    enter(juliet, "Juliet")
    assert told(enter(mercutio, "Ju1iet"))[-1] == "room subject "


def test_row_27_nobody_reserves_for_somebody_what_looks_like_another_s(
    room: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    be(room, juliet, "member", "Juliet")
    item = f"<item affiliation='member' jid='{mercutio.account}' nick='Ju1iet'/>"
    query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
    assert romeo.asks(query, type="set", to=ROOM) == "conflict"
    assert room.affiliation(mercutio.account) == "none"


@pytest.mark.parametrize("nick", INVISIBLE, ids=ascii)
def test_row_27_what_is_invisible_is_no_part_of_a_nick(room: Room, romeo: Client, juliet: Client, nick: str) -> None:
    received = enter(juliet, nick)
    assert len(received) == 1 and 'type="error"' in received[0]
    assert romeo.received() == []
    assert len(room.occupants) == 1


def test_row_27_a_nick_is_not_taken_from_whoever_has_it(room: Room, romeo: Client, juliet: Client) -> None:
    for nick in ("Romeo", "Romeo\u0020", "Ro\u006deo"):
        assert told(enter(juliet, nick))[0].endswith(CONFLICT)
    assert room.occupants["Romeo"].account == romeo.account and len(room.occupants) == 1
