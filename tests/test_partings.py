"""An account with many contacts is removed: none of them is bound to it any more, and they are told in portions."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from db import accounts as account_records
from db import rosters
from db.sqlite.database import Database
from handlers.login import accounts
from tests.harness.contacts import CONTACTS, contacts_at_home, server_with_contacts_of
from tests.harness.failures import act_and_lose, fail_to_commit, fail_to_sync
from tests.harness.in_process import Client, add_accounts
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO = JID.parse("romeo@localhost")
REMOVE = "<query xmlns='jabber:iq:register'><remove/></query>"
ROSTER = "<query xmlns='jabber:iq:roster'/>"
GONE = ["unavailable", "unsubscribe", "unsubscribed", "push"]

pytestmark = pytest.mark.usefixtures("small_portions")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_contacts_of(ROMEO, tmp_path) as server:
        yield server


@pytest.fixture
def contacts(server: Server) -> list[Client]:
    return contacts_at_home(server, ROSTER)


@pytest.fixture
def romeo(server: Server, contacts: list[Client]) -> Client:
    client = Client(server, f"{ROMEO}/orchard")
    client.sends("<presence/>")
    for contact in contacts:
        contact.received()
    return client


def seen(client: Client) -> list[str]:
    """What a client was sent, in short."""
    return [_short(stanza) for stanza in client.received()]


def _short(stanza: str) -> str:
    if stanza.startswith("<iq"):
        return "push"
    return stanza.partition(' type="')[2].partition('"')[0] or "available"


def bindings(db: Database) -> list[tuple[str, bool, bool]]:
    items = [rosters.item(db, contact, ROMEO) for contact in CONTACTS]
    return [(item.subscription, item.ask, item.approved) for item in items if item is not None]


def removes(server: Server) -> "gevent.Greenlet[..., None]":
    """Remove the account, until others have their turn."""
    removing = gevent.spawn(accounts.remove, server, ROMEO)
    gevent.sleep(0)
    return removing


def test_contacts_are_told_in_portions(server: Server, romeo: Client, contacts: list[Client]) -> None:
    removing = removes(server)
    assert [len(client.received()) for client in contacts] == [1, 1, 1, *[0] * 9]
    removing.join()
    assert [seen(client) for client in contacts] == [GONE[1:]] * 3 + [GONE] * 9


def test_none_is_bound_to_it_from_the_first_moment_on(server: Server, romeo: Client, contacts: list[Client]) -> None:
    removing = removes(server)
    assert bindings(server.db) == [("none", False, False)] * len(CONTACTS)
    removing.join()


def test_none_is_bound_to_it_after_a_crash_halfway(
    server: Server, romeo: Client, contacts: list[Client], tmp_path: Path
) -> None:
    """What is on the disk when the first contacts have been told is right already."""
    removing = removes(server)
    server.db.flush()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in tmp_path.glob("test.db*"):
        (crashed / file.name).write_bytes(file.read_bytes())
    with Database(crashed / "test.db") as db:
        assert not account_records.exists(db, ROMEO)
        assert bindings(db) == [("none", False, False)] * len(CONTACTS)
        assert len({rosters.roster(db, contact).version for contact in CONTACTS}) == 1
    removing.join()


def test_nobody_gets_the_name_before_all_are_told(server: Server, romeo: Client, contacts: list[Client]) -> None:
    removing = removes(server)
    accounts.create(server, ROMEO, "a newcomer's password")
    assert seen(contacts[-1]) == GONE
    newcomer = Client(server, f"{ROMEO}/tomb")
    newcomer.sends("<presence/>")
    assert seen(newcomer) == []
    removing.join()
    assert seen(contacts[-1]) == []


def test_a_contact_is_pushed_what_its_roster_says_by_then(
    server: Server, romeo: Client, contacts: list[Client]
) -> None:
    removing = removes(server)
    last = contacts[-1]
    last.asks(f"<query xmlns='jabber:iq:roster'><item jid='{ROMEO}' name='R.I.P.'/></query>", type="set")
    dropped = f"<query xmlns='jabber:iq:roster'><item jid='{ROMEO}' subscription='remove'/></query>"
    contacts[-2].asks(dropped, type="set")
    removing.join()
    [push] = [stanza for stanza in last.received() if stanza.startswith("<iq")]
    assert f'jid="{ROMEO}" name="R.I.P." subscription="none"' in push
    assert f'ver="{rosters.roster(server.db, last.account).version}"' in push
    assert "push" not in seen(contacts[-2])


def test_who_comes_or_goes_meanwhile_needs_not_be_told(server: Server, romeo: Client, contacts: list[Client]) -> None:
    removing = removes(server)
    contacts[-1].session.end()
    second = Client(server, f"{CONTACTS[-2]}/work")
    assert f'jid="{ROMEO}" subscription="none"' in second.asks(ROSTER)
    removing.join()
    assert seen(contacts[-1]) == []
    assert seen(second) == ["unsubscribe", "unsubscribed", "push"]


def test_who_removes_itself_is_answered_before_contacts_are_told(
    server: Server, romeo: Client, contacts: list[Client]
) -> None:
    asking = gevent.spawn(romeo.asks, REMOVE, type="set", to="localhost")
    gevent.sleep(0)
    assert romeo.closed_with is not None
    assert romeo.closed_with.condition == "not-authorized"
    assert [len(client.received()) for client in contacts[3:]] == [0] * 9
    asking.join()
    assert [seen(client) for client in contacts[3:]] == [GONE] * 9


def test_who_was_blocked_learns_nothing_of_the_end(server: Server, romeo: Client, contacts: list[Client]) -> None:
    blocked, others = contacts[-1], contacts[:-1]
    romeo.asks(f"<block xmlns='urn:xmpp:blocking'><item jid='{CONTACTS[-1]}'/></block>", type="set")
    romeo.sends(f"<presence to='{contacts[0].jid}'/>")
    assert "unavailable" in seen(blocked)
    for client in others:
        client.received()
    accounts.remove(server, ROMEO)
    assert "unavailable" not in seen(blocked)
    assert [seen(client) for client in others] == [GONE] * 11


def test_whoever_gets_the_name_of_a_contact_meanwhile_is_told_nothing(
    server: Server, romeo: Client, contacts: list[Client]
) -> None:
    removing, last = removes(server), CONTACTS[-1]
    accounts.remove(server, last)
    add_accounts(server, last.local)
    newcomer = Client(server, f"{last}/home")
    newcomer.asks(ROSTER)
    newcomer.sends("<presence/>")
    newcomer.received()
    removing.join()
    assert seen(newcomer) == []


@pytest.mark.parametrize("fail, told", [(fail_to_sync, GONE), (fail_to_commit, ["unavailable"])])
def test_if_the_disk_fails_all_are_told_of_what_has_happened(
    server: Server, romeo: Client, contacts: list[Client], fail: Callable[[Database], None], told: list[str]
) -> None:
    act_and_lose(server, fail, ROMEO, lambda: accounts.erase(server, ROMEO))
    assert account_records.exists(server.db, ROMEO) == (told != GONE)
    assert [seen(contact) for contact in contacts] == [told] * len(contacts)
