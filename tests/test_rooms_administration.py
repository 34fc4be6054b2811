"""XEP-0045 sections 8, 9 and 10: roles and affiliations change, all that is asked for at once or nothing of it."""

from pathlib import Path

import pytest

from db.rooms import Affiliation
from handlers.rooms import affiliating
from handlers.rooms.affiliating import MOST_CHANGED
from handlers.rooms.room import Room
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import MUC, ROOM, enter, leave, opened, room_at, told
from xmpp.data.jid import JID
from xmpp.server import Server


@pytest.fixture
def verona(romeo: Client, juliet: Client, mercutio: Client) -> Room:
    """Romeo's room, in which all three are."""
    room = opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    enter(mercutio, "Mercutio")
    hear(romeo, juliet, mercutio)
    return room


def admin(client: Client, *items: str, type: str = "set") -> list[str]:
    """Ask a room for something; returns all that came, in short."""
    return [
        each if each.startswith("<iq") else told([each])[0]
        for each in client.sends(f"<iq type='{type}' id='q' to='{ROOM}'>{query(*items)}</iq>")
    ]


def condition(client: Client, *items: str, type: str = "set") -> str:
    return client.asks(query(*items), type=type, to=ROOM)


def query(*items: str) -> str:
    return f"<query xmlns='{MUC}#admin'>{''.join(items)}</query>"


def listed(client: Client, what: str) -> str:
    """A list of people, or the condition of the error."""
    return client.asks(query(f"<item {what}/>"), to=ROOM).replace(f' xmlns="{MUC}#admin"', "")


def be(person: Client | str, affiliation: str, inner: str = "", nick: str | None = None) -> str:
    jid = person if isinstance(person, str) else person.account
    return f"<item jid='{jid}' affiliation='{affiliation}'{'' if nick is None else f' nick={nick!r}'}>{inner}</item>"


def give(nick: str, role: str, inner: str = "") -> str:
    return f"<item nick='{nick}' role='{role}'>{inner}</item>"


def hear(*clients: Client) -> list[list[str]]:
    """What each was told since, in short."""
    return [told(each.received()) for each in clients]


DONE = f'<iq from="{ROOM}" id="q" to="romeo@localhost/orchard" type="result"></iq>'
WHY = "<reason>Avaunt, you cullion!</reason>"


# -- roles


