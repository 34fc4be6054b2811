"""Contacts on another server: they see who goes, whatever the end is, and hear of what is published."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from db import rosters
from db.rosters import Item
from handlers.login import accounts
from tests.harness.federated import Servers, settle, somebody, two_servers
from tests.harness.in_process import Client
from tests.harness.nodes import INFO, events, publish
from tests.harness.pushing import break_off, expire
from tests.harness.rooms import MUC, room_at
from tests.harness.streams import PATIENCE, Stream
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.routing import portions

TUNE = "urn:example:tune"
BLOCK = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{}'/></block></iq>"
UNBLOCK = "<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>"
ROOM = "verona@rooms.b.example"
ACCEPT = (
    f"<iq type='set' id='c' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
    "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
)
CAPS = "<presence><c xmlns='http://jabber.org/protocol/caps' node='urn:example:client' ver='1'/></presence>"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with two_servers(tmp_path) as both:
        yield both


@pytest.fixture
def juliet(servers: Servers) -> Client:
    return somebody(servers[0], "juliet@a.example/x")


@pytest.fixture
def romeo(servers: Servers) -> Client:
    return somebody(servers[1], "romeo@b.example/y")


def does(servers: Servers, client: Client, *stanzas: str) -> None:
    """Send these, each once all that came of the one before has arrived."""
    for stanza in stanzas:
        client.sends(stanza)
        settle(servers)


def befriend(servers: Servers, one: Client, other: Client) -> None:
    """They see each other's presence."""
    for asking, asked in ((one, other), (other, one)):
        does(servers, asking, f"<presence type='subscribe' to='{asked.account}'/>")
        does(servers, asked, f"<presence type='subscribed' to='{asking.account}'/>")
    for client in (one, other):
        client.received()


def enters(servers: Servers, client: Client) -> None:
    """Enter ROOM, under one's name."""
    does(servers, client, f"<presence to='{ROOM}/{client.account.local}'><x xmlns='{MUC}'/></presence>")


def presences(client: Client) -> list[tuple[str, str]]:
    """Who has come, and of which type it was, since the last time."""
    elements = [parse(each.encode()) for each in client.received() if each.startswith("<presence")]
    return [(each.get("from") or "", each.get("type") or "available") for each in elements]


def wants(servers: Servers, client: Client, node: str) -> None:
    """Show presence with capabilities, and say what they are to all who ask."""
    does(servers, client, CAPS)
    says_what_it_wants(servers, client, node)


def says_what_it_wants(servers: Servers, client: Client, node: str) -> None:
    """Answer who has asked for the capabilities; all else that came is in the inbox again."""
    for text in client.received():
        question = parse(text.encode())
        if question.get("type") != "get":
            client.write(text.encode())
            continue
        does(
            servers,
            client,
            f"<iq type='result' id='{question.get('id')}' to='{question.get('from')}'>"
            f"<query xmlns='{INFO}' node='{question[0].get('node')}'>"
            f"<identity category='client' type='pc'/><feature var='{node}+notify'/></query></iq>",
        )


def logs_out(client: Client) -> None:
    client.session.close()


def is_cut_off(client: Client) -> None:
    client.session.connection_lost()


def is_not_resumed(client: Client) -> None:
    break_off(client, seconds=0)
    expire(client)


def is_removed(client: Client) -> None:
    accounts.remove(client.server, client.account)


def gets_another_password(client: Client) -> None:
    accounts.change_password(client.server, client.account, "another")


def blocks(client: Client) -> None:
    client.sends(BLOCK.format("romeo@b.example"))


def blocks_the_room(client: Client) -> None:
    client.sends(BLOCK.format(ROOM))


def blocks_the_domain(client: Client) -> None:
    client.sends(BLOCK.format("b.example"))


ENDS = [logs_out, is_cut_off, is_not_resumed, is_removed, gets_another_password]
BLOCKINGS = [blocks, blocks_the_domain]


# -- the end


