"""XEP-0045 sections 6.6, 16.4 and 17: requests to occupants; XEP-0410."""

import pytest

from handlers.rooms.room import Room
from handlers.rooms.to_occupants import MAX_WAITING, UnderWay
from tests.harness.in_process import Client, befriend
from tests.harness.nodes import publish
from tests.harness.rooms import INFO, ITEMS, ROOM, enter, in_short, opened, told
from xmpp.data.wire import parse

PING = "<ping xmlns='urn:xmpp:ping'/>"
VERSION = "<query xmlns='jabber:iq:version'/>"
VCARD = "<vCard xmlns='vcard-temp'/>"


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


def request(client: Client, nick: str, payload: str, type: str = "get") -> list[str]:
    return client.sends(f"<iq to='{ROOM}/{nick}' type='{type}' id='r'>{payload}</iq>")


def test_a_request_passes_through_the_room_and_the_answer_back(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    romeo.received()
    assert request(juliet, "romeo", VERSION) == []
    [asked] = romeo.received()
    element = parse(asked.encode())
    assert element.get("from") == f"{ROOM}/juliet" and element.get("id") != "r"
    assert "balcony" not in asked
    answer = "<query xmlns='jabber:iq:version'><name>xyz</name></query>"
    assert romeo.sends(f"<iq type='result' to='{ROOM}/juliet' id='{element.get('id')}'>{answer}</iq>") == []
    [back] = juliet.received()
    assert f'from="{ROOM}/romeo"' in back and 'id="r"' in back and "<name>xyz</name>" in back
    assert "orchard" not in back
    assert not romeo.server.state(UnderWay)


def test_an_error_comes_back_as_well(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    romeo.received()
    request(juliet, "romeo", VERSION, "set")
    [asked] = romeo.received()
    id = parse(asked.encode()).get("id")
    error = "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    romeo.sends(f"<iq type='error' to='{ROOM}/juliet' id='{id}'>{error}</iq>")
    assert told(juliet.received()) == ["romeo error forbidden auth"]


def test_nobody_answers_for_somebody_else(room: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    enter(juliet, "juliet"), enter(mercutio, "mercutio")
    romeo.received(), juliet.received()
    request(juliet, "romeo", VERSION)
    id = parse(romeo.received()[0].encode()).get("id")
    mercutio.sends(f"<iq type='result' to='{ROOM}/juliet' id='{id}'/>")
    assert juliet.received() == []


def test_a_request_goes_to_the_device_that_is_shown(room: Room, romeo: Client, juliet: Client) -> None:
    phone = Client(romeo.server, "romeo@localhost/phone")
    enter(phone, "romeo"), enter(juliet, "juliet")
    romeo.received(), phone.received()
    request(juliet, "romeo", VERSION)
    assert (len(romeo.received()), len(phone.received())) == (0, 1)


def test_what_an_account_answers_the_account_is_asked(room: Room, romeo: Client, juliet: Client) -> None:
    card = "<vCard xmlns='vcard-temp'><FN>Romeo Montague</FN></vCard>"
    assert romeo.asks(card, type="set") == ""
    enter(juliet, "juliet")
    romeo.received()
    [answer] = request(juliet, "romeo", VCARD)
    assert f'from="{ROOM}/romeo"' in answer and "<FN>Romeo Montague</FN>" in answer and 'id="r"' in answer
    assert romeo.received() == []


def test_nodes_of_an_account_are_read_as_far_as_they_are_open(room: Room, romeo: Client, juliet: Client) -> None:
    befriend(romeo.server, romeo.account, juliet.account)
    for node, model in (("open", "open"), ("friends", "presence")):
        options = {"access_model": model, "itemreply": "publisher"}
        assert "<publish" in romeo.asks(publish(node, "1", **options), type="set")
    enter(juliet, "juliet")
    items = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{}'/></pubsub>"
    [answer] = request(juliet, "romeo", items.format("open"))
    assert 'id="1"' in answer and "publisher" not in answer
    assert "publisher" in juliet.asks(items.format("open"), to="romeo@localhost")
    assert "error" in in_short(request(juliet, "romeo", items.format("friends"))[0])


@pytest.mark.parametrize("payload", [VERSION, VCARD, PING])
def test_who_is_not_in_the_room_asks_nobody_there(room: Room, romeo: Client, juliet: Client, payload: str) -> None:
    assert told(request(juliet, "romeo", payload)) == ["romeo error not-acceptable cancel"]
    assert romeo.received() == []


@pytest.mark.parametrize("payload", [INFO, ITEMS])
def test_who_is_not_in_the_room_finds_nothing_out_about_its_occupants(
    room: Room, romeo: Client, juliet: Client, payload: str
) -> None:
    for nick in ("romeo", "rosaline"):
        assert told(request(juliet, nick, payload)) == [f"{nick} error bad-request modify"]
    assert romeo.received() == []


def test_nobody_is_asked_under_a_nick_that_nobody_has(room: Room, juliet: Client) -> None:
    enter(juliet, "juliet")
    assert told(request(juliet, "rosaline", VERSION)) == ["rosaline error item-not-found cancel"]


def test_who_is_in_the_room_is_told_so_by_the_room(room: Room, romeo: Client, juliet: Client) -> None:
    assert [each[:40] for each in request(romeo, "romeo", PING)] == ['<iq from="verona@rooms.localhost/romeo" ']
    phone = Client(romeo.server, "romeo@localhost/phone")
    assert told(request(phone, "romeo", PING)) == ["romeo error not-acceptable cancel"]
    enter(phone, "montague")
    assert romeo.received()
    for asker, nick in ((romeo, "montague"), (phone, "romeo"), (phone, "montague")):
        [answer] = request(asker, nick, PING)
        assert 'type="result"' in answer
    assert romeo.received() == phone.received() == []


def test_somebody_elses_device_is_asked_itself(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    romeo.received()
    assert request(juliet, "romeo", PING) == []
    assert len(romeo.received()) == 1


def test_so_many_requests_of_one_session_wait(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    for _ in range(MAX_WAITING):
        assert request(juliet, "romeo", VERSION) == []
    assert told(request(juliet, "romeo", VERSION)) == ["romeo error resource-constraint wait"]
    romeo.received()
    assert 'type="result"' in request(juliet, "juliet", PING)[0]
