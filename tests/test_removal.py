"""An account is gone at once with all that it had, however much: nobody sees it, and it is deleted bit by bit."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import gevent
import pytest

from db import pubsub_deletion, pubsub_nodes
from handlers.admin import upkeep
from handlers.login import accounts
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import ask, configure, create, ids_in, items, owner, publish
from xmpp.data.jid import JID
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")
SERVICE = "pubsub.localhost"
MANY = 30


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(pubsub_nodes, "DELETED_AT_ONCE", MANY - 1)
    monkeypatch.setattr(upkeep, "DELETE_ITEMS", 7)
    with server_in(tmp_path) as server:
        add_accounts(server, "juliet", "romeo")
        yield server


def rows(server: Server, table: str) -> int:
    [(count,)] = server.db.connection.execute(f"SELECT COUNT(*) FROM pubsub_{table}").fetchall()
    return int(count)


def fill(client: Client, node: str, count: int, to: str = "") -> None:
    for number in range(count):
        assert "item" in ask(client, publish(node, f"item-{number}", max_items="max"), to=to)


def test_the_nodes_of_a_removed_account_are_out_of_reach_at_once_and_deleted_later(server: Server) -> None:
    juliet = Client(server, f"{JULIET}/balcony")
    fill(juliet, "letters", MANY)
    fill(juliet, "notes", 3)
    accounts.remove(server, JULIET)
    assert rows(server, "item") == MANY + 3
    add_accounts(server, "juliet")
    newcomer = Client(server, f"{JULIET}/tomb")
    assert ask(newcomer, items("letters"), "get", to="") == "item-not-found"
    assert pubsub_nodes.of_account(server.db, JULIET) == {}
    fill(newcomer, "letters", 1)
    assert server.state(upkeep.Upkeep).has_leftovers.is_set()
    upkeep.delete_what_is_not_kept(server)
    assert (rows(server, "node"), rows(server, "item")) == (1, 1)
    assert ids_in(ask(newcomer, items("letters"), "get", to="")) == ["item-0"]


def test_a_large_node_that_is_deleted_is_out_of_reach_at_once_and_so_are_its_items(server: Server) -> None:
    juliet = Client(server, f"{JULIET}/balcony")
    ask(juliet, create("letters"))
    fill(juliet, "letters", MANY, to=SERVICE)
    assert ask(juliet, owner("<delete node='letters'/>")) == ""
    assert rows(server, "item") == MANY
    assert ask(juliet, items("letters"), "get") == "item-not-found"
    assert ask(juliet, create("letters")) == ""
    assert ids_in(ask(juliet, items("letters"), "get")) == []
    upkeep.delete_what_is_not_kept(server)
    assert (rows(server, "node"), rows(server, "item"), rows(server, "affiliation")) == (1, 0, 1)


def test_one_time_deletes_no_more_than_it_is_told(server: Server) -> None:
    fill(Client(server, f"{JULIET}/balcony"), "letters", 10)
    accounts.remove(server, JULIET)
    assert [pubsub_deletion.delete_left(server.db, 4) for _ in range(5)] == [4, 4, 2, 1, 0]
    assert rows(server, "node") == 0


@pytest.mark.parametrize("reduced", [owner("<purge node='letters'/>"), configure("letters", max_items=1)])
def test_the_items_of_a_large_node_are_removed_bit_by_bit(
    server: Server, monkeypatch: pytest.MonkeyPatch, reduced: str
) -> None:
    monkeypatch.setattr(pubsub_nodes, "DELETED_AT_ONCE", 7)
    juliet = Client(server, f"{JULIET}/balcony")
    fill(juliet, "letters", MANY)
    asking, seen = gevent.spawn(ask, juliet, reduced, to=""), list[int]()
    while not asking.ready():
        seen.append(rows(server, "item"))
        gevent.sleep(0)
    left = rows(server, "item")
    assert left == (1 if "configure" in reduced else 0)
    counts = list(dict.fromkeys([*seen, left]))
    assert len(counts) > 4
    assert max(before - after for before, after in pairwise(counts)) == 7


def test_what_will_be_refused_removes_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub_nodes, "DELETED_AT_ONCE", 7)
    juliet, romeo = Client(server, f"{JULIET}/balcony"), Client(server, "romeo@localhost/orchard")
    ask(juliet, create("letters"))
    fill(juliet, "letters", MANY, to=SERVICE)
    for payload in (owner("<purge node='letters'/>"), configure("letters", max_items=1)):
        assert ask(romeo, payload) == "forbidden"
    assert ask(juliet, configure("letters", max_items=1, title="T" * 9_000)) == "not-acceptable"
    assert rows(server, "item") == MANY
