"""XEP-0045 sections 6.2 to 6.5: what is found out about the service of rooms, and about each; and XEP-0307."""

from pathlib import Path

import pytest
from lxml import etree

from handlers.rooms.room import Room
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import INFO, ITEMS, MUC, ROOM, SERVICE, be, configure, enter, fields_in, leave, opened
from xmpp.data.jid import JID
from xmpp.data.wire import parse

REGISTER = "<query xmlns='jabber:iq:register'/>"
OWN_NICK = "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>"


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


# -- 6.2, 6.3 the service


def test_the_service_says_what_it_is(romeo: Client) -> None:
    assert f'jid="{SERVICE}"' in romeo.asks(ITEMS, to="localhost")
    info = romeo.asks(INFO, to=SERVICE)
    assert '<identity category="conference" name="Rooms" type="text">' in info
    for feature in (
        "http://jabber.org/protocol/muc",
        "http://jabber.org/protocol/muc#stable_id",
        "http://jabber.org/protocol/muc#unique",
        "urn:xmpp:occupant-id:0",
    ):
        assert f'<feature var="{feature}">' in info


def names_in(answer: str) -> list[str]:
    return [f"{each.get('jid')} {each.get('name')}" for each in parse(answer.encode()) if each.get("jid")]


def test_public_rooms_are_listed_and_others_are_not(romeo: Client) -> None:
    opened(romeo, "romeo", room=f"b@{SERVICE}", publicroom=True, roomname="The balcony")
    opened(romeo, "romeo", room=f"a@{SERVICE}", publicroom=True)
    opened(romeo, "romeo", room=f"c@{SERVICE}")
    assert names_in(romeo.asks(ITEMS, to=SERVICE)) == [f"a@{SERVICE} a", f"b@{SERVICE} The balcony"]
    leave(romeo, "romeo", room=f"a@{SERVICE}")
    assert len(names_in(romeo.asks(ITEMS, to=SERVICE))) == 2


def page(client: Client, inside: str, service: str = SERVICE) -> tuple[list[str], str, str, str]:
    """The names of the rooms on a page, its first and last cursor, and the count."""
    rsm = f"<set xmlns='http://jabber.org/protocol/rsm'>{inside}</set>"
    query = parse(client.asks(ITEMS.replace("/>", f">{rsm}</query>"), to=service).encode())
    described = query[-1]
    text = {etree.QName(each).localname: each.text or "" for each in described}
    names = [each.get("name", "") for each in query if each.get("jid")]
    return names, text.get("first", ""), text.get("last", ""), text["count"]


def test_the_list_comes_page_by_page_in_both_directions(romeo: Client) -> None:
    for name in "abcde":
        opened(romeo, "romeo", room=f"{name}@{SERVICE}", publicroom=True)
    first, begin, end, count = page(romeo, "<max>2</max>")
    assert (first, begin, end, count) == (["a", "b"], f"a@{SERVICE}", f"b@{SERVICE}", "5")
    assert page(romeo, f"<max>2</max><after>{end}</after>")[0] == ["c", "d"]
    assert page(romeo, f"<max>2</max><after>d@{SERVICE}</after>")[0] == ["e"]
    assert page(romeo, "<max>2</max><before/>")[0] == ["d", "e"]
    assert page(romeo, f"<max>2</max><before>d@{SERVICE}</before>")[0] == ["b", "c"]
    assert page(romeo, "<max>0</max>") == ([], "", "", "5")
    assert page(romeo, f"<after>e@{SERVICE}</after>") == ([], "", "", "5")


