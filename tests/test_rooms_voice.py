"""XEP-0045 sections 7.13 and 8.6: how a visitor gets the floor."""

import pytest

from handlers.rooms.room import Room
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, configure, enter, fields_in, leave, opened, say, told
from xmpp.data.wire import parse


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


def ask_for(client: Client, role: str = "participant", **more: str) -> list[str]:
    values = {"FORM_TYPE": "http://jabber.org/protocol/muc#request", "muc#role": role, **more}
    fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in values.items())
    return client.sends(f"<message to='{ROOM}' id='v'><x xmlns='jabber:x:data' type='submit'>{fields}</x></message>")


def allow(client: Client, nick: str, jid: str, answer: str = "true") -> list[str]:
    return ask_for(client, **{"muc#roomnick": nick, "muc#jid": jid, "muc#request_allow": answer})


@pytest.fixture
def moderated(room: Room, romeo: Client, juliet: Client) -> Room:
    """The same, in which Juliet only listens."""
    configure(room, moderatedroom=True)
    enter(juliet, "juliet")
    romeo.received()
    return room


def test_moderators_are_asked_and_give_the_floor(moderated: Room, romeo: Client, juliet: Client) -> None:
    assert ask_for(juliet) == []
    [asked] = romeo.received()
    form = fields_in(parse(asked.encode()))
    assert form["FORM_TYPE"] == ["http://jabber.org/protocol/muc#request"]
    assert form["muc#jid"] == [juliet.jid] and form["muc#roomnick"] == ["juliet"]
    assert allow(romeo, "juliet", juliet.jid, "false") == []
    assert told(say(juliet, "hello")) == ["room error forbidden auth"]
    assert told(allow(romeo, "juliet", juliet.jid)) == ["juliet in none/participant juliet@localhost/balcony"]
    assert told(juliet.received()) == ["juliet in none/participant juliet@localhost/balcony 110"]
    assert told(say(juliet, "hello")) == ["juliet says hello"]


def test_the_floor_is_asked_for_now_and_then(moderated: Room, romeo: Client, juliet: Client) -> None:
    ask_for(juliet)
    romeo.received()
    assert told(ask_for(juliet)) == ["room error policy-violation wait"]
    assert romeo.received() == []


@pytest.mark.parametrize(("role", "error"), [("moderator", "bad-request modify"), ("", "bad-request modify")])
def test_what_can_be_asked_for_is_the_floor(moderated: Room, juliet: Client, role: str, error: str) -> None:
    assert told(ask_for(juliet, role)) == [f"room error {error}"]


def test_who_has_the_floor_does_not_ask(moderated: Room, romeo: Client, mercutio: Client) -> None:
    assert told(ask_for(romeo)) == ["room error not-allowed cancel"]
    assert told(ask_for(mercutio)) == ["room error not-acceptable cancel"]


def test_without_a_moderator_there_is_nobody_to_ask(moderated: Room, romeo: Client, juliet: Client) -> None:
    leave(romeo, "romeo")
    juliet.received()
    assert told(ask_for(juliet)) == ["room error recipient-unavailable wait"]


def test_only_moderators_give_the_floor_and_only_to_who_has_asked(
    moderated: Room, romeo: Client, juliet: Client
) -> None:
    assert told(allow(juliet, "juliet", juliet.jid)) == ["room error forbidden auth"]
    assert told(allow(romeo, "juliet", "mercutio@localhost/street")) == ["room error item-not-found cancel"]
    assert told(allow(romeo, "mercutio", "mercutio@localhost/street")) == ["room error item-not-found cancel"]
