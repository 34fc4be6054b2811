"""What is kept of nodes: their items in order, counted as they come and go, and who has what to do with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, pubsub_deletion, pubsub_items, pubsub_nodes, pubsub_people
from db.pubsub_items import Item
from db.pubsub_nodes import Node, Usage
from db.pubsub_people import Subscription
from db.sqlite.database import Database
from xmpp.data.jid import JID

ROMEO = JID.parse("romeo@montague.example")
JULIET = JID.parse("juliet@capulet.example")
SERVICE = JID.parse("pubsub.capulet.example")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "xserv.db") as db:
        accounts.create_many(db, [(ROMEO, {}), (JULIET, {})], created=0.0)
        yield db


@pytest.fixture
def node(db: Database) -> Node:
    return pubsub_nodes.create(db, JULIET, "tune", JULIET, "{}", 1.0)


def put(db: Database, node: Node, *ids: str, payload: bytes = b"<a/>", at: float = 1.0) -> None:
    pubsub_items.put(db, node, [Item(id, JULIET, at, payload) for id in ids])


def ids(items: list[Item]) -> list[str]:
    return [item.id for item in items]


def test_a_node_is_found_by_host_and_name(db: Database, node: Node) -> None:
    assert pubsub_nodes.get(db, JULIET, "tune") == node
    assert pubsub_nodes.get(db, ROMEO, "tune") is None
    assert pubsub_nodes.get(db, JULIET, "mood") is None
    assert pubsub_nodes.of_account(db, JULIET) == {"tune": node}


def test_what_is_remembered_of_an_account_changes_with_its_nodes(db: Database, node: Node) -> None:
    assert pubsub_nodes.of_account(db, JULIET) == {"tune": node}
    mood = pubsub_nodes.create(db, JULIET, "mood", JULIET, "{}", 2.0)
    changed = pubsub_nodes.configure(db, node, '{"a": 1}')
    assert pubsub_nodes.of_account(db, JULIET) == {"mood": mood, "tune": changed}
    pubsub_nodes.delete(db, node)
    assert pubsub_nodes.of_account(db, JULIET) == {"mood": mood}


def test_nodes_are_listed_bit_by_bit(db: Database) -> None:
    for name in "cab":
        pubsub_nodes.create(db, SERVICE, name, JULIET, "{}", 1.0)
    assert [node.name for node in pubsub_nodes.of_host(db, SERVICE)] == ["a", "b", "c"]
    assert [node.name for node in pubsub_nodes.of_host(db, SERVICE, after="a", count=1)] == ["b"]


def test_items_stay_in_the_order_in_which_they_were_published_last(db: Database, node: Node) -> None:
    put(db, node, "1", "2", "3")
    put(db, node, "2")
    assert ids(pubsub_items.oldest(db, node, 9)) == ["1", "3", "2"]
    assert ids(pubsub_items.newest(db, node, 2)) == ["2", "3"]
    assert pubsub_items.ids(db, node, 2) == ["2", "3"]
    last = pubsub_items.last(db, node)
    assert last is not None and last.id == "2"


def test_items_come_before_and_after_a_place(db: Database, node: Node) -> None:
    put(db, node, "1", "2", "3", "4")
    third = pubsub_items.get(db, node, "3")
    assert third is not None
    assert ids(pubsub_items.newest(db, node, 9, before=third.sequence)) == ["2", "1"]
    assert ids(pubsub_items.oldest(db, node, 9, after=third.sequence)) == ["4"]


def test_old_items_are_left_out_and_removed(db: Database, node: Node) -> None:
    put(db, node, "1", at=1.0)
    put(db, node, "2", at=2.0)
    assert ids(pubsub_items.newest(db, node, 9, since=2.0)) == ["2"]
    assert pubsub_items.get(db, node, "1", since=2.0) is None
    pubsub_items.remove_before(db, node, 2.0)
    assert pubsub_items.get(db, node, "1") is None


def test_what_a_node_holds_is_counted(db: Database, node: Node) -> None:
    empty = pubsub_nodes.usage(db, node)
    assert empty == Usage(0, 500 + len("tune{}"))
    item = 100 + len("1" + JULIET)
    put(db, node, "1", "2", "3", payload=b"12345")
    put(db, node, "3", payload=b"1")
    assert pubsub_nodes.usage(db, node) == Usage(3, empty.bytes + 3 * item + 11)
    pubsub_items.remove(db, node, ["2"])
    assert pubsub_nodes.usage(db, node) == Usage(2, empty.bytes + 2 * item + 6)
    pubsub_items.remove_oldest(db, node, 1)
    assert pubsub_items.ids(db, node, 9) == ["3"]
    pubsub_items.clear(db, node)
    assert pubsub_nodes.usage(db, node) == empty


def test_what_is_kept_for_somebody_is_counted(db: Database, node: Node) -> None:
    before = pubsub_nodes.bytes_of(db, JULIET)
    for affiliation in ("member", "publisher"):
        pubsub_people.affiliate(db, node, ROMEO, affiliation)
    assert pubsub_nodes.bytes_of(db, JULIET) == before + 100 + len(ROMEO)
    for state in ("pending", "subscribed"):
        pubsub_people.subscribe(db, node, Subscription(ROMEO.with_resource("ä"), state))
    assert pubsub_nodes.bytes_of(db, ROMEO) == 150 + len(ROMEO) + len("/ä".encode())
    assert pubsub_nodes.bytes_in_all(db) == pubsub_nodes.bytes_of(db, JULIET) + pubsub_nodes.bytes_of(db, ROMEO)
    node = pubsub_nodes.configure(db, node, '{"title": "Nightingale"}')
    pubsub_people.affiliate(db, node, ROMEO, "none")
    assert pubsub_nodes.bytes_of(db, JULIET) == before + len('"title": "Nightingale"')
    put(db, node, "1", "2")
    pubsub_nodes.delete(db, node)
    assert [pubsub_nodes.bytes_of(db, each) for each in (JULIET, ROMEO)] == [0, 0]
    assert pubsub_nodes.bytes_in_all(db) == 0


def test_nothing_is_kept_for_an_account_that_is_gone(db: Database, node: Node) -> None:
    put(db, node, "1")
    pubsub_people.subscribe(db, node, Subscription(ROMEO))
    accounts.remove(db, JULIET)
    while pubsub_deletion.delete_left(db, 100):
        pass
    assert db.connection.execute("SELECT jid, bytes FROM pubsub_usage WHERE bytes != 0").fetchall() == []


def test_affiliations_are_of_bare_addresses_and_none_is_none(db: Database, node: Node) -> None:
    pubsub_people.affiliate(db, node, ROMEO, "member")
    assert pubsub_people.affiliation(db, node, ROMEO) == "member"
    assert pubsub_people.affiliations(db, node) == {ROMEO: "member"}
    assert pubsub_people.affiliations_of(db, JULIET, ROMEO) == [("tune", "member")]
    assert pubsub_people.affiliations_of(db, SERVICE, ROMEO) == []
    assert pubsub_people.count_affiliations(db, node) == 1
    pubsub_people.affiliate(db, node, ROMEO, "none")
    assert pubsub_people.affiliation(db, node, ROMEO) == "none"
    assert pubsub_people.affiliations(db, node) == {}


def test_an_owner_is_one_once_it_has_agreed(db: Database, node: Node) -> None:
    pubsub_people.affiliate(db, node, ROMEO, "owner")
    pubsub_people.affiliate(db, node, JULIET, "owner", has_agreed=True)
    assert pubsub_people.owners(db, node) == [JULIET]
    pubsub_people.agree(db, node, ROMEO)
    assert pubsub_people.owners(db, node) == [JULIET, ROMEO]
    pubsub_people.affiliate(db, node, JULIET, "publisher", has_agreed=True)
    assert pubsub_people.owners(db, node) == [ROMEO]


def test_subscriptions_are_of_exact_addresses_and_found_by_bare_ones(db: Database, node: Node) -> None:
    full = ROMEO.with_resource("orchard")
    for subscription in (Subscription(ROMEO, "pending"), Subscription(full, options="x")):
        pubsub_people.subscribe(db, node, subscription)
    assert pubsub_people.subscription(db, node, full) == Subscription(full, "subscribed", "x")
    assert pubsub_people.subscriptions(db, node) == pubsub_people.subscriptions_by(db, node, ROMEO)
    assert [name for name, _ in pubsub_people.subscriptions_of(db, JULIET, ROMEO)] == ["tune", "tune"]
    assert pubsub_people.count_subscriptions(db, node) == 1
    assert pubsub_people.count_subscriptions_of(db, JULIET, ROMEO) == 2
    pubsub_people.unsubscribe(db, node, full)
    assert pubsub_people.subscriptions(db, node) == [Subscription(ROMEO, "pending")]
    pubsub_people.unsubscribe_all(db, node, [ROMEO])
    assert pubsub_people.subscriptions(db, node) == []


def test_an_accounts_nodes_go_with_it_and_all_that_is_in_them(db: Database, node: Node) -> None:
    put(db, node, "1")
    pubsub_people.affiliate(db, node, ROMEO, "member")
    pubsub_people.subscribe(db, node, Subscription(ROMEO))
    accounts.remove(db, JULIET)
    assert pubsub_nodes.of_account(db, JULIET) == {}
    while pubsub_deletion.delete_left(db, 10):
        pass
    for table in ("pubsub_item", "pubsub_affiliation", "pubsub_subscription"):
        assert db.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_what_somebody_is_anywhere_can_be_forgotten(db: Database, node: Node) -> None:
    pubsub_people.affiliate(db, node, ROMEO, "member")
    pubsub_people.subscribe(db, node, Subscription(ROMEO.with_resource("orchard")))
    pubsub_people.forget(db, ROMEO)
    assert pubsub_people.affiliations(db, node) == {}
    assert pubsub_people.subscriptions(db, node) == []


def test_the_subscriptions_of_somebody_to_a_node_are_looked_up_without_all_others(db: Database, node: Node) -> None:
    query = pubsub_people._SUBSCRIPTIONS_BY
    plan = db.connection.execute("EXPLAIN QUERY PLAN " + query.text, (node.id, ROMEO)).fetchall()
    assert "pubsub_subscription_by_subscriber (subscriber=? AND node=?)" in plan[0][3]


def test_a_page_of_items_is_one_look_into_an_index(db: Database, node: Node) -> None:
    for query in (pubsub_items._BACKWARDS, pubsub_items._FORWARDS):
        plan = db.connection.execute("EXPLAIN QUERY PLAN " + query.text, (node.id, 0, 0.0, 100)).fetchall()
        assert [step[3].split(" (")[0] for step in plan] == ["SEARCH t1 USING INDEX pubsub_item_by_sequence"]
