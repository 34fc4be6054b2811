"""XEP-0465: subscriptions that others may know of, and those that they may not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import pubsub_nodes, pubsub_people
from db.pubsub_people import Subscription
from tests.harness.in_process import Client, add_accounts, befriend, server_in
from tests.harness.nodes import (
    INFO,
    SERVICE,
    ask,
    configure,
    create,
    ids_in,
    items,
    owner,
    publish,
    pubsub,
    retract,
    subscribe,
)
from xmpp.data.jid import JID
from xmpp.server import Server

BLOG = "urn:xmpp:microblog:0"
SUBSCRIPTIONS = "urn:xmpp:pps:subscriptions:0"
SUBSCRIBERS = f"urn:xmpp:pps:subscribers:0/{BLOG}"
PUBLIC = "<public xmlns='urn:xmpp:pps:0'/>"
ROMEO, BENVOLIO = "romeo@localhost", "benvolio@localhost"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "benvolio", "mercutio")
        yield server


@pytest.fixture
def benvolio(server: Server) -> Client:
    """He has a blog that anybody may read."""
    client = Client(server, "benvolio@localhost/square")
    assert ask(client, create(BLOG, access_model="open"), to="") == ""
    return client


@pytest.fixture
def romeo(server: Server, benvolio: Client) -> Client:
    """He reads it, and anybody may know."""
    client = Client(server, "romeo@localhost/orchard")
    assert 'subscription="subscribed"' in ask(client, publicly(), to=BENVOLIO)
    return client


@pytest.fixture
def mercutio(server: Server) -> Client:
    """A stranger to both."""
    return Client(server, "mercutio@localhost/play")


def publicly(node: str = BLOG, jid: str = ROMEO) -> str:
    return pubsub(f"<subscribe node='{node}' jid='{jid}'>{PUBLIC}</subscribe>")


def subscriptions(client: Client, to: str = ROMEO) -> list[str]:
    """The nodes that an account is publicly subscribed to, or the error."""
    answer = ask(client, items(SUBSCRIPTIONS), "get", to)
    return re.findall('<subscription [^>]*jid="([^"]*)"', answer) if answer.startswith("<") else [answer]


def subscribers(client: Client, to: str = BENVOLIO, node: str = SUBSCRIBERS) -> list[str]:
    answer = ask(client, items(node), "get", to)
    return re.findall('<subscriber [^>]*jid="([^"]*)"', answer) if answer.startswith("<") else [answer]


def test_everybody_sees_a_public_subscription_from_both_sides(romeo: Client, mercutio: Client) -> None:
    [id] = ids_in(ask(mercutio, items(SUBSCRIPTIONS), "get", ROMEO))
    assert ask(mercutio, items(SUBSCRIPTIONS), "get", ROMEO) == (
        f'<pubsub xmlns="http://jabber.org/protocol/pubsub"><items node="{SUBSCRIPTIONS}"><item id="{id}">'
        f'<subscription xmlns="urn:xmpp:pps:0" jid="{BENVOLIO}" node="{BLOG}"></subscription></item></items></pubsub>'
    )
    assert '<subscriber xmlns="urn:xmpp:pps:0" jid="romeo@localhost">' in ask(
        mercutio, items(SUBSCRIBERS), "get", BENVOLIO
    )


def test_a_subscription_that_is_not_public_is_nowhere_seen(romeo: Client, benvolio: Client, mercutio: Client) -> None:
    ask(mercutio, subscribe(BLOG, "mercutio@localhost"), to=BENVOLIO)
    assert subscribers(benvolio) == [ROMEO]
    assert subscriptions(mercutio, to="mercutio@localhost") == []


def test_who_subscribes_anew_without_it_takes_it_back(romeo: Client, benvolio: Client) -> None:
    assert 'subscription="subscribed"' in ask(romeo, subscribe(BLOG, ROMEO), to=BENVOLIO)
    assert (subscribers(benvolio), subscriptions(romeo)) == ([], [])
    assert 'subscription="subscribed"' in ask(romeo, publicly(), to=BENVOLIO)
    assert (subscribers(benvolio), subscriptions(romeo)) == ([ROMEO], [BENVOLIO])


def test_a_subscription_that_has_ended_is_not_listed(romeo: Client, benvolio: Client) -> None:
    ask(romeo, pubsub(f"<unsubscribe node='{BLOG}' jid='{ROMEO}'/>"), to=BENVOLIO)
    assert (subscribers(benvolio), subscriptions(romeo)) == ([], [])


def test_the_list_goes_with_the_node(romeo: Client, benvolio: Client) -> None:
    ask(benvolio, owner(f"<delete node='{BLOG}'/>"), to="")
    assert (subscribers(benvolio), subscriptions(romeo)) == (["item-not-found"], [])


def test_who_waits_for_an_approval_is_not_listed(server: Server, benvolio: Client, mercutio: Client) -> None:
    befriend(server, benvolio.account, mercutio.account)
    ask(benvolio, configure(BLOG, access_model="authorize"), to="")
    assert 'subscription="pending"' in ask(mercutio, publicly(jid="mercutio@localhost"), to=BENVOLIO)
    assert subscribers(benvolio) == []
    change = f"<subscriptions node='{BLOG}'><subscription jid='mercutio@localhost' subscription='subscribed'/>"
    assert ask(benvolio, owner(change + "</subscriptions>"), to="") == ""
    assert subscribers(benvolio) == ["mercutio@localhost"]


def test_a_service_lists_subscribers_too(romeo: Client, benvolio: Client, mercutio: Client) -> None:
    ask(benvolio, create("news"))
    ask(romeo, publicly("news"))
    assert subscribers(mercutio, SERVICE, "urn:xmpp:pps:subscribers:0/news") == [ROMEO]
    assert sorted(subscriptions(mercutio)) == [BENVOLIO, SERVICE]
    assert subscriptions(mercutio, SERVICE) == ["item-not-found"]


# -- discretion


def test_who_may_not_see_a_node_does_not_see_who_is_subscribed_to_it(
    server: Server, romeo: Client, benvolio: Client, mercutio: Client
) -> None:
    befriend(server, benvolio.account, romeo.account)
    ask(benvolio, configure(BLOG, access_model="presence"), to="")
    assert subscribers(romeo) == [ROMEO]
    assert subscribers(mercutio) == ["service-unavailable"]


def test_who_has_no_public_subscription_looks_like_nobody(romeo: Client, mercutio: Client) -> None:
    for action in (items(SUBSCRIPTIONS), items(SUBSCRIPTIONS, "x"), items(SUBSCRIBERS)):
        assert ask(romeo, action, "get", "mercutio@localhost") == "service-unavailable"
        assert ask(romeo, action, "get", "nobody@localhost") == "service-unavailable"
    assert ask(romeo, publish(SUBSCRIPTIONS, "x"), to="mercutio@localhost") == "service-unavailable"


@pytest.mark.parametrize(
    "payload",
    [
        create(SUBSCRIPTIONS), publish(SUBSCRIPTIONS, "1"), retract(SUBSCRIPTIONS, "1"),
        owner(f"<delete node='{SUBSCRIPTIONS}'/>"), owner(f"<purge node='{SUBSCRIPTIONS}'/>"),
        configure(SUBSCRIPTIONS, access_model="whitelist"),
    ],
)  # fmt: skip
def test_nobody_changes_the_lists(romeo: Client, benvolio: Client, payload: str) -> None:
    assert ask(romeo, payload, to="") == "forbidden"
    assert ask(benvolio, payload.replace(SUBSCRIPTIONS, SUBSCRIBERS), to="") == "forbidden"


def test_the_lists_have_no_subscribers_of_their_own(romeo: Client) -> None:
    assert ask(romeo, subscribe(SUBSCRIPTIONS, ROMEO), to="") == "feature-not-implemented unsupported"


# -- pages


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<max>2</max>", [0, 1]),
        ("<max>2</max><after>{0}</after>", [1, 2]),
        ("<max>2</max><before/>", [1, 2]),
        ("<max>5</max><before>{2}</before>", [0, 1]),
        ("<max>0</max>", []),
    ],
)
def test_lists_come_page_by_page(romeo: Client, benvolio: Client, page: str, shown: list[int]) -> None:
    for node in ("a", "b"):
        ask(benvolio, create(node))
        ask(romeo, publicly(node))
    ids = ids_in(ask(romeo, items(SUBSCRIPTIONS), "get", ""))
    rsm = f"<set xmlns='http://jabber.org/protocol/rsm'>{page.format(*ids)}</set>"
    answer = ask(romeo, pubsub(f"<items node='{SUBSCRIPTIONS}'/>{rsm}"), "get", "")
    assert ids_in(answer) == [ids[number] for number in shown]
    assert "<count>3</count>" in answer
    assert ids_in(ask(romeo, items(SUBSCRIPTIONS, ids[1], "x"), "get", "")) == [ids[1]]


def test_a_page_after_nothing(romeo: Client) -> None:
    rsm = "<set xmlns='http://jabber.org/protocol/rsm'><after>x</after></set>"
    assert ask(romeo, pubsub(f"<items node='{SUBSCRIPTIONS}'/>{rsm}"), "get", "") == "item-not-found"


def test_accounts_and_the_service_announce_it(romeo: Client) -> None:
    for to in ("", SERVICE):
        assert 'var="urn:xmpp:pps:0"' in ask(romeo, f"<query xmlns='{INFO}'/>", "get", to)


# -- what it costs


def test_an_item_of_a_long_list_is_found_by_what_it_is_about(server: Server, romeo: Client, mercutio: Client) -> None:
    node = pubsub_nodes.get(server.db, JID.parse(BENVOLIO), BLOG)
    assert node is not None
    for number in range(50):
        reader = Subscription(JID.parse(f"reader{number:02}@localhost"), options='{"deliver": true, "public": true}')
        pubsub_people.subscribe(server.db, node, reader)
    rsm = "<set xmlns='http://jabber.org/protocol/rsm'><max>3</max><after>reader09@localhost</after></set>"
    answer = ask(mercutio, pubsub(f"<items node='{SUBSCRIBERS}'/>{rsm}"), "get", BENVOLIO)
    assert ids_in(answer) == [f"reader{number}@localhost" for number in (10, 11, 12)]
    assert "<count>51</count>" in answer
    assert ids_in(ask(mercutio, items(SUBSCRIBERS, ROMEO, "x"), "get", BENVOLIO)) == [ROMEO]


def test_of_somebody_with_very_many_subscriptions_not_all_are_looked_at(
    server: Server, romeo: Client, benvolio: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in ("a", "b", "c"):
        ask(benvolio, create(node))
        ask(romeo, publicly(node))
    monkeypatch.setattr(pubsub_people, "LOOKED_AT", 2)
    assert len(subscriptions(romeo)) == 2


def test_a_node_that_is_being_deleted_is_not_listed(server: Server, romeo: Client) -> None:
    node = pubsub_nodes.get(server.db, JID.parse(BENVOLIO), BLOG)
    assert node is not None
    pubsub_nodes.leave(server.db, node)
    assert subscriptions(romeo) == []