@pytest.mark.parametrize("ends", ENDS + BLOCKINGS)
def test_who_was_shown_presence_without_a_subscription_sees_its_end(
    servers: Servers, juliet: Client, romeo: Client, ends: Callable[[Client], None]
) -> None:
    does(servers, juliet, "<presence to='romeo@b.example/y'/>")
    assert presences(romeo) == [("juliet@a.example/x", "available")]
    ends(juliet)
    settle(servers)
    assert presences(romeo) == [("juliet@a.example/x", "unavailable")]


@pytest.mark.parametrize("ends", ENDS + BLOCKINGS)
def test_a_contact_sees_the_end(
    servers: Servers, juliet: Client, romeo: Client, ends: Callable[[Client], None]
) -> None:
    befriend(servers, juliet, romeo)
    ends(juliet)
    settle(servers)
    assert presences(romeo)[:1] == [("juliet@a.example/x", "unavailable")]


@pytest.mark.parametrize("ends", [*ENDS, blocks_the_room])
def test_a_room_on_another_server_sees_the_end(
    servers: Servers, juliet: Client, romeo: Client, ends: Callable[[Client], None]
) -> None:
    enters(servers, romeo)
    does(servers, romeo, ACCEPT)
    enters(servers, juliet)
    room = room_at(servers[1], ROOM)
    assert sorted(room.occupants) == ["juliet", "romeo"]
    romeo.received()
    ends(juliet)
    settle(servers)
    assert presences(romeo) == [(f"{ROOM}/juliet", "unavailable")]
    assert sorted(room.occupants) == ["romeo"]


def test_who_is_removed_is_in_nobodys_roster_any_more(servers: Servers, juliet: Client, romeo: Client) -> None:
    befriend(servers, juliet, romeo)
    accounts.remove(servers[0], juliet.account)
    settle(servers)
    item = rosters.item(servers[1].db, romeo.account, juliet.account)
    assert item is not None and item.subscription == "none"


def test_when_the_server_stops_contacts_elsewhere_see_it(tmp_path: Path) -> None:
    with two_servers(tmp_path) as servers:
        romeo = somebody(servers[1], "romeo@b.example/y")
        befriend(servers, somebody(servers[0], "juliet@a.example/x"), romeo)
        romeo.received()
        with Stream(servers[0]) as juliet:
            juliet.logs_in()
            juliet.binds("phone")
            juliet.asks("<presence/>")
            settle(servers)
            assert presences(romeo) == [("juliet@a.example/phone", "available")]
            servers[0].stop()
            waits_for([romeo], ("juliet@a.example/phone", "unavailable"))


def test_so_do_all_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_servers(tmp_path) as servers:
        juliet, seen_by = JID.parse("juliet@a.example"), [somebody(servers[1], f"{name}@b.example/y") for name in "amz"]
        accounts.create(servers[0], juliet, "secret")
        for contact in [*(each.account for each in seen_by), *(JID.parse(f"n{each}@b.example") for each in range(200))]:
            rosters.put(servers[0].db, juliet, Item(contact, subscription="both"))
        for each in seen_by:
            rosters.put(servers[1].db, each.account, Item(juliet, subscription="both"))
        with Stream(servers[0]) as stream:
            stream.logs_in()
            stream.binds("phone")
            stream.send("<presence/>")
            waits_for(seen_by, ("juliet@a.example/phone", "available"))
            monkeypatch.setattr(portions, "STEPS", 1)
            servers[0].stop()
            waits_for(seen_by, ("juliet@a.example/phone", "unavailable"))


def waits_for(people: list[Client], presence: tuple[str, str]) -> None:
    """Each of them is sent this."""
    with gevent.Timeout(PATIENCE):
        for client in people:
            while presence not in presences(client):
                gevent.sleep(0.002)


# -- blocking