def test_a_list_that_is_not_whole_says_so_unasked(romeo: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.rooms.discovery.MAX_PAGE", 1)
    for name in "ab":
        opened(romeo, "romeo", room=f"{name}@{SERVICE}", publicroom=True)
    answer = romeo.asks(ITEMS, to=SERVICE)
    assert names_in(answer) == [f"a@{SERVICE} a"] and "<count>2</count>" in answer


def test_each_domain_has_its_own_rooms(tmp_path: Path) -> None:
    domains = {"domains": ["localhost", "verona.example"]}
    with server_in(tmp_path, server=domains, rooms={"creators": "everybody"}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        opened(romeo, "romeo", room="a@rooms.verona.example", publicroom=True)
        opened(romeo, "romeo", room=f"b@{SERVICE}", publicroom=True)
        assert page(romeo, "", "rooms.verona.example") == (
            ["a"], "a@rooms.verona.example", "a@rooms.verona.example", "1"
        )  # fmt: skip
        assert page(romeo, "<before/>")[0] == ["b"]


@pytest.mark.parametrize(
    ("payload", "condition"),
    [
        ("<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>", "item-not-found"),
        (ITEMS.replace("/>", "><set xmlns='http://jabber.org/protocol/rsm'><max>x</max></set></query>"), "bad-request"),
        (
            ITEMS.replace("/>", "><set xmlns='http://jabber.org/protocol/rsm'><index>3</index></set></query>"),
            "feature-not-implemented",
        ),
    ],
)
def test_what_cannot_be_listed_is_refused(romeo: Client, payload: str, condition: str) -> None:
    assert romeo.asks(payload, to=SERVICE) == condition


def test_the_service_knows_a_name_that_is_free(romeo: Client) -> None:
    unique = "<unique xmlns='http://jabber.org/protocol/muc#unique'/>"
    one, other = (parse(romeo.asks(unique, to=SERVICE).encode()).text for _ in range(2))
    assert one and other and one != other
    assert JID.of(one, SERVICE) == f"{one}@{SERVICE}"


# -- 6.4, 6.5 a room


def features_in(info: str) -> set[str]:
    found = parse(info.encode()).iterchildren("{http://jabber.org/protocol/disco#info}feature")
    return {each.get("var", "") for each in found}


ARCHIVED = {
    "http://jabber.org/protocol/rsm",
    "urn:xmpp:fulltext:0",
    "urn:xmpp:mam:2",
    "urn:xmpp:mam:2#extended",
    "urn:xmpp:message-retract:1#tombstone",
}


def test_a_room_says_that_it_is_archived_if_it_is(tmp_path: Path) -> None:
    with server_in(tmp_path, archive={"enabled": True}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        room = opened(romeo, "romeo")
        assert features_in(romeo.asks(INFO, to=ROOM)) >= ARCHIVED
        configure(room, enablearchiving=False)
        assert ARCHIVED.isdisjoint(features_in(romeo.asks(INFO, to=ROOM)))


def test_a_room_says_what_it_is(room: Room, juliet: Client) -> None:
    configure(room, roomname="Verona", roomdesc="Two households", lang="en", publicroom=True)
    info = juliet.asks(INFO, to=ROOM)
    assert '<identity category="conference" name="Verona" type="text">' in info
    assert features_in(info) == {
        "http://jabber.org/protocol/disco#info",
        "http://jabber.org/protocol/commands",
        "http://jabber.org/protocol/disco#items",
        "http://jabber.org/protocol/muc",
        "http://jabber.org/protocol/muc#request",
        "http://jabber.org/protocol/muc#self-ping-optimization",
        "http://jabber.org/protocol/muc#stable_id",
        "jabber:iq:register",
        "muc_open",
        "muc_persistent",
        "muc_public",
        "muc_semianonymous",
        "muc_unmoderated",
        "muc_unsecured",
        "urn:xmpp:hats:0",
        "urn:xmpp:message-moderate:0",
        "urn:xmpp:message-moderate:1",
        "urn:xmpp:message-retract:1",
        "urn:xmpp:muc:affiliations:0",
        "urn:xmpp:occupant-id:0",
        "urn:xmpp:ping",
        "urn:xmpp:sid:0",
        "vcard-temp",
    }
    assert fields_in(parse(info.encode())) == {
        "FORM_TYPE": ["http://jabber.org/protocol/muc#roominfo"],
        "muc#roominfo_description": ["Two households"],
        "muc#roominfo_lang": ["en"],
        "muc#roominfo_subjectmod": ["0"],
        "muc#maxhistoryfetch": ["20"],
        "muc#roomconfig_roomname": ["Verona"],
        "muc#roomconfig_changesubject": ["0"],
        "muc#roomconfig_allowinvites": ["0"],
        "muc#roomconfig_allowpm": ["anyone"],
        "muc#roominfo_slow_mode_duration": ["0"],
        "muc#roominfo_subject": [""],
        "muc#roominfo_occupants": ["1"],
        "{urn:xmpp:muc-activity}message-activity": ["0.00"],
        "{http://modules.prosody.im/mod_vcard_muc}avatar#sha1": [],
    }


@pytest.mark.parametrize(
    ("configuration", "kind"),
    [
        ({"publicroom": False}, "muc_hidden"),
        ({"persistentroom": False}, "muc_temporary"),
        ({"membersonly": True}, "muc_membersonly"),
        ({"whois": "anyone"}, "muc_nonanonymous"),
        ({"moderatedroom": True}, "muc_moderated"),
        ({"passwordprotectedroom": True, "roomsecret": "x"}, "muc_passwordprotected"),
    ],
)
def test_of_each_two_kinds_a_room_is_one(
    room: Room, juliet: Client, configuration: dict[str, object], kind: str
) -> None:
    configure(room, **configuration)
    features = features_in(juliet.asks(INFO, to=ROOM))
    assert kind in features
    assert len([each for each in features if each.startswith("muc_")]) == 6


def test_strangers_do_not_learn_what_goes_on_in_a_hidden_room(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, whois="anyone", roomdesc="Two households")
    romeo.sends(f"<message to='{ROOM}' type='groupchat'><subject>Poison</subject></message>")
    told_of = fields_in(parse(juliet.asks(INFO, to=ROOM).encode()))
    assert told_of["muc#roominfo_description"] == ["Two households"]
    hidden = {"muc#roominfo_subject", "muc#roominfo_occupants", "muc#roominfo_contactjid"}
    assert not hidden & told_of.keys()
    be(room, juliet, "outcast")
    assert not hidden & fields_in(parse(juliet.asks(INFO, to=ROOM).encode())).keys()
    be(room, juliet, "member")
    told_of = fields_in(parse(juliet.asks(INFO, to=ROOM).encode()))
    assert [told_of[var] for var in sorted(hidden)] == [["romeo@localhost"], ["1"], ["Poison"]]


def test_a_room_that_is_not_there_says_nothing(romeo: Client, juliet: Client) -> None:
    for payload in (INFO, ITEMS, OWN_NICK, REGISTER):
        assert juliet.asks(payload, to=ROOM) == "item-not-found"
    enter(romeo, "romeo")  # which makes it, locked
    assert juliet.asks(INFO, to=ROOM) == "item-not-found"
    assert "muc_hidden" in romeo.asks(INFO, to=ROOM)


def test_a_room_keeps_nothing_back_of_what_is_said(room: Room, romeo: Client) -> None:
    assert romeo.asks(f"<query xmlns='http://jabber.org/protocol/disco#info' node='{MUC}#traffic'/>", to=ROOM) == (
        "service-unavailable"
    )


def test_nobody_is_told_who_is_in_a_room(room: Room, romeo: Client) -> None:
    assert romeo.asks(ITEMS, to=ROOM) == '<query xmlns="http://jabber.org/protocol/disco#items"></query>'
