"""XEP-0054 and XEP-0486: the vCard of a room, and the avatars in it."""

import base64
import hashlib
from pathlib import Path

import pytest
from lxml import etree

from db import room_vcards
from db.sqlite.database import Database
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import destroy
from tests.harness.in_process import Client, add_accounts, server_in, xml
from tests.harness.rooms import INFO, ROOM, SERVICE, be, configure, enter, fields_in, leave, opened
from xmpp.data.wire import parse
from xmpp.server import Server

ASK = "<vCard xmlns='vcard-temp'/>"
SVG, PNG = b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n and so on"
CHANGED = '<x xmlns="http://jabber.org/protocol/muc#user"><status code="104"></status></x>'
NOTICE = f'<message from="{ROOM}" to="{{}}" type="groupchat">{CHANGED}</message>'
HASH_FIELD = "muc#roominfo_avatarhash"
OLDER_FIELD = "{http://modules.prosody.im/mod_vcard_muc}avatar#sha1"


def photo(image: bytes, type: str = "image/png") -> str:
    return f"<PHOTO><TYPE>{type}</TYPE><BINVAL>{base64.encodebytes(image).decode()}</BINVAL></PHOTO>"


def vcard(*photos: str) -> str:
    return f"<vCard xmlns='vcard-temp'><FN>Verona</FN>{''.join(photos)}</vCard>"


def hash_of(image: bytes) -> str:
    return hashlib.sha1(image).hexdigest()


def publish(client: Client, payload: str) -> str:
    return client.asks(payload, type="set", to=ROOM)


def hashes_told(client: Client, field: str = HASH_FIELD) -> list[str] | None:
    """The hashes that disco#info tells; None where it says nothing of them."""
    return fields_in(parse(client.asks(INFO, to=ROOM).encode())).get(field)


@pytest.fixture
def room(romeo: Client, juliet: Client) -> Room:
    """Romeo's, in which Juliet is, too."""
    room = opened(romeo, "romeo")
    enter(juliet, "juliet")
    romeo.received(), juliet.received()
    return room


def test_owners_set_the_vcard_and_everybody_may_read_it(room: Room, romeo: Client, mercutio: Client) -> None:
    assert publish(romeo, vcard(photo(PNG))) == ""
    assert mercutio.asks(ASK, to=ROOM) == xml(vcard(photo(PNG)))


def test_a_room_without_one_says_so(room: Room, romeo: Client) -> None:
    assert romeo.asks(ASK, to=ROOM) == "item-not-found"
    assert hashes_told(romeo) is None


def test_clients_that_only_know_the_older_field_learn_of_the_picture_and_that_there_is_none(
    room: Room, romeo: Client, mercutio: Client
) -> None:
    publish(romeo, vcard(photo(SVG, "image/svg+xml"), photo(PNG)))
    assert hashes_told(mercutio, OLDER_FIELD) == [hash_of(SVG)]
    publish(romeo, "<vCard xmlns='vcard-temp'/>")
    assert hashes_told(mercutio, OLDER_FIELD) == []


def test_a_room_that_does_not_exist_has_none(romeo: Client) -> None:
    assert romeo.asks(ASK, to=f"nowhere@{SERVICE}") == "item-not-found"
    assert romeo.asks(vcard(), type="set", to=f"nowhere@{SERVICE}") == "item-not-found"


@pytest.mark.parametrize("affiliation", ["admin", "member", "none", "outcast"])
def test_nobody_else_than_owners_sets_it(room: Room, romeo: Client, juliet: Client, affiliation: str) -> None:
    be(room, juliet, affiliation)
    assert publish(juliet, vcard()) == "forbidden"
    assert romeo.asks(ASK, to=ROOM) == "item-not-found"


def test_an_owner_who_is_not_in_the_room_sets_it(room: Room, romeo: Client, mercutio: Client) -> None:
    be(room, mercutio, "owner")
    assert publish(mercutio, vcard()) == ""
    assert romeo.asks(ASK, to=ROOM) == xml(vcard())


