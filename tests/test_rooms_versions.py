"""XEP-0463: who is what in a room, by version, as those are told it who may list it."""

from pathlib import Path
from typing import NamedTuple

import pytest
from lxml import etree

from db import room_changes
from db.rooms import Affiliation
from handlers.login import accounts
from handlers.rooms import versions
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import Rooms
from handlers.rooms.versions import Chain
from tests.harness.in_process import Client, add_accounts, queries_of, server_in
from tests.harness.rooms import ROOM, USER, be, configure, enter, in_short, leave, opened, room_at
from xmpp.data.jid import JID
from xmpp.data.wire import parse

NAMESPACE = "urn:xmpp:muc:affiliations:0"
MAV = f"<mav xmlns='{NAMESPACE}'/>"
ADMIN = "http://jabber.org/protocol/muc#admin"


class Told(NamedTuple):
    """What a stanza says: what it is, from which version to which, and of whom."""

    what: str
    since: str | None
    until: str | None
    items: tuple[str, ...] = ()


def known(version: str) -> str:
    return f"<mav xmlns='{NAMESPACE}' since='{version}'/>"


def told(received: list[str]) -> list[Told]:
    """All that has a version, in the order in which it came, and the errors."""
    return [each for stanza in received if (each := _told(stanza)) is not None]


def _told(stanza: str) -> Told | None:
    element = parse(stanza.encode())
    if element.get("type") == "error":
        return Told(f"error {in_short(stanza)}", None, None)
    x = element.find(f"{USER}x")
    mav = None if x is None else x.find(f"{{{NAMESPACE}}}mav")
    if x is None or mav is None:
        return None
    what = "all" if etree.QName(element).localname == "message" else in_short(stanza)
    items = [f"{each.get('jid')} {each.get('affiliation')}" for each in x.iterchildren(f"{USER}item")]
    return Told(what, mav.get("since"), mav.get("until"), tuple(items) if what == "all" else ())


def until(received: list[str]) -> str:
    """The version that somebody has been told last."""
    version = told(received)[-1].until
    assert version is not None
    return version


def jid(name: str) -> JID:
    return JID.parse(f"{name}@localhost")


def make(room: Room, **people: str) -> None:
    """Make people something, one after the other."""
    for name, affiliation in people.items():
        room.set_affiliations({jid(name): Affiliation(affiliation)})


def change(client: Client, *items: str) -> list[Told]:
    """Ask the room for these changes; `items`: the attributes of each. Returns what who asks is told of them."""
    asked = "".join(f"<item {each}/>" for each in items)
    return told(set_by(client, f"<query xmlns='{ADMIN}'>{asked}</query>"))


def set_by(client: Client, query: str) -> list[str]:
    """Have something set; returns what came, beside the result."""
    came = client.sends(f"<iq type='set' id='set' to='{ROOM}'>{query}</iq>")
    [answer] = [each for each in came if each.startswith("<iq ")]
    assert 'type="result"' in answer
    return [each for each in came if not each.startswith("<iq ")]


@pytest.fixture
def room(romeo: Client, juliet: Client) -> Room:
    """A group of Romeo's, with Juliet and Benvolio as members, and Tybalt banned."""
    room = opened(romeo, "romeo", membersonly=True, whois="anyone")
    leave(romeo, "romeo")
    make(room, juliet="member", benvolio="member", tybalt="outcast")
    return room_at(romeo.server)


# -- who enters


def test_who_knows_nothing_is_told_all_it_may_list_before_any_presence(
    room: Room, romeo: Client, juliet: Client
) -> None:
    enter(romeo, "romeo")
    came = enter(juliet, "juliet", MAV)
    [listed, own] = told(came)
    assert listed.since is None and listed.until == own.until and own.since is None
    assert set(listed.items) == {"romeo@localhost owner", "juliet@localhost member", "benvolio@localhost member"}
    assert (
        came[0].startswith("<message ") and own.what == "juliet in member/participant juliet@localhost/balcony 100 110"
    )


def test_owners_are_told_who_is_banned(room: Room, romeo: Client) -> None:
    assert "tybalt@localhost outcast" in told(enter(romeo, "romeo", MAV))[0].items


def test_who_does_not_ask_is_told_nothing(room: Room, romeo: Client, juliet: Client) -> None:
    assert told(enter(juliet, "juliet")) == []
    make(room, mercutio="member")
    change(romeo, "jid='paris@localhost' affiliation='member'")
    assert told(juliet.received()) == []


def test_who_knows_the_version_is_told_that_it_is_the_one(room: Room, juliet: Client) -> None:
    version = until(enter(juliet, "juliet", MAV))
    leave(juliet, "juliet")
    [own] = told(enter(juliet, "juliet", known(version)))
    assert own.what.startswith("juliet in") and own.until == version


