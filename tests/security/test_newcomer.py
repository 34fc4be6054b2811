"""Whoever registers the name of an account that was removed finds nothing that was granted to that one."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest

from db import accounts as account_records
from db import offline, pubsub_people, push, rosters, subscription_requests
from db.sqlite.database import Database
from db.sqlite.migrations import MIGRATIONS, migrate
from handlers.login import accounts
from tests.harness.archives import query, write
from tests.harness.in_process import Client, add_accounts, befriend, server_in
from tests.harness.managed_client import ManagedClient
from tests.harness.nodes import ask, configure, create, ids_in, items, owner, publish, retract, subscribe
from xmpp.data.jid import JID
from xmpp.server import Server

FAITHFUL, ALIAS = JID.parse("faithful@localhost"), JID.parse("alias@localhost")
BLOCKING = "urn:xmpp:blocking"
ROSTER = "<query xmlns='jabber:iq:roster'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "faithful", "alias", "third")
        yield server


@pytest.fixture
def faithful(server: Server) -> Client:
    """Who stays."""
    client = Client(server, f"{FAITHFUL}/home")
    client.asks(ROSTER)
    client.sends("<presence/>")
    return client


def pass_name_on(server: Server) -> Client:
    """The account is removed, and somebody else gets its name, and is online."""
    accounts.remove(server, ALIAS)
    moment = int(time.time() * 1000)
    while int(time.time() * 1000) == moment:  # what is told apart by time is told apart by the millisecond
        pass
    add_accounts(server, "alias")
    newcomer = Client(server, f"{ALIAS}/phone")
    newcomer.asks(ROSTER)
    newcomer.sends("<presence/>")
    newcomer.received()
    return newcomer


def block(client: Client, jid: JID = ALIAS) -> None:
    assert client.asks(f"<block xmlns='{BLOCKING}'><item jid='{jid}'/></block>", type="set") == ""


def unblock(client: Client, jid: JID = ALIAS) -> None:
    assert client.asks(f"<unblock xmlns='{BLOCKING}'><item jid='{jid}'/></unblock>", type="set") == ""


def state(server: Server) -> tuple[str, bool, bool]:
    item = rosters.item(server.db, FAITHFUL, ALIAS)
    assert item is not None
    return item.subscription, item.ask, item.approved


NOTHING = ("none", False, False)


def presence_of(client: Client) -> list[str]:
    return [stanza for stanza in client.received() if stanza.startswith("<presence")]


# -- presence


def test_a_contact_that_was_blocked_when_it_went_is_none_when_it_is_unblocked(
    server: Server, faithful: Client
) -> None:
    befriend(server, FAITHFUL, ALIAS)
    assert ask(faithful, publish("diary", "1"), to="") != ""
    block(faithful)
    before = rosters.roster(server.db, FAITHFUL).version
    accounts.remove(server, ALIAS)
    [push] = faithful.received()
    assert f'<item jid="{ALIAS}" subscription="none">' in push
    assert rosters.roster(server.db, FAITHFUL).version != before
    add_accounts(server, "alias")
    newcomer = Client(server, f"{ALIAS}/phone")
    newcomer.sends("<presence/>")
    newcomer.received()
    unblock(faithful)
    faithful.sends("<presence><show>away</show></presence>")
    assert presence_of(newcomer) == []
    assert newcomer.sends(f"<presence type='probe' to='{FAITHFUL}'/>") == []
    assert ask(newcomer, items("diary"), "get", to=FAITHFUL) == "service-unavailable"


@pytest.mark.parametrize("who_blocks", ["nobody", "who stays", "who goes"])
@pytest.mark.parametrize("is_online", [True, False])
@pytest.mark.parametrize(
    "granted",
    [
        rosters.Item(ALIAS, subscription="both"),
        rosters.Item(ALIAS, subscription="to"),
        rosters.Item(ALIAS, subscription="from"),
        rosters.Item(ALIAS, ask=True),
        rosters.Item(ALIAS, approved=True),
        rosters.Item(ALIAS, "Al", ("Friends",), "from", ask=True),
    ],
)
def test_whatever_bound_one_to_an_account_goes_with_it(
    server: Server, who_blocks: str, is_online: bool, granted: rosters.Item
) -> None:
    """Be it that the other one never knew of it, or that no stanza gets through."""
    if is_online:
        Client(server, f"{FAITHFUL}/home").sends("<presence/>")
    rosters.put(server.db, FAITHFUL, granted)
    if who_blocks == "who stays":
        block(Client(server, f"{FAITHFUL}/garden"))
    elif who_blocks == "who goes":
        block(Client(server, f"{ALIAS}/phone"), FAITHFUL)
    accounts.remove(server, ALIAS)
    for _ in range(2):
        kept = rosters.item(server.db, FAITHFUL, ALIAS)
        assert kept == granted._replace(subscription="none", ask=False, approved=False)
        server.db.memory.clear()


def test_an_approval_in_advance_lets_no_newcomer_in(server: Server, faithful: Client) -> None:
    faithful.sends(f"<presence type='subscribed' to='{ALIAS}'/>")
    assert state(server) == ("none", False, True)
    newcomer = pass_name_on(server)
    newcomer.sends(f"<presence type='subscribe' to='{FAITHFUL}'/>")
    assert state(server) == NOTHING
    assert subscription_requests.is_pending(server.db, FAITHFUL, ALIAS)


def test_what_somebody_had_asked_for_is_not_granted_by_a_newcomer(server: Server, faithful: Client) -> None:
    block(Client(server, f"{ALIAS}/phone"), FAITHFUL)
    faithful.sends(f"<presence type='subscribe' to='{ALIAS}'/>")
    assert state(server) == ("none", True, False)
    newcomer = pass_name_on(server)
    newcomer.sends(f"<presence type='subscribed' to='{FAITHFUL}'/>")
    assert state(server) == NOTHING


def test_a_request_goes_with_who_has_made_it(server: Server, faithful: Client) -> None:
    Client(server, f"{ALIAS}/phone").sends(f"<presence type='subscribe' to='{FAITHFUL}'/>")
    block(faithful)
    accounts.remove(server, ALIAS)
    assert subscription_requests.requests(server.db, FAITHFUL) == []
    server.db.memory.clear()
    assert subscription_requests.count(server.db, FAITHFUL) == 0


def test_who_has_been_shown_presence_directly_is_not_mistaken_for_its_successor(
    server: Server, faithful: Client
) -> None:
    old = Client(server, f"{ALIAS}/phone")
    faithful.sends(f"<presence to='{old.jid}'/>")
    faithful.sends(f"<presence to='{ALIAS}'/>")
    faithful.sends("<presence to='third@localhost'/>")
    newcomer = pass_name_on(server)
    faithful.session.end()
    assert presence_of(newcomer) == []
    assert faithful.session.directed == set()


# -- what was written, and what is of others


def test_nobody_takes_back_what_a_predecessor_has_written(tmp_path: Path) -> None:
    with server_in(tmp_path, archive={}) as server:
        add_accounts(server, "faithful", "alias")
        write(Client(server, f"{ALIAS}/phone"), "<body>mine</body>", to=FAITHFUL, id="m1")
        taken_back = "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>"
        write(pass_name_on(server), taken_back, to=FAITHFUL, id="r1")
        assert offline.count(server.db, FAITHFUL) == 2  # the message waits still, and the retraction
        assert "mine" in query(Client(server, f"{FAITHFUL}/home")).results[0]


def test_nobody_retracts_the_items_of_a_predecessor(server: Server, faithful: Client) -> None:
    ask(faithful, create("wall"))
    ask(faithful, configure("wall", publish_model="open"))
    ask(Client(server, f"{ALIAS}/phone"), publish("wall", "1"))
    newcomer = pass_name_on(server)
    assert ask(newcomer, retract("wall", "1")) == "forbidden"
    ask(newcomer, publish("wall", "2"))
    assert ask(newcomer, retract("wall", "2")) == ""
    assert ids_in(ask(faithful, items("wall"), "get")) == ["1"]


def test_affiliations_and_subscriptions_are_gone(server: Server, faithful: Client) -> None:
    ask(faithful, create("wall"))
    ask(Client(server, f"{ALIAS}/phone"), subscribe("wall", ALIAS))
    newcomer = pass_name_on(server)
    assert pubsub_people.subscriptions_of(server.db, JID.parse("pubsub.localhost"), ALIAS) == []
    ask(faithful, publish("wall", "1"))
    assert newcomer.received() == []


def test_nobody_is_told_what_became_of_the_stanzas_of_a_predecessor(server: Server) -> None:
    away = ManagedClient(server, f"{FAITHFUL}/home")
    away.enables(resume="true")
    away.loses_connection()
    old = Client(server, f"{ALIAS}/phone")
    for stanza in ("<iq type='get' id='{}'><x xmlns='urn:x'/></iq>", "<message type='groupchat' id='{}'/>"):
        old.sends(stanza.format("mine").replace(" id", f" to='{away.jid}' id"))
    newcomer = pass_name_on(server)
    newcomer.sends(f"<iq type='get' id='own' to='{away.jid}'><x xmlns='urn:x'/></iq>")
    away.session.end()
    assert [each for each in newcomer.received() if ' id="mine"' in each] == []


@pytest.mark.parametrize("host", ["pubsub.localhost", FAITHFUL])
def test_who_was_shut_out_of_a_node_does_not_get_in_with_another_account_of_that_name(
    server: Server, faithful: Client, host: str
) -> None:
    ask(faithful, create("wall", access_model="open"), to=host)
    shut_out = f"<affiliation jid='{ALIAS}' affiliation='outcast'/>"
    ask(faithful, owner(f"<affiliations node='wall'>{shut_out}</affiliations>"), to=host)
    newcomer = pass_name_on(server)
    assert ask(newcomer, subscribe("wall", ALIAS), to=host) in ("forbidden", "service-unavailable")
    assert ask(newcomer, items("wall"), "get", to=host) in ("forbidden", "service-unavailable")


@pytest.mark.parametrize("service", [ALIAS, ALIAS.with_resource("app")])
def test_nobody_becomes_the_app_server_that_a_predecessor_was(server: Server, faithful: Client, service: JID) -> None:
    for address in (service, "alias@elsewhere.example", "alias@localhost.example"):
        enable = f"<enable xmlns='urn:xmpp:push:0' jid='{address}' node='n'/>"
        assert faithful.asks(enable, type="set") == ""
    accounts.remove(server, ALIAS)
    for _ in range(2):
        left = [each.service for each in push.registrations(server.db, FAITHFUL)]
        assert left == ["alias@elsewhere.example", "alias@localhost.example"]
        server.db.memory.clear()


# -- accounts that were removed before all this


def test_what_was_granted_to_accounts_that_are_long_gone_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "earlier.db"
    sql = peewee.SqliteDatabase(str(path))
    migrate(sql, MIGRATIONS[:8])
    sql.close()
    connection = sqlite3.connect(path, isolation_level=None)
    for name in ("faithful", "third"):
        connection.execute(f"INSERT INTO account VALUES ('{name}@localhost', 'localhost', {time.time()})")
        connection.execute(f"INSERT INTO roster_version VALUES ('{name}@localhost', 'old')")
    people = ("alias@localhost", "third@localhost", "alias@elsewhere.example")
    for contact in people:
        connection.execute(f"INSERT INTO roster_item VALUES ('{FAITHFUL}', '{contact}', 'A', '[\"g\"]', 'both', 1, 1)")
        connection.execute(f"INSERT INTO subscription_request VALUES ('{FAITHFUL}', '{contact}', 1, x'00')")
        for service in (contact, f"{contact}/app", contact.partition("@")[2]):
            registration = f"'{FAITHFUL}', '{service}', 'node {service} {contact}', 'phone', x''"
            connection.execute(f"INSERT INTO push_registration VALUES ({registration})")
    connection.close()
    with Database(path) as db:
        found = {contact: item[1:] for contact, item in rosters.roster(db, FAITHFUL).items.items()}
        assert found == {
            "alias@localhost": ("A", ("g",), "none", False, False),
            "alias@elsewhere.example": ("A", ("g",), "both", True, True),
            "third@localhost": ("A", ("g",), "both", True, True),
        }
        assert subscription_requests.senders(db, FAITHFUL) == {"alias@elsewhere.example", "third@localhost"}
        left = {each.service for each in push.registrations(db, FAITHFUL)}
        assert left == {
            *("alias@elsewhere.example", "alias@elsewhere.example/app", "elsewhere.example"),
            *("third@localhost", "third@localhost/app", "localhost"),
        }
        assert rosters.roster(db, FAITHFUL).version != "old"
        assert rosters.roster(db, JID.parse("third@localhost")).version == "old"
        assert not account_records.exists(db, ALIAS)


def test_who_an_account_is_a_contact_of_is_found_without_looking_at_all_rosters(server: Server) -> None:
    looked_up = {
        rosters._FIND_BOUND: "INDEX roster_item_by_contact (contact=?)",
        rosters._RELEASE: "INDEX roster_item_by_contact (contact=?)",
        subscription_requests._FIND_ASKED: "INDEX subscription_request_by_sender (sender=?)",
        subscription_requests._DELETE_OF: "INDEX subscription_request_by_sender (sender=?)",
        push._FIND_OF_SERVICE: "INDEX push_registration_by_service (service=?)",
        push._DELETE_OF_SERVICE: "INDEX push_registration_by_service (service=?)",
    }
    for found, index in looked_up.items():
        values = [""] * found.text.count("?")
        plan = server.db.connection.execute(f"EXPLAIN QUERY PLAN {found.text}", values).fetchall()
        steps = [step[3] for step in plan]
        assert any(index in step for step in steps), steps
        assert not any(step.startswith("SCAN") for step in steps), steps
