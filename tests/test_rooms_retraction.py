"""XEP-0424 and XEP-0425 in rooms: what its author takes back, and what a moderator does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from db import accounts
from handlers.rooms.room import Room
from tests.harness.archives import MAM, Answer, ids_in, server_with_archive
from tests.harness.in_process import Client, xml
from tests.harness.rooms import ROOM, enter, leave, opened, say
from xmpp.server import Server

STAMP = re.compile(r' stamp="[^"]*"')
RETRACT = "urn:xmpp:message-retract:1"
MODERATE = "urn:xmpp:message-moderate:1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")


@pytest.fixture
def room(romeo: Client, juliet: Client) -> Room:
    """Romeo's room, with both in it."""
    room = opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    romeo.received()
    return room


def said(client: Client, text: str) -> str:
    """Say something; returns the id that it has in the room."""
    [told] = say(client, text)
    return ids_in(told)[ROOM]


def retract(client: Client, id: str, more: str = "") -> list[str]:
    content = f"<retract xmlns='{RETRACT}' id='{id}'/>{more}"
    return client.sends(f"<message to='{ROOM}' type='groupchat' id='r1'>{content}</message>")


def moderate(client: Client, id: str, reason: str = "") -> str:
    content = f"<retract xmlns='{RETRACT}'/>" + (f"<reason>{reason}</reason>" if reason else "")
    return client.asks(f"<moderate xmlns='{MODERATE}' id='{id}'>{content}</moderate>", type="set", to=ROOM)


def archived(client: Client) -> list[str]:
    """All that is in the archive, as text without times."""
    client.received()
    answer = Answer(client.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MAM}'/></iq>"))
    return [STAMP.sub("", xml(etree.tostring(each, encoding="unicode"))) for each in answer.messages]


def history(client: Client, nick: str) -> list[str]:
    parsed = [etree.fromstring(each) for each in enter(client, nick)]
    return [each.findtext("{*}body", "") for each in parsed if each.find("{*}body") is not None]


# -- by its author


def test_what_its_author_takes_back_is_a_tombstone_and_the_retraction_stays(room: Room, juliet: Client) -> None:
    id = said(juliet, "a secret")
    [told] = retract(juliet, id)
    assert f'<retract xmlns="{RETRACT}" id="{id}">' in told and ids_in(told).keys() == {ROOM}
    tombstone, retraction = archived(juliet)
    occupant = f'<occupant-id xmlns="urn:xmpp:occupant-id:0" id="{room.id_of(juliet.account)}"></occupant-id>'
    assert tombstone == xml(
        f'<message xmlns="jabber:client" from="{ROOM}/Juliet" id="m" type="groupchat">{occupant}'
        f'<retracted xmlns="{RETRACT}" id="r1"/></message>'
    )
    assert "<retract " in retraction


def test_who_enters_later_gets_nothing_of_it(room: Room, romeo: Client, juliet: Client) -> None:
    id = said(juliet, "a secret")
    said(juliet, "no secret")
    retract(juliet, id)
    leave(romeo, "Romeo")
    assert history(romeo, "Romeo") == ["no secret"]
    for client, nick in ((romeo, "Romeo"), (juliet, "Juliet")):
        leave(client, nick)
    assert history(romeo, "Romeo") == ["no secret"]  # from the archive


def test_under_another_nick_it_is_still_ones_own(room: Room, juliet: Client) -> None:
    id = said(juliet, "a secret")
    juliet.sends(f"<presence to='{ROOM}/Capulet'/>")
    retract(juliet, id)
    assert "a secret" not in archived(juliet)[0]


def test_what_somebody_else_has_written_stays_and_nobody_hears_of_it(room: Room, romeo: Client, juliet: Client) -> None:
    id = said(romeo, "a secret")
    juliet.received()
    [refused] = retract(juliet, id)
    assert "forbidden" in refused and romeo.received() == []
    assert len(archived(juliet)) == 1 and "a secret" in archived(juliet)[0]


def test_whoever_has_the_address_now_does_not_take_back_what_was_written_before(
    server: Server, room: Room, romeo: Client, juliet: Client
) -> None:
    id = said(juliet, "a secret")
    leave(juliet, "Juliet")
    accounts.remove(server.db, juliet.account)
    accounts.create(server.db, juliet.account, {}, 4_000_000_000)
    enter(juliet, "Juliet")
    assert "forbidden" in retract(juliet, id)[0]
    assert "a secret" in archived(romeo)[0]


def test_what_is_not_known_any_more_is_taken_back_all_the_same(room: Room, romeo: Client, juliet: Client) -> None:
    retract(juliet, "long-ago")
    assert len(archived(romeo)) == 1


def test_a_retraction_is_kept_even_if_it_says_that_it_should_not(room: Room, romeo: Client, juliet: Client) -> None:
    id = said(juliet, "a secret")
    retract(juliet, id, "<no-store xmlns='urn:xmpp:hints'/>")
    assert len(archived(romeo)) == 2 and "retracted" in archived(romeo)[0]


def test_a_retraction_cannot_be_taken_back(room: Room, romeo: Client, juliet: Client) -> None:
    said(juliet, "a secret")
    [told] = retract(juliet, "long-ago")
    retract(juliet, ids_in(told)[ROOM])
    assert "<retract " in archived(romeo)[1]
    assert moderate(romeo, ids_in(told)[ROOM]) == "item-not-found"


# -- by a moderator


