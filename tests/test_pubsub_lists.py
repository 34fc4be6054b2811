"""XEP-0059: what would be a huge answer about nodes comes page by page, and no page costs much to make."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import pubsub_affiliations, pubsub_nodes, pubsub_people
from db.pubsub_people import Subscription
from handlers.pubsub.lists import PAGE_BYTES
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import INFO, SERVICE, ask, create, owner, pubsub
from xmpp.data import resultsets
from xmpp.data.jid import JID
from xmpp.data.resultsets import SET
from xmpp.data.wire import parse
from xmpp.server import Server

NODE = "musings"
ITEMS = INFO.replace("#info", "#items")
HAMLET = JID.parse("hamlet@localhost")
SERVICE_ADDRESS = JID.parse(SERVICE)
RESOURCE = "r" * 1_000
LONG_NAME = "n" * 1_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, pubsub={"max_bytes": 10**9, "max_nodes": 10_000}) as server:
        add_accounts(server, "hamlet")
        yield server


@pytest.fixture
def hamlet(server: Server) -> Client:
    client = Client(server, f"{HAMLET}/elsinore")
    ask(client, create(NODE))
    return client


def node_of(server: Server, name: str = NODE) -> pubsub_nodes.Node:
    node = pubsub_nodes.get(server.db, SERVICE_ADDRESS, name)
    assert node is not None
    return node


def add_nodes(server: Server, count: int, configuration: str = "{}", creator: JID = HAMLET) -> None:
    for number in range(count):
        name = f"{number:05}{LONG_NAME}"
        pubsub_nodes.create(server.db, SERVICE_ADDRESS, name, creator, configuration, time.time())


def fill_with_nodes(server: Server) -> int:
    add_nodes(server, 1_200, '{"title": "' + "t" * 5_000 + '"}')
    return 1_201


def fill_with_affiliations(server: Server) -> int:
    for number in range(900):
        jid = JID.parse(f"{number}{'a' * 900}@b.example")
        pubsub_affiliations.affiliate(server.db, node_of(server), jid, "member")
    return 901


def fill_with_subscriptions(server: Server) -> int:
    for number in range(2_000):
        subscription = Subscription(JID.parse(f"{number}@b.example/{RESOURCE}"))
        pubsub_people.subscribe(server.db, node_of(server), subscription)
    return 2_000


def fill_with_own_affiliations(server: Server) -> int:
    add_nodes(server, 1_200, creator=JID.parse("else@where.example"))
    for number in range(1_200):
        pubsub_affiliations.affiliate(server.db, node_of(server, f"{number:05}{LONG_NAME}"), HAMLET, "member")
    return 1_201


def fill_with_own_subscriptions(server: Server) -> int:
    add_nodes(server, 300)
    for number in range(900):
        subscription = Subscription(HAMLET.with_resource(f"{number}{RESOURCE}"))
        pubsub_people.subscribe(server.db, node_of(server, f"{number % 300:05}{LONG_NAME}"), subscription)
    return 900


LISTS = {
    "nodes": (fill_with_nodes, "<query xmlns='" + ITEMS + "'>{}</query>"),
    "affiliations": (fill_with_affiliations, owner(f"<affiliations node='{NODE}'/>{{}}")),
    "subscriptions": (fill_with_subscriptions, owner(f"<subscriptions node='{NODE}'/>{{}}")),
    "own affiliations": (fill_with_own_affiliations, pubsub("<affiliations/>{}")),
    "own subscriptions": (fill_with_own_subscriptions, pubsub("<subscriptions/>{}")),
}


def rsm(content: str) -> str:
    return f"<set xmlns='{resultsets.NAMESPACE}'>{content}</set>"


def entries(answer: str) -> list[tuple[str, ...]]:
    """What stands in a list."""
    element = parse(answer.encode())
    children = [each for each in element if each.tag != SET]
    found = children if children and not len(children[0]) and len(children) > 1 else list(children[0])
    return [tuple(sorted(each.attrib.values())) for each in (found or children)]


def next_page(answer: str) -> str | None:
    found = parse(answer.encode()).find(SET)
    return None if found is None else found.findtext(f"{{{resultsets.NAMESPACE}}}last")


@pytest.mark.parametrize("what", LISTS)
def test_a_huge_list_comes_page_by_page_and_whole(server: Server, hamlet: Client, what: str) -> None:
    fill, payload = LISTS[what]
    count, found, after, pages = fill(server), list[tuple[str, ...]](), "", 0
    while True:
        answer = ask(hamlet, payload.format(rsm(f"<after>{after}</after>") if after else ""), "get")
        assert len(answer) < PAGE_BYTES * 1.5
        found += entries(answer)
        pages += 1
        following = next_page(answer)
        if following is None or following == after or len(found) >= count:
            break
        after = following
    assert len(found) == len(set(found)) == count
    assert pages > 2


@pytest.mark.parametrize("what", LISTS)
def test_so_many_are_sent_as_are_asked_for_in_both_directions(server: Server, hamlet: Client, what: str) -> None:
    fill, payload = LISTS[what]
    fill(server)
    answer = ask(hamlet, payload.format(rsm("<max>2</max>")), "get")
    assert len(entries(answer)) == 2
    last = ask(hamlet, payload.format(rsm("<max>2</max><before/>")), "get")
    assert len(entries(last)) == 2 and not set(entries(last)) & set(entries(answer))
    third = entries(ask(hamlet, payload.format(rsm(f"<max>1</max><after>{next_page(answer)}</after>")), "get"))
    fourth = ask(hamlet, payload.format(rsm(f"<max>2</max><after>{next_page(answer)}</after>")), "get")
    before = ask(hamlet, payload.format(rsm(f"<max>1</max><before>{next_page(fourth)}</before>")), "get")
    assert entries(before) == third
    assert ask(hamlet, payload.format(rsm("<index>5</index>")), "get") == "feature-not-implemented"
    assert ask(hamlet, payload.format(rsm("<max>x</max>")), "get") == "bad-request"


def test_a_short_list_is_whole(hamlet: Client) -> None:
    for what in ("nodes", "affiliations", "own affiliations"):
        assert "<set" not in ask(hamlet, LISTS[what][1].format(""), "get")


def test_hidden_nodes_are_passed_over_bit_by_bit_and_not_named(server: Server, hamlet: Client) -> None:
    add_nodes(server, 2_500, '{"access_model": "whitelist"}', JID.parse("else@where.example"))
    seen, after = list[tuple[str, ...]](), ""
    for _ in range(10):
        answer = ask(hamlet, LISTS["nodes"][1].format(rsm(f"<after>{after}</after>") if after else ""), "get")
        assert LONG_NAME not in answer
        seen += [each for each in entries(answer) if each] if "<item" in answer else []
        following = next_page(answer)
        if not following or NODE in answer:
            break
        after = following
    assert [each for each in seen if NODE in each]
    assert after


def test_a_node_names_only_some_of_its_owners_and_publishers(server: Server, hamlet: Client) -> None:
    for number in range(900):
        jid = JID.parse(f"{number}{'a' * 900}@b.example")
        pubsub_affiliations.affiliate(server.db, node_of(server), jid, "publisher")
    answer = ask(hamlet, f"<query xmlns='{INFO}' node='{NODE}'/>", "get")
    assert len(answer) < PAGE_BYTES