def test_who_is_blocked_sees_nothing_and_the_answers_are_those_of_nobody(
    servers: Servers, juliet: Client, romeo: Client
) -> None:
    befriend(servers, juliet, romeo)
    blocks(juliet)
    settle(servers)
    romeo.received()
    does(servers, juliet, "<presence><show>away</show></presence>")
    does(servers, romeo, "<presence type='probe' to='juliet@a.example'/>", "<presence to='juliet@a.example/x'/>")
    assert romeo.received() == []
    does(servers, romeo, "<message to='juliet@a.example/x' type='chat' id='m'><body>hi</body></message>")
    [answer] = romeo.received()
    assert "service-unavailable" in answer
    does(servers, romeo, "<iq to='juliet@a.example/x' type='get' id='i'><ping xmlns='urn:xmpp:ping'/></iq>")
    [answer] = romeo.received()
    assert "service-unavailable" in answer
    assert not [each for each in juliet.received() if "romeo" in each and "block" not in each]


def test_who_is_unblocked_sees_and_is_seen_again(servers: Servers, juliet: Client, romeo: Client) -> None:
    befriend(servers, juliet, romeo)
    blocks(juliet)
    settle(servers)
    does(servers, romeo, "<presence><show>dnd</show></presence>")
    for client in (juliet, romeo):
        client.received()
    does(servers, juliet, UNBLOCK)
    assert presences(romeo) == [("juliet@a.example/x", "available")]
    assert ("romeo@b.example/y", "available") in presences(juliet)


# -- what is published


def test_a_contact_that_wants_to_hear_of_a_node_is_told_what_is_published(
    servers: Servers, juliet: Client, romeo: Client
) -> None:
    befriend(servers, juliet, romeo)
    wants(servers, romeo, TUNE)
    does(servers, juliet, f"<iq type='set' id='q'>{publish(TUNE, '1')}</iq>")
    assert events(romeo.received()) == [f"juliet@a.example: items {TUNE} item 1"]


def test_who_comes_gets_what_was_published_last(servers: Servers, juliet: Client, romeo: Client) -> None:
    befriend(servers, juliet, romeo)
    does(servers, juliet, f"<iq type='set' id='q'>{publish(TUNE, '1')}</iq>")
    wants(servers, romeo, TUNE)
    assert events(romeo.received()) == [f"juliet@a.example: items {TUNE} item 1"]


def test_who_may_see_presence_later_gets_what_was_published_last_then(
    servers: Servers, juliet: Client, romeo: Client
) -> None:
    does(servers, juliet, f"<iq type='set' id='q'>{publish(TUNE, '1')}</iq>")
    wants(servers, romeo, TUNE)
    does(servers, juliet, "<presence type='subscribe' to='romeo@b.example'/>")
    does(servers, romeo, "<presence type='subscribed' to='juliet@a.example'/>")
    does(servers, romeo, "<presence type='subscribe' to='juliet@a.example'/>")
    juliet.received()
    does(servers, juliet, "<presence type='subscribed' to='romeo@b.example'/>")
    says_what_it_wants(servers, romeo, TUNE)
    assert events(romeo.received()) == [f"juliet@a.example: items {TUNE} item 1"]


def test_who_may_not_see_presence_any_more_hears_no_more(servers: Servers, juliet: Client, romeo: Client) -> None:
    befriend(servers, juliet, romeo)
    wants(servers, romeo, TUNE)
    does(servers, juliet, "<presence type='unsubscribed' to='romeo@b.example'/>")
    does(servers, juliet, f"<iq type='set' id='q'>{publish(TUNE, '1')}</iq>")
    assert events(romeo.received()) == []


def test_who_is_gone_is_told_nothing(servers: Servers, juliet: Client, romeo: Client) -> None:
    befriend(servers, juliet, romeo)
    wants(servers, romeo, TUNE)
    does(servers, romeo, "<presence type='unavailable'/>")
    does(servers, juliet, f"<iq type='set' id='q'>{publish(TUNE, '1')}</iq>")
    assert events(romeo.received()) == []
