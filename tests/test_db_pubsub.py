"""What is kept of nodes: their items in order, counted as they come and go, and who has what to do with them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db import accounts, pubsub_affiliations, pubsub_deletion, pubsub_items, pubsub_nodes, pubsub_people, pubsub_usage
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
    before = pubsub_usage.bytes_of(db, JULIET)
    for affiliation in ("member", "publisher"):
        pubsub_affiliations.affiliate(db, node, ROMEO, affiliation)
    assert pubsub_usage.bytes_of(db, JULIET) == before + 100 + len(ROMEO)
    for state in ("pending", "subscribed"):
        pubsub_people.subscribe(db, node, Subscription(ROMEO.with_resource("ä"), state))
    assert pubsub_usage.bytes_of(db, ROMEO) == 150 + len(ROMEO) + len("/ä".encode())
    assert pubsub_usage.bytes_in_all(db) == pubsub_usage.bytes_of(db, JULIET) + pubsub_usage.bytes_of(db, ROMEO)
    node = pubsub_nodes.configure(db, node, '{"title": "Nightingale"}')
    pubsub_affiliations.affiliate(db, node, ROMEO, "none")
    assert pubsub_usage.bytes_of(db, JULIET) == before + len('"title": "Nightingale"')
    put(db, node, "1", "2")
    pubsub_nodes.delete(db, node)
    assert [pubsub_usage.bytes_of(db, each) for each in (JULIET, ROMEO)] == [0, 0]
    assert pubsub_usage.bytes_in_all(db) == 0


def test_nothing_is_kept_for_an_account_that_is_gone(db: Database, node: Node) -> None:
    put(db, node, "1")
    pubsub_people.subscribe(db, node, Subscription(ROMEO))
    accounts.remove(db, JULIET)
    while pubsub_deletion.delete_left(db, 100):
        pass
    assert db.connection.execute("SELECT jid, bytes FROM pubsub_usage WHERE bytes != 0").fetchall() == []


def test_affiliations_are_of_bare_addresses_and_none_is_none(db: Database, node: Node) -> None:
    pubsub_affiliations.affiliate(db, node, ROMEO, "member")
    assert pubsub_affiliations.affiliation(db, node, ROMEO) == "member"
    assert pubsub_affiliations.affiliations(db, node) == {ROMEO: "member"}
    assert pubsub_affiliations.affiliations_of(db, JULIET, ROMEO) == [("tune", "member")]
    assert pubsub_affiliations.affiliations_of(db, SERVICE, ROMEO) == []
    assert pubsub_affiliations.count_affiliations(db, node) == 1
    pubsub_affiliations.affiliate(db, node, ROMEO, "none")
    assert pubsub_affiliations.affiliation(db, node, ROMEO) == "none"
    assert pubsub_affiliations.affiliations(db, node) == {}


def test_an_owner_is_one_once_it_has_agreed(db: Database, node: Node) -> None:
    pubsub_affiliations.affiliate(db, node, ROMEO, "owner")
    pubsub_affiliations.affiliate(db, node, JULIET, "owner", has_agreed=True)
    assert pubsub_affiliations.owners(db, node) == [JULIET]
    pubsub_affiliations.agree(db, node, ROMEO)
    assert pubsub_affiliations.owners(db, node) == [JULIET, ROMEO]
    pubsub_affiliations.affiliate(db, node, JULIET, "publisher", has_agreed=True)
    assert pubsub_affiliations.owners(db, node) == [ROMEO]


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


PEOPLE = [JID.parse(f"{name}@montague.example") for name in ("abram", "balthasar", "romeo")]
CHANGES: dict[str, Callable[[Database, Node], object]] = {
    "nothing": lambda db, node: None,
    "configured": lambda db, node: pubsub_nodes.configure(db, node, '{"a": 1}'),
    "handed over": lambda db, node: pubsub_nodes.hand_over(db, node, ROMEO),
    "another one": lambda db, node: pubsub_nodes.create(db, node.host, "mood", JULIET, "{}", 2.0),
    "left": lambda db, node: pubsub_nodes.leave(db, node),
    "deleted": lambda db, node: pubsub_nodes.delete(db, node),
    "left to nobody": lambda db, node: pubsub_affiliations.leave_with(db, node.host, JULIET),
    "published": lambda db, node: put(db, node, "1", "3"),
    "retracted": lambda db, node: pubsub_items.remove(db, node, ["1"]),
    "affiliated": lambda db, node: pubsub_affiliations.affiliate(db, node, ROMEO, "publisher"),
    "nothing to it any more": lambda db, node: pubsub_affiliations.affiliate(db, node, PEOPLE[0], "none"),
    "many affiliated": lambda db, node: pubsub_affiliations.affiliate_all(
        db, node, {PEOPLE[0]: "none", ROMEO: "owner"}
    ),
    "agreed": lambda db, node: pubsub_affiliations.agree(db, node, PEOPLE[1]),
    "subscribed": lambda db, node: pubsub_people.subscribe(db, node, Subscription(ROMEO, "pending")),
    "subscribed otherwise": lambda db, node: pubsub_people.subscribe(db, node, Subscription(PEOPLE[0], options="{}")),
    "unsubscribed": lambda db, node: pubsub_people.unsubscribe(db, node, PEOPLE[0]),
    "many unsubscribed": lambda db, node: pubsub_people.unsubscribe_all(db, node, PEOPLE),
    "forgotten": lambda db, node: pubsub_people.forget(db, PEOPLE[0]),
    "host removed": lambda db, node: accounts.remove(db, node.host),
}


def seen_of(db: Database, node: Node) -> list[object]:
    """What is told by all functions that may remember it: of a node, and of its people as long as there is one."""
    seen: list[object] = [
        *(pubsub_nodes.get(db, node.host, name) for name in ("tune", "mood")),
        pubsub_nodes.as_it_is(db, node),
        dict(pubsub_nodes.of_account(db, node.host)) if node.host.local else None,
        *(pubsub_usage.has_room(db, jid, 0, pubsub_usage.bytes_of(db, jid) - 1) for jid in (JULIET, ROMEO)),
    ]
    if pubsub_nodes.as_it_is(db, node) is None:
        return seen
    return [
        *seen,
        *(pubsub_affiliations.affiliation(db, node, jid) for jid in PEOPLE),
        list(pubsub_affiliations.affiliations(db, node).items()),
        list(pubsub_affiliations.owners(db, node)),
        *(list(pubsub_people.subscriptions_by(db, node, jid)) for jid in PEOPLE),
        [list(pubsub_people.subscriptions(db, node, after=each, count=2)) for each in ("", *PEOPLE)],
        list(pubsub_people.subscriptions(db, node)),
    ]


@pytest.mark.parametrize("few", [100, 2, 1])
@pytest.mark.parametrize("host", [JULIET, SERVICE])
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_remembered_of_a_node_is_what_is_written(
    db: Database, monkeypatch: pytest.MonkeyPatch, change: str, host: JID, few: int
) -> None:
    for module in (pubsub_affiliations, pubsub_people):
        monkeypatch.setattr(module, "FEW", few)
    node = pubsub_nodes.create(db, host, "tune", JULIET, "{}", 1.0)
    put(db, node, "1", "2")
    for jid, affiliation in zip(PEOPLE[:2], ("member", "owner"), strict=True):
        pubsub_affiliations.affiliate(db, node, jid, affiliation)
        pubsub_people.subscribe(db, node, Subscription(jid))
    pubsub_affiliations.affiliate(db, node, JULIET, "owner", has_agreed=True)
    seen_of(db, node)
    CHANGES[change](db, node)
    remembered = seen_of(db, node)
    db.memory.clear()
    assert remembered == seen_of(db, node)


def test_no_more_is_promised_than_there_is_room_for(db: Database, node: Node) -> None:
    most = pubsub_usage.bytes_of(db, JULIET) + 1_000
    assert pubsub_usage.has_room(db, JULIET, 1_000, most)
    while pubsub_usage.has_room(db, JULIET, 200, most):
        put(db, node, str(pubsub_nodes.usage(db, node).items), payload=b"x" * 50)
    assert most - 200 < pubsub_usage.bytes_of(db, JULIET) <= most
    pubsub_items.clear(db, node)  # what has gone is found out about where it matters
    assert pubsub_usage.has_room(db, JULIET, 1_000, most)
    assert not pubsub_usage.has_room(db, JULIET, 1_001, most)


def test_the_oldest_make_room_for_the_newest(db: Database, node: Node) -> None:
    put(db, node, *"12345")
    given = [Item(id, JULIET, 2.0, b"<b/>") for id in ("2", "6")]
    going = pubsub_items.going(db, node, given, 4)
    assert ids(going) == ["1", "2", "3"]
    gone = pubsub_items.put(db, node, given, 4)
    assert gone == [item for item in going if item.id != "2"]
    assert [(item.id, item.has_moved) for item in pubsub_items.oldest(db, node, 9)] == [
        ("4", False), ("5", False), ("2", True), ("6", False),
    ]  # fmt: skip
    assert pubsub_items.put(db, node, [Item("6", JULIET, 3.0, b"<c/>")], 4) == []
    assert ids(pubsub_items.oldest(db, node, 9)) == ["4", "5", "2", "6"]
    assert pubsub_items.going(db, node, [Item("7", JULIET, 3.0, b"<c/>")], 9) == []


def test_what_goes_for_an_item_is_found_without_reading_the_node(db: Database, node: Node) -> None:
    values = pubsub_items._values_of_going(node, [Item("1", JULIET, 1.0, b"")], 1)
    for query in (pubsub_items._FIND_GOING, pubsub_items._DELETE_GOING):
        plan = [step[3] for step in db.connection.execute("EXPLAIN QUERY PLAN " + query.text, values)]
        looks = [step for step in plan if step.startswith(("SCAN", "SEARCH")) and "json_each" not in step]
        assert all("node=? AND item_id=?" in each or "rowid=?" in each or "_by_sequence" in each for each in looks)
        assert "MULTI-INDEX OR" in plan


def test_an_accounts_nodes_go_with_it_and_all_that_is_in_them(db: Database, node: Node) -> None:
    put(db, node, "1")
    pubsub_affiliations.affiliate(db, node, ROMEO, "member")
    pubsub_people.subscribe(db, node, Subscription(ROMEO))
    accounts.remove(db, JULIET)
    assert pubsub_nodes.of_account(db, JULIET) == {}
    while pubsub_deletion.delete_left(db, 10):
        pass
    for table in ("pubsub_item", "pubsub_affiliation", "pubsub_subscription"):
        assert db.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_what_somebody_is_anywhere_can_be_forgotten(db: Database, node: Node) -> None:
    pubsub_affiliations.affiliate(db, node, ROMEO, "member")
    pubsub_people.subscribe(db, node, Subscription(ROMEO.with_resource("orchard")))
    pubsub_people.forget(db, ROMEO)
    assert pubsub_affiliations.affiliations(db, node) == {}
    assert pubsub_people.subscriptions(db, node) == []


def test_the_subscriptions_of_somebody_to_a_node_are_looked_up_without_all_others(db: Database, node: Node) -> None:
    query = pubsub_people._SUBSCRIPTIONS_BY
    plan = db.connection.execute("EXPLAIN QUERY PLAN " + query.text, (node.id, ROMEO)).fetchall()
    assert "pubsub_subscription_by_subscriber (subscriber=? AND node=?)" in plan[0][3]


def test_a_page_of_items_is_one_look_into_an_index(db: Database, node: Node) -> None:
    for query in (pubsub_items._BACKWARDS, pubsub_items._FORWARDS):
        plan = db.connection.execute("EXPLAIN QUERY PLAN " + query.text, (node.id, 0, 0.0, 100)).fetchall()
        assert [step[3].split(" (")[0] for step in plan] == ["SEARCH t1 USING INDEX pubsub_item_by_sequence"]