def test_what_a_moderator_takes_back_all_are_told_in_the_name_of_the_room(
    room: Room, romeo: Client, juliet: Client
) -> None:
    id = said(juliet, "buy now")
    romeo.received()
    assert moderate(romeo, id, "spam &amp; more") == ""
    [told] = juliet.received()
    moderator = room.id_of(romeo.account)
    message = etree.fromstring(told)
    assert (message.get("from"), message.get("type")) == (ROOM, "groupchat")
    assert xml(etree.tostring(message[0], encoding="unicode")) == xml(
        f'<retract xmlns="{RETRACT}" id="{id}"><moderated xmlns="{MODERATE}" by="{ROOM}/Romeo">'
        f'<occupant-id xmlns="urn:xmpp:occupant-id:0" id="{moderator}"/></moderated>'
        "<reason>spam &amp; more</reason></retract>"
    )
    assert xml(etree.tostring(message[1], encoding="unicode")) == xml(
        f'<apply-to xmlns="urn:xmpp:fasten:0" id="{id}"><moderated xmlns="urn:xmpp:message-moderate:0" '
        f'by="{ROOM}/Romeo"><retract xmlns="urn:xmpp:message-retract:0"/><reason>spam &amp; more</reason></moderated>'
        "</apply-to>"
    )
    assert ids_in(told).keys() == {ROOM} and ids_in(told)[ROOM] != id


def test_it_is_a_tombstone_then_and_what_was_told_is_in_the_archive(room: Room, romeo: Client, juliet: Client) -> None:
    id = said(juliet, "buy now")
    moderate(romeo, id, "spam")
    tombstone, notice = archived(juliet)
    author, moderator = room.id_of(juliet.account), room.id_of(romeo.account)
    notice_id = etree.fromstring(notice).get("id")
    assert tombstone == xml(
        f'<message xmlns="jabber:client" from="{ROOM}/Juliet" id="m" type="groupchat">'
        f'<occupant-id xmlns="urn:xmpp:occupant-id:0" id="{author}"/><retracted xmlns="{RETRACT}" id="{notice_id}">'
        f'<moderated xmlns="{MODERATE}" by="{ROOM}/Romeo"><occupant-id xmlns="urn:xmpp:occupant-id:0" '
        f'id="{moderator}"/></moderated><reason>spam</reason></retracted></message>'
    )
    assert f'from="{ROOM}"' in notice and "<item" not in notice
    leave(romeo, "Romeo")
    assert history(romeo, "Romeo") == []


def test_only_moderators_do_that_and_only_with_what_there_is(
    server: Server, room: Room, romeo: Client, juliet: Client
) -> None:
    id = said(romeo, "hi")
    assert moderate(juliet, id) == "forbidden"
    assert moderate(Client(server, "mercutio@localhost/street"), id) == "forbidden"
    assert moderate(juliet, "nothing") == "forbidden"
    assert moderate(romeo, "nothing") == "item-not-found"
    assert moderate(romeo, "") == "item-not-found"
    empty = romeo.asks(f"<moderate xmlns='{MODERATE}' id='{id}'/>", type="set", to=ROOM)
    assert empty == "bad-request"
    assert "hi" in archived(juliet)[0]


def test_of_two_moderators_the_first_has_done_it(room: Room, romeo: Client, juliet: Client) -> None:
    id = said(juliet, "buy now")
    assert moderate(romeo, id) == ""
    juliet.received()
    assert moderate(romeo, id) == ""
    assert juliet.received() == []


def test_clients_that_know_the_older_form_alone_are_understood(room: Room, romeo: Client, juliet: Client) -> None:
    id = said(juliet, "buy now")
    older = (
        f"<apply-to xmlns='urn:xmpp:fasten:0' id='{id}'><moderate xmlns='urn:xmpp:message-moderate:0'>"
        "<retract xmlns='urn:xmpp:message-retract:0'/><reason>spam</reason></moderate></apply-to>"
    )
    assert romeo.asks(older, type="set", to=ROOM) == ""
    assert "<retracted " in archived(juliet)[0] and "<reason>spam</reason>" in archived(juliet)[0]


@pytest.mark.parametrize(
    "forged",
    [
        f"<retract xmlns='{RETRACT}' id='ID'><moderated xmlns='{MODERATE}' by='{ROOM}/Romeo'/></retract>",
        f"<retracted xmlns='{RETRACT}' id='ID'><moderated xmlns='{MODERATE}' by='{ROOM}/Romeo'/></retracted>",
        f"<moderated xmlns='{MODERATE}' by='{ROOM}/Romeo'/>",
        "<apply-to xmlns='urn:xmpp:fasten:0' id='ID'><moderated xmlns='urn:xmpp:message-moderate:0'/></apply-to>",
    ],
)
def test_nobody_says_that_a_moderator_has_done_something(
    room: Room, romeo: Client, juliet: Client, forged: str
) -> None:
    id = said(romeo, "hi")
    content = f"<body>x</body>{forged.replace('ID', id)}"
    juliet.received()
    [refused] = juliet.sends(f"<message to='{ROOM}' type='groupchat' id='m2'>{content}</message>")
    assert "forbidden" in refused and romeo.received() == []


def test_where_nothing_is_archived_it_is_taken_out_of_the_history(romeo: Client, juliet: Client) -> None:
    opened(romeo, "Romeo", enablearchiving=False)
    enter(juliet, "Juliet")
    romeo.received()
    id = said(juliet, "buy now")
    romeo.received()
    assert moderate(romeo, id) == ""
    leave(juliet, "Juliet")
    assert history(juliet, "Juliet") == []
