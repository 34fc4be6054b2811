"""XEP-0060 sections 5.1 to 5.5: what can be found out about the service and about nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import INFO, PUBSUB, SERVICE, ask, create, publish, subscribe

ITEMS = "http://jabber.org/protocol/disco#items"


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Client]:
    with server_in(tmp_path, pubsub={"max_page_items": 2}) as server:
        add_accounts(server, "hamlet")
        yield Client(server, "hamlet@localhost/elsinore")


def query(namespace: str, node: str = "", content: str = "") -> str:
    named = f" node='{node}'" if node else ""
    return f"<query xmlns='{namespace}'{named}>{content}</query>"


def test_the_service_says_what_it_is_and_can_do(hamlet: Client) -> None:
    answer = ask(hamlet, query(INFO), "get")
    assert '<identity category="pubsub" name="Publish-Subscribe" type="service">' in answer
    for name in ("", "#access-open", "#publish-options", "#retract-items", "#rsm"):
        assert f'<feature var="{PUBSUB}{name}">' in answer


def test_a_node_says_what_it_is_and_what_is_to_be_known_of_it(hamlet: Client) -> None:
    ask(hamlet, create("musings", title="Princely Musings", max_items=5))
    ask(hamlet, subscribe("musings", "hamlet@localhost"))
    answer = ask(hamlet, query(INFO, "musings"), "get")
    assert '<identity category="pubsub" type="leaf">' in answer
    for var, value in (
        ("FORM_TYPE", "http://jabber.org/protocol/pubsub#meta-data"),
        ("pubsub#title", "Princely Musings"),
        ("pubsub#access_model", "open"),
        ("pubsub#max_items", "5"),
        ("pubsub#creator", "hamlet@localhost"),
        ("pubsub#owner", "hamlet@localhost"),
        ("pubsub#num_subscribers", "1"),
    ):
        assert f'var="{var}"' in answer and f"<value>{value}</value>" in answer
    assert "pubsub#creation_date" in answer


def test_nodes_are_listed_page_by_page(hamlet: Client) -> None:
    for name in ("a", "b", "c"):
        ask(hamlet, create(name, title=name.upper()))
    first = ask(hamlet, query(ITEMS), "get")
    assert f'<item jid="{SERVICE}" name="A" node="a"></item><item jid="{SERVICE}" name="B" node="b"></item>' in first
    assert "<first>a</first><last>b</last>" in first
    page = "<set xmlns='http://jabber.org/protocol/rsm'><after>b</after></set>"
    assert ask(hamlet, query(ITEMS, content=page), "get") == (
        f'<query xmlns="{ITEMS}"><item jid="{SERVICE}" name="C" node="c"></item>'
        '<set xmlns="http://jabber.org/protocol/rsm"><first>c</first><last>c</last></set></query>'
    )


def test_the_items_of_a_node_are_listed_by_their_ids(hamlet: Client) -> None:
    ask(hamlet, create("musings"))
    ask(hamlet, publish("musings", "1", "2"))
    assert ask(hamlet, query(ITEMS, "musings"), "get") == (
        f'<query xmlns="{ITEMS}" node="musings"><item jid="{SERVICE}" name="1"></item>'
        f'<item jid="{SERVICE}" name="2"></item></query>'
    )


@pytest.mark.parametrize("namespace", [INFO, ITEMS])
@pytest.mark.parametrize("to", [SERVICE, "hamlet@localhost"])
def test_a_node_that_is_not_there_is_not_found(hamlet: Client, namespace: str, to: str) -> None:
    assert ask(hamlet, query(namespace, "nothing"), "get", to) == "item-not-found"


def test_a_message_to_the_service_is_refused(hamlet: Client) -> None:
    [answer] = hamlet.sends(f"<message to='{SERVICE}'><body>Who's there?</body></message>")
    assert "service-unavailable" in answer
    assert hamlet.sends(f"<presence to='{SERVICE}'/>") == []