def test_who_knows_an_earlier_version_is_told_what_has_changed_once_for_each(room: Room, juliet: Client) -> None:
    before = until(enter(juliet, "juliet", MAV))
    leave(juliet, "juliet")
    make(room, benvolio="none", paris="member", mercutio="member")
    make(room, paris="admin")
    [changes, own] = told(enter(juliet, "juliet", known(before)))
    assert changes.since == before and changes.until == own.until != before
    assert sorted(changes.items) == ["benvolio@localhost none", "mercutio@localhost member", "paris@localhost admin"]


def test_entering_again_is_the_same(room: Room, juliet: Client) -> None:
    version = until(enter(juliet, "juliet", MAV))
    make(room, paris="member")
    juliet.received()
    [changes, own] = told(enter(juliet, "juliet", known(version)))
    assert changes.items == ("paris@localhost member",)
    assert changes.until == own.until


@pytest.mark.parametrize("version", ["", "0", "57.made-up", "1.", ".", "9" * 30, "1.é", "-1.x"])
def test_a_version_that_the_room_does_not_know_is_answered_with_all(room: Room, juliet: Client, version: str) -> None:
    [listed, _] = told(enter(juliet, "juliet", known(version)))
    assert listed.since is None and len(listed.items) == 3


def test_a_version_that_is_too_old_is_answered_with_all(room: Room, juliet: Client) -> None:
    before = until(enter(juliet, "juliet", MAV))
    leave(juliet, "juliet")
    make(room, **{f"member{number}": "member" for number in range(700)})
    assert len(room_changes.of(room.server.db, room.number)) <= 625
    *listed, own = told(enter(juliet, "juliet", known(before)))
    assert listed[0].since is None and sum(len(each.items) for each in listed) == 703
    assert told(enter(juliet, "juliet", known(own.until or ""))) == [own]