def test_all_in_the_room_are_told_of_a_change_after_the_owner(room: Room, romeo: Client, juliet: Client) -> None:
    answer, notice = romeo.sends(f"<iq type='set' id='q' to='{ROOM}'>{vcard(photo(PNG))}</iq>")
    assert 'type="result"' in answer
    assert notice == NOTICE.format(romeo.jid)
    assert juliet.received() == [NOTICE.format(juliet.jid)]


@pytest.mark.parametrize(("before", "same"), [(vcard(photo(PNG)), vcard(photo(PNG))), ("", ASK)])
def test_what_is_as_it_was_is_no_change(room: Room, romeo: Client, juliet: Client, before: str, same: str) -> None:
    if before:
        publish(romeo, before)
        juliet.received()
    assert publish(romeo, same) == ""
    assert juliet.received() == []


def test_an_empty_one_removes_it(room: Room, romeo: Client, juliet: Client) -> None:
    publish(romeo, vcard(photo(PNG)))
    juliet.received()
    assert publish(romeo, ASK) == ""
    assert juliet.received() == [NOTICE.format(juliet.jid)]
    assert romeo.asks(ASK, to=ROOM) == "item-not-found"
    assert hashes_told(romeo) is None


def test_the_room_tells_the_hash_of_each_photo(room: Room, romeo: Client, mercutio: Client) -> None:
    publish(romeo, vcard(photo(SVG, "image/svg+xml"), photo(PNG)))
    assert hashes_told(mercutio) == [hash_of(SVG), hash_of(PNG)]
    publish(romeo, vcard(photo(PNG)))
    assert hashes_told(mercutio) == [hash_of(PNG)]


def test_what_holds_no_photo_tells_no_hash(room: Room, romeo: Client) -> None:
    assert publish(romeo, vcard("<PHOTO/>", photo(b""))) == ""
    assert hashes_told(romeo) is None


@pytest.mark.parametrize("data", ["no-base64!", "AAA", "ä", "AA==AA=="])
def test_a_photo_that_is_no_base64_is_refused_and_nothing_is_done(
    room: Room, romeo: Client, juliet: Client, data: str
) -> None:
    publish(romeo, vcard(photo(PNG)))
    juliet.received()
    assert publish(romeo, vcard(photo(SVG), f"<PHOTO><BINVAL>{data}</BINVAL></PHOTO>")) == "bad-request"
    assert hashes_told(romeo) == [hash_of(PNG)]
    assert romeo.asks(ASK, to=ROOM) == xml(vcard(photo(PNG)))
    assert juliet.received() == []


def test_too_many_photos_are_refused(room: Room, romeo: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.rooms.room_vcard.MOST_PHOTOS", 2)
    assert publish(romeo, vcard(photo(SVG), photo(PNG), photo(b"x"))) == "policy-violation"
    assert publish(romeo, vcard(photo(SVG), photo(PNG))) == ""


def test_a_vcard_has_a_longest_size(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"max_vcard_bytes": 1_000}) as server:
        romeo = owner_of_room(server)
        assert publish(romeo, vcard(photo(bytes(1_000)))) == "policy-violation"
        assert publish(romeo, vcard(photo(bytes(600)))) == ""


def owner_of_room(server: Server) -> Client:
    add_accounts(server, "romeo")
    romeo = Client(server, "romeo@localhost/orchard")
    opened(romeo, "romeo")
    return romeo


@pytest.mark.parametrize(
    ("affiliation", "is_public", "is_for_members", "may_know"),
    [
        ("none", False, False, True),
        ("none", True, True, True),  # so that it can be shown in a list of rooms
        ("none", False, True, False),
        ("member", False, True, True),
        ("outcast", False, False, False),
        ("outcast", True, False, False),
    ],
)
def test_who_may_know_of_the_room_sees_its_avatar(
    room: Room, romeo: Client, mercutio: Client, affiliation: str, is_public: bool, is_for_members: bool, may_know: bool
) -> None:
    publish(romeo, vcard(photo(PNG)))
    configure(room, publicroom=is_public, membersonly=is_for_members)
    be(room, mercutio, affiliation)
    assert mercutio.asks(ASK, to=ROOM) == (xml(vcard(photo(PNG))) if may_know else "forbidden")
    assert hashes_told(mercutio) == ([hash_of(PNG)] if may_know else None)


