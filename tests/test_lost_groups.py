"""A group of writes may be lost while what has written in it is still being handled, and swallows that error: then too
nobody is told that it is stored, and whoever asked is told that it is not, once."""

from pathlib import Path

import pytest
from lxml import etree

from db import accounts, last_activity, offline, pubsub_items, pubsub_nodes
from db.sqlite.errors import StorageError
from handlers.admin import administration
from tests.harness.failures import undo_no_more, undo_whole_group
from tests.harness.in_process import Client, add_accounts, befriend, online, server_in
from tests.harness.managed_client import ManagedClient, end_turn
from tests.harness.nodes import ask, create, events, publish, subscribe
from tests.harness.streams import Stream, listening_server, local_name
from xmpp.control import Refused
from xmpp.data.jid import JID
from xmpp.running.handling import Handled
from xmpp.server import Server

ROMEO = JID.parse("romeo@localhost")
JULIET = JID.parse("juliet@localhost")
SERVICE = JID.parse("pubsub.localhost")
KEEPING_A_MESSAGE = "INSERT ON offline_message"
STORING_AN_ITEM = "INSERT ON pubsub_item"
TOLD = {"access_model": "open", "notification_type": "normal"}  # the event is kept for whoever is away


def items_of(server: Server, host: JID, node: str) -> list[str]:
    found = pubsub_nodes.get(server.db, host, node)
    assert found is not None
    return pubsub_items.ids(server.db, found, 9)


def outcome_of(answer: etree._Element) -> str:
    """ "result", or the condition of the error."""
    return "result" if answer.get("type") == "result" else local_name(answer[0][0])


def test_a_publisher_is_refused_if_the_item_is_lost_while_others_are_told_of_it(tmp_path: Path) -> None:
    with listening_server(tmp_path) as server, Stream(server) as juliet:
        add_accounts(server, "romeo")
        juliet.logs_in()
        juliet.binds()

        def asks(payload: str) -> str:
            return outcome_of(juliet.asks(f"<iq type='set' id='q' to='{SERVICE}'>{payload}</iq>"))

        assert asks(create("tune", **TOLD)) == "result"
        romeo = Client(server, "romeo@localhost/orchard")
        assert "subscribed" in ask(romeo, subscribe("tune", "romeo@localhost"))
        romeo.session.end()
        undo_whole_group(server.db, KEEPING_A_MESSAGE)
        assert asks(publish("tune", "new")) == "resource-constraint"
        undo_no_more(server.db)
        assert items_of(server, SERVICE, "tune") == []
        assert asks(publish("tune", "again")) == "result"
        assert items_of(server, SERVICE, "tune") == ["again"]


def test_nobody_is_told_of_half_a_publication(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = Client(server, "romeo@localhost/orchard"), Client(server, "juliet@localhost/balcony")
        last_only = {"max_items": 1, "notify_retract": True, "publish_node_full": "retract-oldest"}
        ask(romeo, create("tune", **TOLD, **last_only), to="")
        ask(romeo, publish("tune", "old"), to="")
        assert "subscribed" in ask(juliet, subscribe("tune", "juliet@localhost"), to="romeo@localhost")
        juliet.session.end()
        server.db.flush()
        undo_whole_group(server.db, f"{KEEPING_A_MESSAGE} WHEN instr(NEW.stanza, 'retract')")
        assert ask(romeo, publish("tune", "new"), to="") == "resource-constraint"
        server.db.flush()
        assert items_of(server, ROMEO, "tune") == ["old"]
        juliet = Client(server, "juliet@localhost/balcony")
        told = events([each for each in juliet.sends("<presence/>") if each.startswith("<message")])
        assert told == ["romeo@localhost: items tune item old"]


def test_a_message_that_is_lost_while_devices_are_woken_is_refused_once_and_not_acknowledged(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        romeo = Client(server, "romeo@localhost/orchard")
        assert ask(romeo, create("wakings", max_items=100)) == ""
        romeo.sends(f"<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='{SERVICE}' node='wakings'/></iq>")
        romeo.session.end()
        juliet = ManagedClient(server, "juliet@localhost/balcony")
        juliet.enables()
        server.db.flush()
        undo_whole_group(server.db, STORING_AN_ITEM)
        told = juliet.sends("<message to='romeo@localhost' type='chat' id='m'><body>hi</body></message>")
        end_turn()
        told += juliet.received()
        [refusal] = [each for each in told if each.startswith("<message")]
        assert "<resource-constraint " in refusal
        assert juliet.management.received.durable == 0
        assert juliet.closed_with is not None and juliet.closed_with.condition == "resource-constraint"
        assert offline.usage(server.db, ROMEO).messages == 0


def test_a_session_that_ends_because_of_what_is_lost_leaves_nothing_else_undone(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        befriend(server, ROMEO, JULIET)
        romeo, juliet = online(server, "romeo@localhost/orchard"), ManagedClient(server, "juliet@localhost/balcony")
        juliet.sends("<presence/>")
        juliet.enables()
        romeo.sends("<message to='juliet@localhost' type='chat' id='m'><body>unacknowledged</body></message>")
        server.db.flush()
        romeo.received()
        undo_whole_group(server.db, f"{KEEPING_A_MESSAGE} WHEN NEW.stanza = CAST('lost' AS BLOB)")
        with Handled() as lost:
            with pytest.raises(StorageError), server.db.change():
                offline.keep(server.db, ROMEO, b"lost", at=0.0)
            juliet.session.end()
            assert lost.is_lost
        server.db.flush()
        assert offline.usage(server.db, JULIET).messages == 1
        assert last_activity.get(server.db, JULIET) is not None
        assert any('type="unavailable"' in each for each in romeo.received())


def test_the_administrator_is_told_that_a_removal_is_lost_while_contacts_are_told_of_it(tmp_path: Path) -> None:
    contacts = [f"contact{number}" for number in range(40)]
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", *contacts)
        for name in contacts:
            befriend(server, ROMEO, JID.of(name, "localhost"))
        for address in ("romeo@localhost/orchard", *(f"{name}@localhost/home" for name in contacts)):
            online(server, address)
        server.db.flush()
        server.portions.seconds = 1e-7
        with Handled():
            offline.keep(server.db, ROMEO, b"in the same group", at=0.0)
            server.db.connection.execute("PRAGMA defer_foreign_keys = ON")
            offline.keep(server.db, JID.parse("nobody@localhost"), b"which COMMIT refuses", at=0.0)
        with pytest.raises(Refused, match="cannot be stored"):
            administration.carry_out(server, "remove", account="romeo@localhost")
        assert accounts.exists(server.db, ROMEO)
