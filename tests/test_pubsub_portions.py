"""A node with many subscribers: they are told in portions, in order, and of what is theirs when it is their turn."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from db import pubsub_deletion, pubsub_nodes, pubsub_people
from db.pubsub_nodes import Node
from db.pubsub_people import Subscription
from db.sqlite.database import Database
from handlers.admin import upkeep
from handlers.login import accounts
from handlers.pubsub import hosts, notifications, rechecking
from tests.harness.failures import act_and_lose, fail_to_commit, fail_to_sync
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import SERVICE, ask, configure, create, events, items, owner, publish, request, subscribe
from xmpp.data.jid import JID
from xmpp.server import Server

HOST = JID.parse(SERVICE)
NAMES = [f"reader{number:02}" for number in range(12)]

pytestmark = pytest.mark.usefixtures("small_portions")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(notifications, "PAGE", 5)
    monkeypatch.setattr(rechecking, "PAGE", 5)
    with server_in(tmp_path) as server:
        add_accounts(server, "hamlet", "ophelia", *NAMES)
        yield server


@pytest.fixture
def hamlet(server: Server) -> Client:
    client = Client(server, "hamlet@localhost/elsinore")
    assert ask(client, create("musings", notify_retract=True, publish_model="open")) == ""
    return client


@pytest.fixture
def readers(server: Server, hamlet: Client) -> list[Client]:
    found = [Client(server, f"{name}@localhost/bed") for name in NAMES]
    for reader in found:
        reader.sends("<presence/>")
        ask(reader, subscribe("musings", reader.account))
    return found


def begins(client: Client, payload: str) -> "gevent.Greenlet[..., str]":
    """Have a client ask for something, until others have their turn."""
    asking = gevent.spawn(ask, client, payload)
    gevent.sleep(0)
    return asking


def node(server: Server) -> Node:
    found = pubsub_nodes.get(server.db, HOST, "musings")
    assert found is not None
    return found


def told(readers: list[Client]) -> list[list[str]]:
    return [[each.removeprefix(f"{SERVICE}: ") for each in events(reader.received())] for reader in readers]


ONE, TWO = "items musings item 1", "items musings item 2"
ENDED = "subscription musings"


def test_an_event_is_told_to_many_in_portions(hamlet: Client, readers: list[Client]) -> None:
    publishing = begins(hamlet, publish("musings", "1"))
    assert [len(each) for each in told(readers[:4])] == [1, 1, 0, 0]
    publishing.join()
    assert told(readers[:2]) == [[], []]
    assert told(readers[2:]) == [[ONE]] * 10


def test_who_has_published_is_read_on_once_everybody_is_told(hamlet: Client, readers: list[Client]) -> None:
    publishing = begins(hamlet, publish("musings", "1"))
    assert not publishing.ready()
    publishing.join()
    assert not hamlet.server.portions.are_left


def test_all_hear_of_events_in_the_order_in_which_they_happened(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    ophelia = Client(server, "ophelia@localhost/brook")
    first = begins(hamlet, publish("musings", "1"))
    second = begins(ophelia, publish("musings", "2"))
    third = begins(Client(server, "hamlet@localhost/ship"), owner("<purge node='musings'/>"))
    gevent.joinall([first, second, third])
    assert told(readers) == [[ONE, TWO, "purge musings"]] * len(readers)


def test_who_subscribes_meanwhile_gets_the_last_item_last(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    add_accounts(server, "zebra")
    late = Client(server, "zebra@localhost/bed")
    late.sends("<presence/>")
    publishing = begins(hamlet, publish("musings", "1"))
    begins(Client(server, "hamlet@localhost/ship"), publish("musings", "2")).join(0)
    heard = late.sends(request(subscribe("musings", late.account), "set", SERVICE))
    publishing.join()
    told_late = events([each for each in heard if each.startswith("<message")])
    assert told_late == [f"{SERVICE}: {each}" for each in (ONE, TWO, TWO)]


def test_who_leaves_or_blocks_before_its_turn_is_told_nothing(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    publishing = begins(hamlet, publish("musings", "1"))
    assert ask(readers[-1], f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><unsubscribe node='musings' "
               f"jid='{readers[-1].account}'/></pubsub>") == ""
    readers[-2].asks(f"<block xmlns='urn:xmpp:blocking'><item jid='{hamlet.account}'/></block>", type="set")
    publishing.join()
    assert told(readers[-3:]) == [[ONE], [], []]


def test_nobody_hears_what_was_told_to_a_predecessor(server: Server, hamlet: Client, readers: list[Client]) -> None:
    publishing = begins(hamlet, publish("musings", "1"))
    accounts.erase(server, readers[-1].account)
    readers[-1].session.end()
    add_accounts(server, NAMES[-1])
    newcomer = Client(server, readers[-1].jid)
    newcomer.sends("<presence/>")
    publishing.join()
    assert told([newcomer]) == [[]]


# -- who may not see the node any more


def test_when_the_access_is_narrowed_all_are_unsubscribed_and_told_in_portions(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    narrowing = begins(hamlet, configure("musings", access_model="whitelist"))
    assert pubsub_people.count_subscriptions(server.db, node(server)) == 7  # a page of five is done at once
    assert [len(each) for each in told(readers)] == [1, 1, 1, *[0] * 9]
    narrowing.join()
    assert pubsub_people.count_subscriptions(server.db, node(server)) == 0
    assert told(readers) == [[]] * 3 + [[ENDED]] * 9


def test_who_may_not_see_the_node_hears_of_nothing_before_its_turn(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    narrowing = begins(hamlet, configure("musings", access_model="whitelist"))
    assert ask(readers[-1], items("musings"), "get") == "not-allowed closed-node"
    publishing = begins(Client(server, "hamlet@localhost/ship"), publish("musings", "1"))
    gevent.joinall([narrowing, publishing])
    assert told(readers) == [[ENDED]] * len(readers)


def test_who_may_see_it_again_before_its_turn_stays(server: Server, hamlet: Client, readers: list[Client]) -> None:
    narrowing = begins(hamlet, configure("musings", access_model="whitelist"))
    widening = begins(Client(server, "hamlet@localhost/ship"), configure("musings", access_model="open"))
    gevent.joinall([narrowing, widening])
    assert told(readers) == [[ENDED]] * 5 + [[]] * 7
    assert pubsub_people.count_subscriptions(server.db, node(server)) == 7


def test_an_event_from_before_is_not_told_to_who_may_not_see_the_node_any_more(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    publishing = begins(hamlet, publish("musings", "1"))
    narrowing = begins(Client(server, "hamlet@localhost/ship"), configure("musings", access_model="whitelist"))
    gevent.joinall([publishing, narrowing])
    heard = told(readers)
    assert heard[0] == [ONE, ENDED]
    assert heard[-1] == [ENDED]


def test_those_who_wait_are_let_in_in_portions_and_may_ask_again_before(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    for reader in readers:
        pubsub_people.unsubscribe(server.db, node(server), reader.account)
    ask(hamlet, configure("musings", access_model="authorize"))
    for reader in readers:
        assert 'subscription="pending"' in ask(reader, subscribe("musings", reader.account))
    opening = begins(hamlet, configure("musings", access_model="open"))
    assert pubsub_people.count_subscriptions(server.db, node(server), "pending") == 7
    assert 'subscription="subscribed"' in ask(readers[-1], subscribe("musings", readers[-1].account))
    opening.join()
    assert pubsub_people.count_subscriptions(server.db, node(server)) == len(readers)
    assert told(readers[:-1]) == [[ENDED]] * 11


# -- the end of a node


def test_a_node_is_out_of_reach_at_once_and_deleted_once_everybody_is_told(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    deleting = begins(hamlet, owner("<delete node='musings'/>"))
    renewed = Client(server, "hamlet@localhost/ship")
    assert ask(renewed, items("musings"), "get") == "item-not-found"
    assert pubsub_people.count_subscriptions_of(server.db, HOST, readers[0].account) == 0
    assert ask(renewed, create("musings")) == ""
    pubsub_people.subscribe(server.db, node(server), Subscription(readers[-1].account))
    publishing = begins(renewed, publish("musings", "2"))
    gevent.joinall([deleting, publishing])
    assert told(readers) == [["delete musings"]] * 11 + [["delete musings", TWO]]
    assert server.db.connection.execute("SELECT COUNT(*) FROM pubsub_node").fetchall() == [(1,)]


def test_a_node_that_was_being_deleted_when_the_server_stopped_is_deleted_after_it_has_started(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    pubsub_nodes.leave(server.db, node(server))
    assert pubsub_deletion.delete_left(server.db, 100) == 0  # somebody is being told
    pubsub_nodes.have_left(server.db)
    while pubsub_deletion.delete_left(server.db, 100):
        pass
    for table in ("node", "subscription", "affiliation"):
        assert server.db.connection.execute(f"SELECT COUNT(*) FROM pubsub_{table}").fetchall() == [(0,)]


def test_a_node_with_many_subscribers_is_deleted_bit_by_bit(
    server: Server, hamlet: Client, readers: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub_nodes, "DELETED_AT_ONCE", 11)
    assert ask(hamlet, owner("<delete node='musings'/>")) == ""
    assert told(readers) == [["delete musings"]] * len(readers)
    assert [pubsub_deletion.delete_left(server.db, 10) for _ in range(4)] == [10, 2, 1, 0]


def test_the_nodes_of_a_removed_account_are_out_of_reach_at_once_and_told_of_later(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    ask(hamlet, create("soliloquies"))
    ask(readers[0], subscribe("soliloquies", readers[0].account))
    accounts.erase(server, hamlet.account)
    assert pubsub_nodes.of_host(server.db, HOST) == []
    assert told(readers) == [[]] * len(readers)
    server.portions.wait_for_own()
    heard = told(readers)
    assert sorted(heard[0]) == ["delete musings", "delete soliloquies"]
    assert heard[1:] == [["delete musings"]] * 11
    assert server.db.connection.execute("SELECT COUNT(*) FROM pubsub_node").fetchall() == [(0,)]


# -- limits


def test_where_too_much_of_a_node_is_still_to_be_told_nothing_more_happens_at_it(
    server: Server, hamlet: Client, readers: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "MOST_IN_LINE", 2)
    others = [Client(server, f"hamlet@localhost/{number}") for number in range(3)]
    asking = [begins(client, publish("musings", "1")) for client in others]
    gevent.joinall(asking)
    assert asking[2].value == "resource-constraint"
    assert ask(others[2], publish("musings", "2")).startswith("<pubsub")


# -- a disk that fails


def counts(server: Server) -> list[int]:
    """How many nodes, items and subscriptions there are."""
    tables = ("node", "item", "subscription")
    return [server.db.connection.execute(f"SELECT COUNT(*) FROM pubsub_{each}").fetchone()[0] for each in tables]


@pytest.mark.parametrize("fail, is_deleted", [(fail_to_sync, True), (fail_to_commit, False)])
def test_a_node_whose_deletion_fails_on_the_disk_is_deleted_with_all_that_is_in_it_or_not_at_all(
    server: Server, hamlet: Client, readers: list[Client], fail: Callable[[Database], None], is_deleted: bool
) -> None:
    ask(hamlet, publish("musings", "1"))
    told(readers)
    act_and_lose(server, fail, (HOST, "musings"), lambda: ask(hamlet, owner("<delete node='musings'/>")))
    assert told(readers) == [["delete musings"] if is_deleted else []] * len(readers)
    assert counts(server) == ([0, 0, 0] if is_deleted else [1, 1, 12])


def test_nobody_hears_of_an_item_that_was_not_stored(server: Server, hamlet: Client, readers: list[Client]) -> None:
    act_and_lose(server, fail_to_commit, (HOST, "musings"), lambda: ask(hamlet, publish("musings", "1")))
    assert told(readers) == [[]] * len(readers)


def test_all_are_unsubscribed_who_may_not_see_the_node_also_if_the_disk_fails(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    narrow = configure("musings", access_model="whitelist")
    act_and_lose(server, fail_to_sync, (HOST, "musings"), lambda: ask(hamlet, narrow))
    assert told(readers) == [[ENDED]] * len(readers)
    assert counts(server) == [1, 0, 0]


def test_a_node_that_could_not_be_deleted_in_the_end_is_later(
    server: Server, hamlet: Client, readers: list[Client]
) -> None:
    pubsub_nodes.leave(server.db, node(server))
    server.portions.begin("line", iter([None] * 10))  # somebody may be being told
    upkeep.delete_what_is_not_kept(server)
    assert counts(server)[0] == 1
    server.portions.wait("line")
    upkeep.delete_what_is_not_kept(server)
    assert counts(server) == [0, 0, 0]


@pytest.mark.parametrize("fail, is_told", [(fail_to_sync, True), (fail_to_commit, False)])
def test_if_the_disk_fails_all_are_told_what_they_are_now_or_nobody(
    server: Server, hamlet: Client, readers: list[Client], fail: Callable[[Database], None], is_told: bool
) -> None:
    changes = "".join(f"<affiliation jid='{reader.account}' affiliation='member'/>" for reader in readers)
    payload = owner(f"<affiliations node='musings'>{changes}</affiliations>")
    act_and_lose(server, fail, (HOST, "musings"), lambda: ask(hamlet, payload))
    heard = [reader.received() for reader in readers]
    assert ['affiliation="member"' in "".join(each) for each in heard] == [is_told] * len(readers)