def test_a_room_that_is_not_open_yet_shows_its_avatar_to_its_creator(romeo: Client, juliet: Client) -> None:
    enter(romeo, "romeo")
    assert publish(romeo, vcard()) == ""
    assert romeo.asks(ASK, to=ROOM) == xml(vcard())
    assert juliet.asks(ASK, to=ROOM) == "item-not-found"


def test_the_vcard_is_there_after_a_restart(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        publish(owner_of_room(server), vcard(photo(PNG)))
    with server_in(tmp_path) as server:
        romeo = Client(server, "romeo@localhost/orchard")
        assert hashes_told(romeo) == [hash_of(PNG)]
        assert romeo.asks(ASK, to=ROOM) == xml(vcard(photo(PNG)))


def kept(db: Database) -> int:
    return int(db.connection.execute("SELECT COUNT(*) FROM room_vcard").fetchone()[0])


def test_the_vcard_goes_with_the_room(room: Room, romeo: Client, juliet: Client) -> None:
    publish(romeo, vcard(photo(PNG)))
    assert kept(romeo.server.db) == 1
    destroy(room, until=0.0, venue="", reason="")
    assert kept(romeo.server.db) == 0
    opened(romeo, "romeo")
    assert hashes_told(romeo) is None


def test_the_vcard_goes_with_the_last_in_a_room_that_was_not_to_stay(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, persistentroom=False)
    publish(romeo, vcard(photo(PNG)))
    leave(juliet, "juliet")
    leave(romeo, "romeo")
    assert kept(romeo.server.db) == 0
    assert room_vcards.get(romeo.server.db, room.number) is None


@pytest.mark.parametrize(
    "request_",
    [
        "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>",
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:data'/></pubsub>",
    ],
)
def test_a_room_has_no_other_kind_of_avatar(room: Room, romeo: Client, request_: str) -> None:
    """XEP-0486 leaves that to a text of the future."""
    assert publish(romeo, vcard(photo(PNG))) == ""
    assert romeo.asks(request_, to=ROOM) == "service-unavailable"


# -- presence of the room itself


def of_room(stanzas: list[str]) -> list[str]:
    """The hashes in presence of the room itself."""
    elements = [parse(each.encode()) for each in stanzas if each.startswith("<presence")]
    photos = [each.find("{vcard-temp:x:update}x/{*}photo") for each in elements if each.get("from") == ROOM]
    return [(photo.text or "") if photo is not None else "none" for photo in photos]


def test_the_room_itself_sends_no_presence_unless_it_is_wanted(room: Room, romeo: Client, mercutio: Client) -> None:
    publish(romeo, vcard(photo(PNG)))
    assert of_room(enter(mercutio, "mercutio")) == []


def test_where_it_is_wanted_the_room_itself_tells_its_avatar_in_presence(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"avatar_in_presence": True}) as server:
        romeo = owner_of_room(server)
        add_accounts(server, "juliet")
        juliet = Client(server, "juliet@localhost/balcony")
        assert of_room(enter(juliet, "juliet")) == []
        publish(romeo, vcard(photo(PNG)))
        assert of_room(juliet.received()) == [hash_of(PNG)]
        publish(romeo, vcard("<NOTE>A town</NOTE>", photo(PNG)))
        assert of_room(juliet.received()) == []
        [first, *_] = enter(juliet, "juliet")
        assert of_room([first]) == [hash_of(PNG)]
        publish(romeo, ASK)
        assert of_room(juliet.received()) == [""]


def test_room_and_service_say_that_they_have_vcards(room: Room, romeo: Client) -> None:
    for address in (ROOM, SERVICE):
        info = etree.fromstring(romeo.asks(INFO, to=address))
        assert "vcard-temp" in [each.get("var") for each in info.iterchildren("{*}feature")]
