"""Groups of people who get each other as contacts: who joins, who leaves, and what they have then."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import groups as records
from db import rosters
from db.groups import Group
from handlers import groups as connecting
from handlers.groups import groups
from handlers.login import accounts
from handlers.rooms import rooms_here
from tests.harness.in_process import Client, add_accounts, crash, online, server_in
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO, JULIET, NURSE = (JID.parse(f"{name}@localhost") for name in ("romeo", "juliet", "nurse"))
ROSTER = "<query xmlns='jabber:iq:roster'/>"
BOOKMARKS = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet", "nurse")
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    client = online(server, "romeo@localhost/orchard")
    client.asks(ROSTER)
    return client


def family_of(server: Server, *members: JID, name: str = "Family", with_room: bool = False) -> Group:
    group = groups.create(server, "localhost", name, with_room=with_room)
    for member in members:
        groups.add(server, group, member)
    return group


def has(server: Server, account: JID, contact: JID) -> tuple[str, tuple[str, ...]] | None:
    item = rosters.item(server.db, account, contact)
    return (item.subscription, item.groups) if item else None


def test_all_in_a_group_have_all_others_as_contacts(server: Server) -> None:
    family_of(server, ROMEO, JULIET, NURSE)
    people = (ROMEO, JULIET, NURSE)
    for account in people:
        for contact in people:
            expected = None if account == contact else ("both", ("Family",))
            assert has(server, account, contact) == expected
    assert records.unconnected(server.db) == []


def test_those_who_are_online_are_pushed_each_other_and_see_each_other(server: Server, romeo: Client) -> None:
    juliet = online(server, "juliet@localhost/balcony")
    juliet.asks(ROSTER)
    family = family_of(server, ROMEO)
    romeo.received()
    groups.add(server, family, JULIET)
    for client, contact in ((romeo, "juliet@localhost"), (juliet, "romeo@localhost")):
        received = client.received()
        [push] = [each for each in received if each.startswith("<iq")]
        assert f'jid="{contact}" subscription="both"' in push
        assert "<group>Family</group>" in push
        assert [each for each in received if each.startswith("<presence") and f'from="{contact}/' in each]


def test_who_leaves_is_no_contact_of_the_others_any_more(server: Server, romeo: Client) -> None:
    family = family_of(server, ROMEO, JULIET, NURSE)
    romeo.received()
    groups.remove(server, family, JULIET)
    assert has(server, ROMEO, JULIET) is has(server, JULIET, ROMEO) is has(server, NURSE, JULIET) is None
    assert has(server, ROMEO, NURSE) == ("both", ("Family",))
    assert any('jid="juliet@localhost" subscription="remove"' in each for each in romeo.received())


def test_who_was_a_contact_before_stays_where_he_is_and_stays_a_contact(server: Server) -> None:
    rosters.put(server.db, ROMEO, rosters.Item(JULIET, name="My love", groups=("Friends",), subscription="to"))
    family = family_of(server, ROMEO, JULIET)
    assert has(server, ROMEO, JULIET) == ("both", ("Friends",))
    groups.remove(server, family, JULIET)
    assert has(server, ROMEO, JULIET) is not None


def test_who_are_together_in_two_groups_are_contacts_until_they_are_in_none(server: Server) -> None:
    family = family_of(server, ROMEO, JULIET)
    choir = family_of(server, ROMEO, JULIET, name="Choir")
    assert has(server, ROMEO, JULIET) == ("both", ("Family", "Choir"))
    groups.remove(server, family, JULIET)
    assert has(server, ROMEO, JULIET) == ("both", ("Choir",))
    groups.remove(server, choir, JULIET)
    assert has(server, ROMEO, JULIET) is None


def test_who_has_blocked_somebody_does_not_get_him_as_a_contact(server: Server, romeo: Client) -> None:
    romeo.asks("<block xmlns='urn:xmpp:blocking'><item jid='juliet@localhost'/></block>", type="set")
    family_of(server, ROMEO, JULIET, NURSE)
    assert has(server, ROMEO, JULIET) is has(server, JULIET, ROMEO) is None
    assert has(server, JULIET, NURSE) == ("both", ("Family",))


def test_what_was_left_when_the_server_ended_is_done_at_the_next_start(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        family = family_of(server, ROMEO)
        records.add(server.db, family.id, JULIET)
        crash(server)
    with server_in(tmp_path) as server:
        assert has(server, ROMEO, JULIET) is None
        connecting.go_on(server)
        assert has(server, ROMEO, JULIET) == has(server, JULIET, ROMEO) == ("both", ("Family",))
        assert records.unconnected(server.db) == []


def test_a_group_has_so_many_members(tmp_path: Path) -> None:
    with server_in(tmp_path, groups={"max_members": 2}) as server:
        add_accounts(server, "romeo", "juliet", "nurse")
        family = family_of(server, ROMEO, JULIET)
        with pytest.raises(StanzaError, match="resource-constraint"):
            groups.add(server, family, NURSE)
        assert has(server, NURSE, ROMEO) is None


def test_only_accounts_of_the_domain_are_members_and_each_once(server: Server) -> None:
    family = family_of(server, ROMEO)
    for address, condition in (
        ("nobody@localhost", "item-not-found"),
        ("romeo@example.org", "item-not-found"),
        ("romeo@localhost", "conflict"),
    ):
        with pytest.raises(StanzaError, match=condition):
            groups.add(server, family, JID.parse(address))
    with pytest.raises(StanzaError, match="item-not-found"):
        groups.remove(server, family, JULIET)


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines"])
def test_what_cannot_stand_in_a_roster_is_no_name(server: Server, name: str) -> None:
    with pytest.raises(StanzaError, match="not-acceptable"):
        groups.create(server, "localhost", name)


def test_there_is_one_group_of_a_name_and_so_many_groups(tmp_path: Path) -> None:
    with server_in(tmp_path, groups={"max_groups": 1}) as server:
        groups.create(server, "localhost", "Family")
        with pytest.raises(StanzaError, match="resource-constraint"):
            groups.create(server, "localhost", "Choir")
    with server_in(tmp_path) as server, pytest.raises(StanzaError, match="conflict"):
        groups.create(server, "localhost", "Family")


def test_an_account_that_is_removed_is_in_no_group(server: Server) -> None:
    family = family_of(server, ROMEO, JULIET)
    accounts.remove(server, ROMEO)
    assert records.members(server.db, family.id) == [JULIET]


def test_where_a_group_ends_its_people_stay_contacts(server: Server) -> None:
    family = family_of(server, ROMEO, JULIET)
    groups.delete(server, family)
    assert records.get(server.db, family.id) is None
    assert has(server, ROMEO, JULIET) == ("both", ("Family",))


# -- its room


def test_the_room_of_a_group_is_for_its_members_who_have_it_among_their_bookmarks(
    server: Server, romeo: Client
) -> None:
    family = family_of(server, ROMEO, with_room=True)
    room = rooms_here.find(server, JID.parse(family.room))
    assert room is not None
    assert (room.configuration.membersonly, room.configuration.publicroom) == (True, False)
    assert (room.affiliation(ROMEO), room.affiliation(JULIET)) == ("member", "none")
    bookmarks = romeo.asks(BOOKMARKS)
    assert f'id="{family.room}"' in bookmarks
    assert 'autojoin="true"' in bookmarks
    assert 'name="Family"' in bookmarks
    romeo.received()
    entered = romeo.sends(f"<presence to='{family.room}/Romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    assert any('code="110"' in each for each in entered)
    juliet = online(server, "juliet@localhost/balcony")
    refused = juliet.sends(f"<presence to='{family.room}/J'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    assert any("registration-required" in each for each in refused)


def test_people_see_only_each_other_in_the_lists_of_the_room(server: Server, romeo: Client) -> None:
    family = family_of(server, ROMEO, JULIET, with_room=True)
    romeo.sends(f"<presence to='{family.room}/Romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    found = []
    for affiliation in ("owner", "admin", "member"):
        query = f"<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='{affiliation}'/></query>"
        found += re.findall(r'jid="([^"]+)"', romeo.asks(query, to=family.room).partition("<query")[2])
    assert found == ["juliet@localhost", "romeo@localhost"]
    info = romeo.asks("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=family.room)
    assert f"<value>{family.room}</value>" not in info


def test_who_finds_the_room_among_the_bookmarks_is_not_invited_as_well(server: Server, romeo: Client) -> None:
    family_of(server, ROMEO, with_room=True)
    assert [each for each in romeo.received() if each.startswith("<message") and "<invite" in each] == []


def test_where_there_are_no_bookmarks_people_are_invited_into_the_room(tmp_path: Path) -> None:
    with server_in(tmp_path, bookmarks={"enabled": False}) as server:
        add_accounts(server, "romeo")
        romeo = online(server, "romeo@localhost/orchard")
        family = family_of(server, ROMEO, with_room=True)
        [invitation] = [each for each in romeo.received() if "<invite" in each]
        assert f'from="{family.room}"' in invitation


def test_whoever_may_not_enter_the_room_any_more_has_no_bookmark_of_it(server: Server, romeo: Client) -> None:
    family = family_of(server, ROMEO, JULIET, with_room=True)
    assert family.room in romeo.asks(BOOKMARKS)
    groups.remove(server, family, ROMEO)
    assert family.room not in romeo.asks(BOOKMARKS)
    juliet = online(server, "juliet@localhost/balcony")
    assert family.room in juliet.asks(BOOKMARKS)
    groups.delete(server, family)
    connecting.wait(server, family.id)
    assert family.room not in juliet.asks(BOOKMARKS)


def test_who_leaves_the_group_is_out_of_its_room(server: Server, romeo: Client) -> None:
    family = family_of(server, ROMEO, with_room=True)
    romeo.sends(f"<presence to='{family.room}/Romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    groups.remove(server, family, ROMEO)
    assert any('code="321"' in each for each in romeo.received())
    room = rooms_here.find(server, JID.parse(family.room))
    assert room is not None
    assert room.affiliation(ROMEO) == "none"


def test_the_room_ends_with_the_group(server: Server) -> None:
    family = family_of(server, ROMEO, with_room=True)
    groups.delete(server, family)
    assert rooms_here.find(server, JID.parse(family.room)) is None


def test_where_there_are_no_rooms_a_group_has_none(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"enabled": False}) as server:
        add_accounts(server, "romeo")
        with pytest.raises(StanzaError, match="not-allowed"):
            groups.create(server, "localhost", "Family", with_room=True)
        assert family_of(server, ROMEO).room == ""
