"""XEP-0045 sections 7.13 and 8.6: how a visitor gets the floor."""

import pytest

from handlers.rooms.room import Room
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, ask_room, be, configure, enter, fields_in, leave, opened, say, told
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


# -- who comes again


def give(client: Client, nick: str, role: str) -> None:
    item = f"<item nick='{nick}' role='{role}'/>"
    assert ask_room(client, f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>") == ""


def role_of_who_comes_again(client: Client, nick: str) -> str:
    """The role that somebody has after leaving, and entering under this nick."""
    leave(client, "juliet")
    [own] = [each for each in told(enter(client, nick)) if each.endswith(" 110")]
    return own.split()[2].partition("/")[2]


@pytest.mark.parametrize("nick", ["juliet", "capulet"])
@pytest.mark.parametrize(("affiliation", "given"), [("none", "participant"), ("member", "visitor")])
def test_who_comes_again_to_a_moderated_room_may_do_what_a_moderator_has_said(
    moderated: Room, romeo: Client, juliet: Client, affiliation: str, given: str, nick: str
) -> None:
    be(moderated, juliet, affiliation)
    give(romeo, "juliet", "participant")
    give(romeo, "juliet", given)
    assert role_of_who_comes_again(juliet, nick) == given


def test_it_counts_with_another_device_under_another_nick(moderated: Room, romeo: Client, juliet: Client) -> None:
    be(moderated, juliet, "member")
    give(romeo, "juliet", "participant")
    give(romeo, "juliet", "visitor")
    phone = Client(juliet.server, "juliet@localhost/phone")
    assert told(enter(phone, "capulet"))[-2].startswith("capulet in member/visitor ")


@pytest.mark.parametrize("affiliation", ["member", "admin"])
def test_who_has_become_something_else_has_the_role_that_goes_with_it(
    moderated: Room, romeo: Client, juliet: Client, affiliation: str
) -> None:
    give(romeo, "juliet", "participant")
    be(moderated, juliet, affiliation)
    be(moderated, juliet, "none" if affiliation == "member" else "admin")
    assert role_of_who_comes_again(juliet, "juliet") == ("visitor" if affiliation == "member" else "moderator")


def test_in_a_room_that_is_not_moderated_all_may_speak_who_come(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    give(romeo, "juliet", "visitor")
    assert role_of_who_comes_again(juliet, "juliet") == "participant"


def test_of_so_many_it_is_kept(moderated: Room, romeo: Client, juliet: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.rooms.room.MOST_GIVEN", 2)
    give(romeo, "juliet", "participant")
    for number in range(2):
        enter(Client(romeo.server, f"mercutio{number}@localhost/tomb"), f"mercutio{number}")
        give(romeo, f"mercutio{number}", "participant")
    assert len(moderated.given) == 2
    assert role_of_who_comes_again(juliet, "juliet") == "visitor"
