"""Presence of somebody with many contacts: it is shown in portions, to whom it is still to be shown, and in order."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from db import blocklists
from db.sqlite.database import Database
from handlers.login import accounts
from tests.harness.contacts import CONTACTS, contacts_at_home, server_with_contacts_of
from tests.harness.failures import act_and_lose, fail_to_commit, fail_to_sync
from tests.harness.in_process import Client, add_accounts, online
from tests.harness.managed_client import ManagedClient
from xmpp.data.jid import JID
from xmpp.routing import portions
from xmpp.running.handling import Handled
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")

pytestmark = pytest.mark.usefixtures("small_portions")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_contacts_of(JULIET, tmp_path) as server:
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return online(server, f"{JULIET}/balcony")


@pytest.fixture
def contacts(server: Server, juliet: Client) -> list[Client]:
    found = contacts_at_home(server)
    juliet.received()
    return found


def says(client: Client, text: str) -> "gevent.Greenlet[..., list[str]]":
    """Have a client send something, until others have their turn."""
    sending = gevent.spawn(client.sends, text)
    gevent.sleep(0)
    return sending


def seen(client: Client) -> list[str]:
    """What it was shown, in short."""
    return [_short(stanza) for stanza in client.received() if stanza.startswith("<presence") and JULIET in stanza]


def _short(stanza: str) -> str:
    if ' type="' in stanza:
        return stanza.partition(' type="')[2].partition('"')[0]
    return stanza.partition("<show>")[2].partition("</show>")[0] or "available"


AWAY = "<presence><show>away</show></presence>"


def test_presence_is_shown_to_many_in_portions(juliet: Client, contacts: list[Client]) -> None:
    sending = says(juliet, AWAY)
    assert [len(seen(client)) for client in contacts] == [1, 1, 1, *[0] * 9]
    sending.join()
    assert [seen(client) for client in contacts] == [[]] * 3 + [["away"]] * 9


def test_all_are_shown_in_the_end_what_was_sent_last(server: Server, juliet: Client, contacts: list[Client]) -> None:
    sending = says(juliet, AWAY)
    juliet.session.end()
    assert seen(contacts[-1]) == []
    sending.join()
    server.portions.wait(JULIET)
    assert [seen(client) for client in contacts] == [["away", "unavailable"]] * 3 + [["unavailable"]] * 9


def test_who_comes_after_it_has_left_is_not_shown_what_it_was_before(
    server: Server, juliet: Client, contacts: list[Client]
) -> None:
    sending = says(juliet, AWAY)
    juliet.session.close()
    newcomer = Client(server, f"{CONTACTS[-1]}/new")
    assert not any(JULIET in stanza for stanza in newcomer.sends("<presence/>"))
    sending.join()
    server.portions.wait(JULIET)
    assert seen(newcomer) == []
    assert seen(contacts[-1]) == ["unavailable"]


def test_who_subscribes_again_after_it_has_left_is_not_shown_what_it_was_before(
    server: Server, juliet: Client, contacts: list[Client]
) -> None:
    second = Client(server, f"{JULIET}/chamber")
    sending = says(juliet, AWAY)
    second.sends(f"<presence type='unsubscribed' to='{CONTACTS[-1]}'/>")
    juliet.session.close()
    contacts[-1].sends(f"<presence type='subscribe' to='{JULIET}'/>")
    second.sends(f"<presence type='subscribed' to='{CONTACTS[-1]}'/>")
    sending.join()
    server.portions.wait(JULIET)
    assert "away" not in seen(contacts[-1])


def test_nobody_waits_for_the_disk_to_learn_that_somebody_has_left(server: Server, juliet: Client) -> None:
    contact = ManagedClient(server, f"{CONTACTS[0]}/home")
    contact.sends("<presence/>")
    contact.waited_for.clear()
    with Handled() as handled:
        juliet.session.end()
    assert handled.ticket is not None  # when it was there last has been stored
    assert (seen(contact), contact.waited_for) == (["unavailable"], [None])


@pytest.mark.parametrize("fail", [fail_to_sync, fail_to_commit])
def test_all_are_told_that_somebody_has_left_also_if_the_disk_fails(
    server: Server, juliet: Client, contacts: list[Client], fail: Callable[[Database], None]
) -> None:
    act_and_lose(server, fail, JULIET, juliet.session.end)
    assert [seen(client) for client in contacts] == [["unavailable"]] * 12


@pytest.mark.parametrize("fail, told", [(fail_to_sync, 12), (fail_to_commit, 0)])
def test_if_the_disk_fails_it_leaves_for_all_or_none_of_those_who_are_blocked(
    server: Server, juliet: Client, contacts: list[Client], fail: Callable[[Database], None], told: int
) -> None:
    juliet.sends("<presence to='nurse@localhost'/>")
    everybody = "".join(f"<item jid='{jid}'/>" for jid in (*CONTACTS, "nurse@localhost"))
    block = f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{everybody}</block></iq>"
    act_and_lose(server, fail, JULIET, lambda: juliet.sends(block))
    assert len(blocklists.patterns(server.db, JULIET)) == (13 if told else 0)
    assert [seen(client) for client in contacts].count(["unavailable"]) == told
    assert bool(juliet.session.directed) == (not told)  # who is not blocked is told in the end


def test_who_is_not_to_see_it_any_more_when_it_is_its_turn_does_not(
    server: Server, juliet: Client, contacts: list[Client]
) -> None:
    second = Client(server, f"{JULIET}/chamber")
    sending = says(juliet, AWAY)
    second.sends(f"<presence type='unsubscribed' to='{CONTACTS[-1]}'/>")
    second.asks(f"<block xmlns='urn:xmpp:blocking'><item jid='{CONTACTS[-2]}'/></block>", type="set")
    sending.join()
    assert seen(contacts[-1]) == ["unavailable"]
    assert seen(contacts[-2]) == ["unavailable"]
    assert seen(contacts[-3]) == ["away"]


def test_many_who_are_blocked_see_it_leave_in_portions(juliet: Client, contacts: list[Client]) -> None:
    everybody = "".join(f"<item jid='{contact}'/>" for contact in CONTACTS)
    blocking = says(juliet, f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{everybody}</block></iq>")
    assert [len(seen(client)) for client in contacts].count(1) == portions.STEPS
    blocking.join()
    assert sum(len(seen(client)) for client in contacts) == 12 - portions.STEPS


def test_who_is_blocked_and_unblocked_meanwhile_sees_it_in_the_end(
    server: Server, juliet: Client, contacts: list[Client]
) -> None:
    everybody = "".join(f"<item jid='{contact}'/>" for contact in CONTACTS)
    second = Client(server, f"{JULIET}/chamber")
    blocking = says(juliet, f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{everybody}</block></iq>")
    second.asks("<unblock xmlns='urn:xmpp:blocking'/>", type="set")
    blocking.join()
    assert [seen(client) for client in contacts] == [["unavailable", "available"]] * 12


BLOCK = f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{CONTACTS[-1]}'/></block></iq>"
ENDS = {
    "it is blocked": BLOCK,
    "its subscription is taken back": f"<presence type='unsubscribed' to='{CONTACTS[-1]}'/>",
    "it is removed from the roster": "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
    f"<item jid='{CONTACTS[-1]}' subscription='remove'/></query></iq>",
}


@pytest.mark.parametrize("what", ENDS)
def test_who_is_not_to_see_anything_any_more_is_told_of_who_has_left_before(
    server: Server, juliet: Client, contacts: list[Client], what: str
) -> None:
    second = Client(server, f"{JULIET}/chamber")
    juliet.session.end()
    assert seen(contacts[-1]) == []
    second.sends(ENDS[what])
    server.portions.wait(JULIET)
    assert "unavailable" in seen(contacts[-1])


def test_who_unsubscribes_meanwhile_is_told_of_who_has_left_before(
    server: Server, juliet: Client, contacts: list[Client]
) -> None:
    juliet.session.end()
    received = contacts[-1].sends(f"<presence type='unsubscribe' to='{JULIET}'/>")
    server.portions.wait(JULIET)
    assert any(' type="unavailable"' in stanza for stanza in [*received, *contacts[-1].received()])


def test_who_was_blocked_before_is_not_told_of_who_leaves(
    server: Server, juliet: Client, contacts: list[Client]
) -> None:
    juliet.sends(BLOCK)
    contacts[-1].received()
    juliet.session.end()
    server.portions.wait(JULIET)
    assert seen(contacts[-1]) == []


def test_whoever_gets_the_name_of_a_contact_meanwhile_is_not_told_of_who_has_left_before(
    server: Server, juliet: Client, contacts: list[Client]
) -> None:
    juliet.session.end()
    accounts.remove(server, CONTACTS[-1])
    add_accounts(server, CONTACTS[-1].local)
    newcomer = Client(server, f"{CONTACTS[-1]}/home")
    newcomer.sends("<presence/>")
    server.portions.wait(JULIET)
    assert seen(newcomer) == []