def test_who_is_kicked_hears_of_it_first_then_the_moderator_then_the_others(
    server: Server, verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    order: list[str] = []
    for client in (romeo, juliet, mercutio):
        client.write = lambda data, name=client.account.local: order.append(name)  # type: ignore[method-assign, misc]
    romeo.sends(f"<iq type='set' id='q' to='{ROOM}'>{query(give('Mercutio', 'none'))}</iq>")
    assert order == ["mercutio", "romeo", "romeo", "juliet"]


def test_a_kick_says_by_whom_and_why(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    romeo.sends(f"<iq type='set' id='q' to='{ROOM}'>{query(give('Mercutio', 'none', WHY))}</iq>")
    [kicked], [seen] = mercutio.received(), juliet.received()
    for presence in (kicked, seen):
        assert '<actor nick="Romeo"></actor><reason>Avaunt, you cullion!</reason>' in presence
    assert told([kicked]) == ["Mercutio out none/none mercutio@localhost/street 307 110"]
    assert told([seen]) == ["Mercutio out none/none 307"]
    assert told(enter(mercutio, "Mercutio"))[-1] == "room subject "  # a kick is no ban


def test_a_kick_takes_all_devices_of_a_nick(server: Server, verona: Room, romeo: Client, mercutio: Client) -> None:
    phone = Client(server, "mercutio@localhost/phone")
    enter(phone, "Mercutio")
    admin(romeo, give("Mercutio", "none"))
    assert "307" in hear(mercutio)[0][-1]
    assert "307" in hear(phone)[0][-1]
    assert "Mercutio" not in verona.occupants


def test_voice_is_taken_and_given_back(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    assert admin(romeo, give("Juliet", "visitor")) == [DONE, "Juliet in none/visitor juliet@localhost/balcony"]
    assert hear(juliet, mercutio) == [
        ["Juliet in none/visitor juliet@localhost/balcony 110"],
        ["Juliet in none/visitor"],
    ]
    assert "forbidden" in juliet.sends(f"<message to='{ROOM}' type='groupchat'><body>Ay me!</body></message>")[0]
    admin(romeo, give("Juliet", "participant"))
    assert hear(mercutio) == [["Juliet in none/participant"]]


def test_who_becomes_a_moderator_sees_addresses(verona: Room, romeo: Client, juliet: Client) -> None:
    admin(romeo, give("Juliet", "moderator"))
    assert hear(juliet) == [
        [
            "Juliet in none/moderator juliet@localhost/balcony 110",
            "Romeo in owner/moderator romeo@localhost/orchard",
            "Mercutio in none/participant mercutio@localhost/street",
        ]
    ]


def test_a_role_that_somebody_has_is_no_news(verona: Room, romeo: Client, juliet: Client) -> None:
    assert admin(romeo, give("Juliet", "participant")) == [DONE]
    assert hear(juliet) == [[]]


def test_nobody_of_that_nick(verona: Room, romeo: Client, juliet: Client) -> None:
    assert condition(romeo, give("Tybalt", "none")) == "item-not-found"
    assert condition(juliet, give("Tybalt", "none")) == "forbidden"


def test_a_moderator_may_act_from_another_device(server: Server, verona: Room, mercutio: Client) -> None:
    elsewhere = Client(server, "romeo@localhost/tomb")
    assert condition(elsewhere, give("Mercutio", "visitor")) == ""
    assert hear(mercutio) == [["Mercutio in none/visitor mercutio@localhost/street 110"]]


def test_who_is_shown_no_more_is_gone_for_the_others(romeo: Client, juliet: Client, mercutio: Client) -> None:
    opened(romeo, "Romeo", presencebroadcast=("moderator", "participant"))
    enter(juliet, "Juliet")
    enter(mercutio, "Mercutio")
    hear(romeo, juliet, mercutio)
    assert admin(romeo, give("Juliet", "visitor")) == [DONE, "Juliet out none/none juliet@localhost/balcony"]
    assert hear(juliet, mercutio) == [
        ["Juliet in none/visitor juliet@localhost/balcony 110"],
        ["Juliet out none/none"],
    ]


# -- bans


def test_a_ban_puts_out_and_stays(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    banned = be(f"{mercutio.account}/street", "outcast", WHY)  # the bare address counts
    assert admin(romeo, banned) == [DONE, "Mercutio out outcast/none mercutio@localhost/street 301"]
    [seen], [own] = juliet.received(), mercutio.received()
    assert told([own]) == ["Mercutio out outcast/none mercutio@localhost/street 301 110"]
    assert told([seen]) == ["Mercutio out outcast/none 301"]
    assert '<actor nick="Romeo"></actor><reason>Avaunt, you cullion!</reason>' in own
    assert told(enter(mercutio, "Mercutio")) == ["Mercutio error forbidden auth"]
    assert listed(romeo, "affiliation='outcast'") == (
        f'<query><item affiliation="outcast" jid="mercutio@localhost">{WHY}</item></query>'
    )
    assert admin(romeo, be(mercutio, "none")) == [DONE]
    assert "110" in told(enter(mercutio, "Mercutio"))[-2]


def test_somebody_who_is_away_is_banned(verona: Room, romeo: Client, mercutio: Client) -> None:
    leave(mercutio, "Mercutio")
    assert admin(romeo, be(mercutio, "outcast"))[-1] == DONE
    assert told(enter(mercutio, "Mercutio"))[-1] == "Mercutio error forbidden auth"


def test_a_ban_takes_a_reserved_nick(verona: Room, romeo: Client, mercutio: Client) -> None:
    admin(romeo, be(mercutio, "member", nick="Queen Mab"))
    assert listed(romeo, "affiliation='member'") == (
        '<query><item affiliation="member" jid="mercutio@localhost" nick="Queen Mab"></item></query>'
    )
    admin(romeo, be(mercutio, "outcast"))
    assert listed(romeo, "affiliation='outcast'") == (
        '<query><item affiliation="outcast" jid="mercutio@localhost"></item></query>'
    )
    assert verona.reserved_by("Queen Mab") is None


def test_a_domain_is_banned_but_for_those_who_are_something(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    admin(romeo, be(juliet, "member"))
    hear(romeo, juliet, mercutio)
    assert admin(romeo, be("localhost", "outcast", WHY)) == [
        DONE,
        "Mercutio out outcast/none mercutio@localhost/street 301",
    ]
    assert hear(juliet) == [["Mercutio out outcast/none 301"]]
    assert told(enter(mercutio, "Mercutio"))[-1] == "Mercutio error forbidden auth"
    assert condition(romeo, be(mercutio, "member")) == ""  # who is something by itself is that
    assert "110" in told(enter(mercutio, "Mercutio"))[-2]


@pytest.mark.parametrize("affiliation", ["admin", "owner"])
def test_a_domain_is_no_admin(verona: Room, romeo: Client, affiliation: str) -> None:
    assert condition(romeo, be("localhost", affiliation)) == "not-acceptable"


@pytest.mark.parametrize("affiliation", ["admin", "owner"])
def test_nobody_bans_himself(verona: Room, romeo: Client, juliet: Client, affiliation: str) -> None:
    admin(romeo, be(juliet, affiliation))
    assert condition(juliet, be(juliet, "outcast")) == "conflict"


# -- affiliations


def test_affiliations_come_with_their_roles(verona: Room, romeo: Client, juliet: Client) -> None:
    steps = [("member", "participant"), ("admin", "moderator"), ("owner", "moderator"), ("none", "participant")]
    for affiliation, role in steps:
        shown = f"Juliet in {affiliation}/{role} juliet@localhost/balcony"
        assert admin(romeo, be(juliet, affiliation)) == [DONE, shown]
        assert hear(juliet)[0][0] == f"{shown} 110"


def test_an_affiliation_can_be_given_by_nick(verona: Room, romeo: Client, juliet: Client) -> None:
    assert condition(romeo, "<item nick='Juliet' affiliation='member'/>") == ""
    assert verona.affiliation(juliet.account) == "member"
    assert condition(romeo, "<item nick='Tybalt' affiliation='member'/>") == "item-not-found"


def test_owners_hand_a_room_over_in_one_request(verona: Room, romeo: Client, juliet: Client) -> None:
    assert condition(romeo, be(romeo, "none")) == "conflict"
    assert condition(romeo, be(romeo, "none"), be(juliet, "owner")) == ""
    assert verona.owners() == [juliet.account]


def test_the_last_owners_do_not_leave_together(verona: Room, romeo: Client, juliet: Client) -> None:
    admin(romeo, be(juliet, "owner"))
    assert condition(romeo, be(romeo, "member"), be(juliet, "member")) == "conflict"
    assert condition(romeo, be(juliet, "admin")) == ""
    assert condition(romeo, be(romeo, "admin")) == "conflict"


def test_who_is_put_off_the_list_of_a_members_room_leaves_it(romeo: Client, juliet: Client, mercutio: Client) -> None:
    room = opened(romeo, "Romeo", membersonly=True)
    room.set_affiliations({each.account: Affiliation("member") for each in (juliet, mercutio)})
    enter(juliet, "Juliet")
    enter(mercutio, "Mercutio")
    hear(romeo, juliet, mercutio)
    assert admin(romeo, be(juliet, "none")) == [DONE, "Juliet out none/none juliet@localhost/balcony 321"]
    assert hear(juliet, mercutio) == [
        ["Juliet out none/none juliet@localhost/balcony 321 110"],
        ["Juliet out none/none 321"],
    ]
    assert told(enter(juliet, "Juliet")) == ["Juliet error registration-required auth"]


def test_who_is_away_is_told_what_it_has_become(verona: Room, romeo: Client, juliet: Client) -> None:
    leave(juliet, "Juliet")
    juliet.sends("<presence/>")
    hear(romeo, juliet)
    admin(romeo, be(juliet, "member", "<reason>A worthy witch</reason>"))
    assert juliet.received() == [
        f'<message from="{ROOM}" to="juliet@localhost"><x xmlns="{MUC}#user">'
        '<item affiliation="member" jid="juliet@localhost" role="none"><reason>A worthy witch</reason></item>'
        '<status code="101"></status></x></message>'
    ]


def test_who_is_banned_from_a_room_of_members_while_away_is_not_invited(romeo: Client, juliet: Client) -> None:
    opened(romeo, "Romeo", membersonly=True)
    juliet.sends("<presence/>")
    juliet.received()
    admin(romeo, be(juliet, "outcast", WHY))
    [notice] = juliet.received()
    assert "<invite" not in notice
    assert '<item affiliation="outcast"' in notice and '<status code="101">' in notice


def test_who_is_made_a_member_of_a_members_room_is_invited(romeo: Client, juliet: Client) -> None:
    opened(romeo, "Romeo", membersonly=True, passwordprotectedroom=True, roomsecret="cauldronburn")
    juliet.sends("<presence/>")
    hear(romeo, juliet)
    admin(romeo, be(juliet, "member"))
    [invitation] = juliet.received()
    assert f'from="{ROOM}"' in invitation and 'to="juliet@localhost"' in invitation
    assert (
        f'<x xmlns="{MUC}#user"><invite from="romeo@localhost"></invite><password>cauldronburn</password></x>'
        in invitation
    )
    admin(romeo, be(juliet, "admin"))
    assert 'code="101"' in juliet.received()[0]  # it was one before


def test_who_is_made_a_member_while_offline_is_invited_when_it_is_back(romeo: Client, juliet: Client) -> None:
    opened(romeo, "Romeo", membersonly=True)
    juliet.session.end()
    admin(romeo, be(juliet, "member"))
    again = Client(juliet.server, "juliet@localhost/balcony")
    assert '<invite from="romeo@localhost">' in "".join(again.sends("<presence/>"))


def test_who_has_blocked_the_actor_is_told_nothing(verona: Room, romeo: Client, juliet: Client) -> None:
    leave(juliet, "Juliet")
    juliet.sends("<presence/>")
    juliet.sends("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block></iq>")
    juliet.received()
    admin(romeo, be(juliet, "member"))
    assert juliet.received() == []
    assert verona.affiliation(juliet.account) == "member"


def test_one_request_is_news_for_so_many_who_are_away(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affiliating, "MOST_TOLD", 1)
    for client, nick in ((juliet, "Juliet"), (mercutio, "Mercutio")):
        leave(client, nick)
        client.sends("<presence/>")
    romeo.received()
    admin(romeo, be(juliet, "member"), be(mercutio, "member"))
    assert [len(each.received()) for each in (juliet, mercutio)] == [1, 0]


# -- several at once


def test_several_items_are_done_with_one_result(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    items = [be(juliet, "admin"), be(mercutio, "outcast"), be("paris@localhost", "member")]
    assert admin(romeo, *items) == [
        DONE,
        "Mercutio out outcast/none mercutio@localhost/street 301",
        "Juliet in admin/moderator juliet@localhost/balcony",
    ]
    assert [verona.affiliation(JID.of(name, "localhost")) for name in ("juliet", "mercutio", "paris")] == [
        "admin", "outcast", "member",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ("<item jid='romeo@localhost' affiliation='outcast'/>", "conflict"),
        ("<item nick='Tybalt' role='none'/>", "item-not-found"),
        ("<item nick='Romeo' role='visitor'/>", "not-allowed"),
        ("<item jid='@localhost' affiliation='member'/>", "jid-malformed"),
        ("<item jid='paris@localhost' affiliation='prince'/>", "bad-request"),
        ("<item jid='paris@localhost' affiliation='member' role='visitor'/>", "bad-request"),
        ("<item jid='paris@localhost'/>", "bad-request"),
        ("<item affiliation='member'/>", "bad-request"),
        ("<item jid='paris@localhost' affiliation='member' nick='Juliet'/>", "conflict"),
        (f"<item nick='Juliet' role='none'><reason>{'o' * 1_001}</reason></item>", "not-acceptable"),
    ],
)
def test_nothing_is_done_where_one_item_is_refused(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client, wrong: str, refusal: str
) -> None:
    before = dict(verona.affiliations)
    for items in ([be(juliet, "admin"), give("Mercutio", "none"), wrong], [wrong, be(juliet, "admin")]):
        assert condition(romeo, *items) == refusal
    assert verona.affiliations == before
    assert {each.role for each in verona.occupants.values()} == {"moderator", "participant"}
    assert hear(juliet, mercutio) == [[], []]


def test_a_request_has_an_item(verona: Room, romeo: Client) -> None:
    for type in ("get", "set"):
        assert condition(romeo, type=type) == "bad-request"
    assert condition(romeo, "<item affiliation='owner'/>", "<item affiliation='admin'/>", type="get") == "bad-request"
    assert condition(romeo, "<item role='none'/>", type="get") == "bad-request"


def test_a_request_has_so_many_items(verona: Room, romeo: Client) -> None:
    before = dict(verona.affiliations)
    items = [f"<item affiliation='member' jid='member{number}@localhost'/>" for number in range(MOST_CHANGED + 1)]
    assert condition(romeo, *items) == "policy-violation"
    assert verona.affiliations == before
    admin(romeo, *items[1:])
    assert len(verona.affiliations) == len(before) + MOST_CHANGED


def test_a_ban_and_a_kick_of_the_same_person_are_one_end(verona: Room, romeo: Client, mercutio: Client) -> None:
    admin(romeo, be(mercutio, "outcast"), give("Mercutio", "none"), give("Mercutio", "none"))
    assert len(mercutio.received()) == 1
    assert verona.affiliation(mercutio.account) == "outcast"


def test_no_room(romeo: Client) -> None:
    for type in ("get", "set"):
        assert condition(romeo, "<item affiliation='owner'/>", type=type) == "item-not-found"


# -- nicks


def test_a_nick_is_reserved_and_given_back(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    admin(romeo, be(juliet, "member", nick="Rose"))
    hear(mercutio)
    assert told(enter(mercutio, "Rose")) == ["Rose error conflict cancel"]
    assert condition(romeo, be(mercutio, "member", nick="Rose")) == "conflict"
    both = (be(juliet, "member", nick="Lark"), be(mercutio, "member", nick="Lark"))
    assert condition(romeo, *both) == "conflict"
    admin(romeo, be(juliet, "admin"))
    assert verona.reserved_by("Rose") == juliet.account  # nothing was said of it
    admin(romeo, be(juliet, "member", nick=""))
    assert verona.reserved_by("Rose") is None
    admin(romeo, be(juliet, "member", nick="Rose"), be(mercutio, "member"))
    admin(romeo, be(juliet, "none"))
    assert verona.reserved_by("Rose") is None


# -- lists


def test_roles_are_listed_with_who_has_them(verona: Room, romeo: Client) -> None:
    assert listed(romeo, "role='participant'") == (
        '<query><item affiliation="none" jid="juliet@localhost/balcony" nick="Juliet" role="participant"></item>'
        '<item affiliation="none" jid="mercutio@localhost/street" nick="Mercutio" role="participant"></item></query>'
    )
    assert listed(romeo, "role='visitor'") == "<query></query>"


def test_members_of_a_group_see_who_belongs_to_it_there_or_not(romeo: Client, juliet: Client, mercutio: Client) -> None:
    room = opened(romeo, "Romeo", membersonly=True, whois="anyone")
    room.set_affiliations({juliet.account: Affiliation("member")})
    assert listed(juliet, "affiliation='member'") == (
        '<query><item affiliation="member" jid="juliet@localhost"></item></query>'
    )
    assert 'jid="romeo@localhost"' in listed(juliet, "affiliation='owner'")
    assert listed(juliet, "affiliation='admin'") == "<query></query>"
    assert listed(juliet, "affiliation='outcast'") == "forbidden"
    assert listed(mercutio, "affiliation='member'") == "forbidden"


def test_nobody_sees_members_where_addresses_are_hidden(verona: Room, romeo: Client, juliet: Client) -> None:
    admin(romeo, be(juliet, "member"))
    for affiliation in ("owner", "admin", "member", "outcast"):
        assert listed(juliet, f"affiliation='{affiliation}'") == "forbidden"


# -- limits, and what lasts


def test_a_room_knows_so_many_people_and_no_more(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"max_affiliations": 10}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        room = opened(romeo, "Romeo")
        people = [be(f"guest{number}@localhost", "member") for number in range(10)]
        assert condition(romeo, *people) == "resource-constraint"
        assert condition(romeo, *people[1:]) == ""
        assert condition(romeo, people[0]) == "resource-constraint"
        assert condition(romeo, be("guest1@localhost", "outcast")) == ""  # known already
        assert condition(romeo, be("guest1@localhost", "none")) == ""
        assert condition(romeo, people[0]) == ""
        assert len(room.affiliations) == 10


def test_affiliations_are_there_when_nobody_was(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    admin(romeo, be(juliet, "admin"), be(mercutio, "outcast", WHY))
    leave(juliet, "Juliet")
    leave(romeo, "Romeo")
    again = room_at(romeo.server)
    assert again is not verona
    assert again.affiliations == verona.affiliations
    assert condition(juliet, be(mercutio, "member")) == ""  # by right of the account: she is not in the room