def test_a_version_is_known_when_the_room_comes_back_and_after_a_restart(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        room = opened(romeo, "romeo")
        make(room, benvolio="member")
        version = until(enter(romeo, "romeo", MAV))
        make(room, benvolio="none")
    with server_in(tmp_path) as server:
        romeo = Client(server, "romeo@localhost/orchard")
        [changes, _] = told(enter(romeo, "romeo", known(version)))
        assert changes.items == ("benvolio@localhost none",) and changes.since == version


def test_another_room_of_the_name_has_other_versions(romeo: Client) -> None:
    opened(romeo, "romeo", persistentroom=False)
    version = until(enter(romeo, "romeo", MAV))
    leave(romeo, "romeo")
    opened(romeo, "romeo")
    [listed, own] = told(enter(romeo, "romeo", known(version)))
    assert listed.since is None and own.until != version


def test_many_are_told_in_several_messages_that_go_on_from_each_other(
    room: Room, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(room, **{f"member{number}": "member" for number in range(100)})
    monkeypatch.setattr(versions, "MOST_BYTES", 1_000)
    came = enter(juliet, "juliet", MAV)
    *listed, own = told(came)
    assert len(listed) > 3 and max(len(each) for each in came) < 1_400
    assert len({item for each in listed for item in each.items}) == 103
    assert [each.since for each in listed] == [None, *(each.until for each in listed[:-1])]
    assert listed[-1].until == own.until
    between = listed[0].until
    assert between is not None  # who has not got all of it begins anew
    assert told(enter(juliet, "juliet", known(between)))[0].since is None


def test_it_costs_no_query_who_enters_a_room_that_somebody_is_in(
    room: Room, romeo: Client, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(romeo, "romeo")
    before = until(enter(juliet, "juliet", MAV))
    make(room, paris="member")
    leave(juliet, "juliet")
    asked = queries_of(room.server.db, monkeypatch)
    assert len(told(enter(juliet, "juliet", known(before)))) == 2
    assert len(told(enter(juliet, "juliet", MAV))) == 2
    assert asked == []


def test_many_changes_that_were_made_at_once_are_told_in_few_messages(
    room: Room, romeo: Client, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = until(enter(juliet, "juliet", MAV))
    monkeypatch.setattr(versions, "MOST_BYTES", 1_000)
    change(romeo, *(f"jid='member{number}@localhost' affiliation='member'" for number in range(60)))
    all_told = told(juliet.received())
    assert 3 < len(all_told) < 10
    assert sum(len(each.items) for each in all_told) == 60
    assert [each.since for each in all_told] == [version, *(each.until for each in all_told[:-1])]
    last = all_told[-1].until or ""
    assert told(enter(juliet, "juliet", known(last)))[0].until == last


# -- changes while one is there


def test_a_change_of_who_is_away_is_told_by_a_message(room: Room, romeo: Client, juliet: Client) -> None:
    version = until(enter(juliet, "juliet", MAV))
    change(romeo, "jid='paris@localhost' affiliation='admin'")
    [message] = juliet.received()
    [change_told] = told([message])
    assert change_told.since == version and change_told.items == ("paris@localhost admin",)
    assert 'role="none"' in message
    leave(juliet, "juliet")
    assert until(enter(juliet, "juliet", known(change_told.until or ""))) == change_told.until


def test_a_change_of_who_is_there_is_told_by_presence(room: Room, romeo: Client, juliet: Client) -> None:
    enter(romeo, "romeo")
    version = until(enter(juliet, "juliet", MAV))
    romeo.received()
    assert change(romeo, "jid='juliet@localhost' affiliation='admin'") == []  # it has not asked for versions
    [presence] = told(juliet.received())
    assert presence.what == "juliet in admin/moderator juliet@localhost/balcony 110"
    assert presence.since is not None and version != presence.until


def test_who_is_put_out_is_told_by_presence(room: Room, romeo: Client, juliet: Client) -> None:
    version = until(enter(romeo, "romeo", MAV))
    enter(juliet, "juliet", MAV)
    romeo.received()
    [presence] = change(romeo, "jid='juliet@localhost' affiliation='none'")
    assert presence.what.startswith("juliet out none/none") and presence.since == version
    assert told(juliet.received()) == []
    assert room.versioned.keys() == {romeo.jid}


def test_several_changes_go_on_from_each_other(room: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    be(room, mercutio, "member")
    version = until(enter(romeo, "romeo", MAV))
    enter(juliet, "juliet"), enter(mercutio, "mercutio")
    romeo.received()
    people = {"paris": "member", "mercutio": "none", "juliet": "admin", "tybalt": "none"}
    all_told = change(romeo, *(f"jid='{name}@localhost' affiliation='{become}'" for name, become in people.items()))
    assert [each.what.split()[:3] for each in all_told] == [
        ["mercutio", "out", "none/none"],
        ["juliet", "in", "admin/moderator"],
        ["all"],
    ]
    assert all_told[-1].items == ("paris@localhost member", "tybalt@localhost none")
    assert [each.since for each in all_told] == [version, all_told[0].until, all_told[1].until]
    leave(romeo, "romeo")
    last = all_told[-1].until or ""
    assert told(enter(romeo, "romeo", known(last)))[0].until == last


def test_an_invitation_and_a_request_by_form_are_told_as_well(room: Room, romeo: Client, mercutio: Client) -> None:
    version = until(enter(romeo, "romeo", MAV))
    invite = f"<x xmlns='http://jabber.org/protocol/muc#user'><invite to='{mercutio.account}'/></x>"
    [invited] = told(romeo.sends(f"<message to='{ROOM}'>{invite}</message>"))
    assert (invited.since, invited.items) == (version, ("mercutio@localhost member",))
    form = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    form += "<field var='muc#roomconfig_roomadmins'><value>juliet@localhost</value></field>"
    query = f"<x xmlns='jabber:x:data' type='submit'>{form}</x>"
    [by_form] = told(set_by(romeo, f"<query xmlns='http://jabber.org/protocol/muc#owner'>{query}</query>"))
    assert (by_form.since, by_form.items) == (invited.until, ("juliet@localhost admin",))


def test_who_registers_is_told_of_by_its_presence(romeo: Client, juliet: Client) -> None:
    opened(romeo, "romeo", whois="anyone")
    version = until(enter(romeo, "romeo", MAV))
    enter(juliet, "juliet")
    romeo.received()
    form = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
    form += "<field var='muc#register_roomnick'><value>juliet</value></field>"
    query = f"<x xmlns='jabber:x:data' type='submit'>{form}</x>"
    assert juliet.asks(f"<query xmlns='jabber:iq:register'>{query}</query>", type="set", to=ROOM) == ""
    [registered] = told(romeo.received())
    assert registered.since == version and registered.what.startswith("juliet in member/participant")


def test_what_has_no_presence_to_be_told_by_is_told_by_a_message(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, presencebroadcast=("moderator",))
    version = until(enter(romeo, "romeo", MAV))
    enter(juliet, "juliet")
    assert [in_short(each) for each in romeo.received()] == []
    [message] = change(romeo, "jid='juliet@localhost' affiliation='none'")
    assert (message.since, message.items) == (version, ("juliet@localhost none",))


def test_of_a_person_with_two_nicks_both_are_told_of(romeo: Client, juliet: Client) -> None:
    opened(romeo, "romeo", whois="anyone")
    version = until(enter(romeo, "romeo", MAV))
    enter(juliet, "juliet"), enter(Client(juliet.server, "juliet@localhost/phone"), "another")
    romeo.received()
    one, other = change(romeo, "jid='juliet@localhost' affiliation='member'")
    assert (one.since, one.until) == (version, other.since)
    assert told(enter(romeo, "romeo", known(other.until or "")))[0].until == other.until


def test_another_nick_keeps_hearing_of_changes(room: Room, romeo: Client, juliet: Client) -> None:
    phone = Client(juliet.server, "juliet@localhost/phone")
    version = until(enter(juliet, "juliet", MAV))
    enter(phone, "juliet")
    juliet.sends(f"<presence to='{ROOM}/Capulet'/>")
    change(romeo, "jid='paris@localhost' affiliation='member'")
    assert told(juliet.received())[-1].since == version
    assert told(phone.received()) == []


def test_who_enters_before_a_change_is_told_and_knows_it_does_not_hear_of_it(room: Room, juliet: Client) -> None:
    enter(juliet, "juliet", MAV)
    step = room.set_affiliations({jid("paris"): Affiliation("member")})
    assert told(enter(juliet, "juliet", MAV))[0].items[-1] == "paris@localhost member"
    Chain(room, step).tell_the_rest()
    assert juliet.received() == []


def test_nobody_hears_of_changes_after_leaving(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet", MAV)
    enter(romeo, "romeo")
    leave(juliet, "juliet")
    enter(juliet, "juliet")
    change(romeo, "jid='paris@localhost' affiliation='member'")
    assert told(juliet.received()) == []
    assert room.versioned == {}


def test_an_account_that_is_removed_is_told_of(room: Room, juliet: Client, mercutio: Client) -> None:
    be(room, mercutio, "member")
    version = until(enter(juliet, "juliet", MAV))
    accounts.remove(room.server, mercutio.account)
    [removed] = told(juliet.received())
    assert (removed.since, removed.items) == (version, ("mercutio@localhost none",))


# -- who may know what


def test_changes_that_one_cannot_see_are_no_versions(room: Room, romeo: Client, juliet: Client) -> None:
    version = until(enter(juliet, "juliet", MAV))
    change(romeo, "jid='paris@localhost' affiliation='outcast'")
    assert told(juliet.received()) == []
    leave(juliet, "juliet")
    assert [each.until for each in told(enter(juliet, "juliet", known(version)))] == [version]
    change(romeo, "jid='benvolio@localhost' affiliation='outcast'")
    [banned] = told(juliet.received())
    assert (banned.since, banned.items) == (version, ("benvolio@localhost none",))


def test_who_may_not_list_anybody_is_refused_and_enters(romeo: Client, juliet: Client) -> None:
    room = opened(romeo, "romeo")
    make(room, benvolio="member")
    came = enter(juliet, "juliet", MAV)
    assert told(came) == [Told("error room error forbidden auth", None, None)]
    assert came[0].startswith("<message ") and 'id="in"' in came[0] and f'by="{ROOM}"' in came[0]
    assert "benvolio" not in "".join(came) and juliet.jid in room.by_session
    change(romeo, "jid='paris@localhost' affiliation='member'")
    assert juliet.received() == []


def test_who_may_not_list_anybody_any_more_hears_nothing(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet", MAV)
    configure(room, whois="moderators")
    change(romeo, "jid='paris@localhost' affiliation='member'")
    assert juliet.received() == []


def test_whoever_may_list_more_than_before_is_told_all(room: Room, romeo: Client, juliet: Client) -> None:
    version = until(enter(juliet, "juliet", MAV))
    leave(juliet, "juliet")
    be(room, juliet, "admin")
    [listed, _] = told(enter(juliet, "juliet", known(version)))
    assert listed.since is None and "tybalt@localhost outcast" in listed.items


def test_a_version_that_was_somebody_elses_is_refused_to_who_was_nothing_then(
    room: Room, juliet: Client, mercutio: Client
) -> None:
    version = until(enter(juliet, "juliet", MAV))
    make(room, benvolio="none", mercutio="member")
    assert told(enter(mercutio, "mercutio", known(version))) == [Told("error room error forbidden auth", None, None)]
    assert len(told(enter(mercutio, "mercutio", MAV))) == 2


def test_nobody_sees_what_others_have_asked_for(room: Room, romeo: Client, juliet: Client) -> None:
    enter(romeo, "romeo")
    enter(juliet, "juliet", MAV, says=MAV)
    juliet.sends(f"<message to='{ROOM}' type='groupchat'><body>hi</body>{known('1')}</message>")
    assert len(came := romeo.received()) == 2
    assert NAMESPACE not in "".join(came)


def test_what_a_room_remembers_of_it_ends_with_the_room(romeo: Client) -> None:
    room = opened(romeo, "romeo", persistentroom=False)
    make(room, paris="member")
    assert room_changes.of(room.server.db, room.number) != []
    leave(romeo, "romeo")
    assert room_changes.of(room.server.db, room.number) == []
    assert room.address not in room.server.state(Rooms).here
