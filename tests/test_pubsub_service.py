"""XEP-0060: the service at pubsub.DOMAIN, use case by use case."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import pubsub_items, pubsub_nodes
from db.pubsub_items import Item
from tests.harness.in_process import Client, add_accounts, online, server_in
from tests.harness.nodes import (
    SERVICE,
    SUBSCRIBE_OPTIONS,
    ask,
    configure,
    create,
    events,
    form,
    ids_in,
    items,
    owner,
    publish,
    pubsub,
    request,
    retract,
    subscribe,
)
from xmpp.data import names
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

MUSINGS = "princely_musings"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    limits = {"max_nodes": 3, "max_items": 20, "max_item_bytes": 1_000, "max_bytes": 10_000, "max_subscriptions": 2}
    with server_in(tmp_path, pubsub=limits) as server:
        add_accounts(server, "hamlet", "francisco", "polonius")
        yield server


@pytest.fixture
def hamlet(server: Server) -> Client:
    """He owns a node."""
    client = Client(server, "hamlet@localhost/elsinore")
    assert ask(client, create(MUSINGS)) == ""
    return client


@pytest.fixture
def francisco(server: Server, hamlet: Client) -> Client:
    """He is nothing to it, and online."""
    return online(server, "francisco@localhost/barracks")


# -- 8.1 creating


def test_a_node_without_a_name_is_given_one(server: Server, hamlet: Client) -> None:
    answer = ask(hamlet, pubsub("<create/>"))
    assert answer.startswith('<pubsub xmlns="http://jabber.org/protocol/pubsub"><create node="')


def test_a_node_is_made_as_it_is_to_be_configured(hamlet: Client, francisco: Client) -> None:
    assert ask(hamlet, create("secret", access_model="whitelist", title="The Mousetrap")) == ""
    assert ask(francisco, items("secret"), "get") == "not-allowed closed-node"


@pytest.mark.parametrize(
    ("payload", "conditions"),
    [
        (create(MUSINGS), "conflict"),
        (create("new", access_model="friends"), "not-acceptable unsupported-access-model"),
        (create("new", publish_model="friends"), "not-acceptable"),
        (create("new", max_items="many"), "not-acceptable"),
        (create("new", node_type="collection"), "not-acceptable"),
        (create("n" * 1024), "not-acceptable"),
        (create("new", title="x").replace("<configure>", "<configure node='new'>"), "bad-request"),
    ],
)
def test_a_node_that_cannot_be_made(hamlet: Client, payload: str, conditions: str) -> None:
    assert ask(hamlet, payload) == conditions


def test_there_are_at_most_so_many_nodes_of_one_creator(hamlet: Client, francisco: Client) -> None:
    assert [ask(hamlet, create(name)) for name in ("two", "three", "four")] == [
        "",
        "",
        "policy-violation max-nodes-exceeded",
    ]
    assert ask(francisco, create("four")) == ""


@pytest.mark.parametrize(("creators", "answer"), [("nobody", "forbidden"), ("accounts", ""), ("everybody", "")])
def test_who_may_create_is_a_setting(tmp_path: Path, creators: str, answer: str) -> None:
    with server_in(tmp_path, pubsub={"creators": creators}) as server:
        add_accounts(server, "hamlet")
        assert ask(Client(server, "hamlet@localhost/elsinore"), create("new")) == answer


# -- 8.2, 8.3 configuring


def test_the_form_is_filled_in_as_the_node_is_configured(hamlet: Client) -> None:
    assert ask(hamlet, configure(MUSINGS, title="Musings", max_items=7)) == ""
    shown = ask(hamlet, owner(f"<configure node='{MUSINGS}'/>"), "get")
    assert 'var="pubsub#title"><value>Musings</value>' in shown
    assert "<value>7</value>" in shown
    assert "<value>authorize</value></option>" in shown


def test_a_cancelled_form_changes_nothing(hamlet: Client) -> None:
    before = ask(hamlet, owner(f"<configure node='{MUSINGS}'/>"), "get")
    cancelled = owner(f"<configure node='{MUSINGS}'><x xmlns='jabber:x:data' type='cancel'/></configure>")
    assert ask(hamlet, cancelled) == ""
    assert ask(hamlet, owner(f"<configure node='{MUSINGS}'/>"), "get") == before


def test_who_keeps_fewer_items_from_now_on_loses_the_oldest(hamlet: Client) -> None:
    ask(hamlet, publish(MUSINGS, "1", "2", "3"))
    ask(hamlet, configure(MUSINGS, max_items=2))
    assert ids_in(ask(hamlet, items(MUSINGS), "get")) == ["2", "3"]
    ask(hamlet, configure(MUSINGS, persist_items=False))
    ask(hamlet, configure(MUSINGS, persist_items=True))
    assert ids_in(ask(hamlet, items(MUSINGS), "get")) == []


def test_subscribers_are_told_of_another_configuration_if_it_says_so(hamlet: Client, francisco: Client) -> None:
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    francisco.received()
    ask(hamlet, configure(MUSINGS, title="A", deliver_payloads=False, notify_config=True))
    ask(hamlet, configure(MUSINGS, title="B", deliver_payloads=True))
    one, other = francisco.received()
    assert '<configuration node="princely_musings"></configuration>' in one
    assert "<value>B</value>" in other


def test_everybody_is_told_how_nodes_begin(francisco: Client) -> None:
    assert "pubsub#access_model" in ask(francisco, owner("<default/>"), "get")


def test_a_narrower_node_ends_subscriptions(hamlet: Client, francisco: Client) -> None:
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    ask(hamlet, configure(MUSINGS, access_model="whitelist"))
    assert events(francisco.received()) == [f"{SERVICE}: subscription {MUSINGS}"]
    assert "<subscription " not in ask(francisco, pubsub("<subscriptions/>"), "get")


# -- 8.4, 8.5 deleting and purging


def test_subscribers_are_told_where_to_look_when_a_node_is_deleted(hamlet: Client, francisco: Client) -> None:
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    francisco.received()
    redirect = owner(f"<delete node='{MUSINGS}'><redirect uri='xmpp:hamlet@localhost?;node=blog'/></delete>")
    assert ask(hamlet, redirect) == ""
    [told] = francisco.received()
    assert f'<delete node="{MUSINGS}"><redirect uri="xmpp:hamlet@localhost?;node=blog"></redirect></delete>' in told
    assert ask(hamlet, items(MUSINGS), "get") == "item-not-found"


def test_a_purge_is_told_once(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, publish(MUSINGS, "1", "2"))
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    francisco.received()
    assert ask(hamlet, owner(f"<purge node='{MUSINGS}'/>")) == ""
    assert events(francisco.received()) == [f"{SERVICE}: purge {MUSINGS}"]
    assert ids_in(ask(hamlet, items(MUSINGS), "get")) == []


def test_what_keeps_no_items_has_none_to_purge_retrieve_or_retract(hamlet: Client) -> None:
    ask(hamlet, configure(MUSINGS, persist_items=False))
    for payload, type in (
        (owner(f"<purge node='{MUSINGS}'/>"), "set"),
        (items(MUSINGS), "get"),
        (retract(MUSINGS, "1"), "set"),
    ):
        assert ask(hamlet, payload, type) == "feature-not-implemented unsupported"


@pytest.mark.parametrize("action", ["configure", "delete", "purge"])
def test_only_owners_do_what_owners_do(francisco: Client, action: str) -> None:
    assert ask(francisco, owner(f"<{action} node='{MUSINGS}'/>")) == "forbidden"
    assert ask(francisco, owner(f"<{action} node='nothing'/>")) == "item-not-found"
    assert ask(francisco, owner(f"<{action}/>")) == "bad-request nodeid-required"


# -- 7.1 publishing


@pytest.mark.parametrize(
    ("payload", "conditions"),
    [
        (publish("", "1"), "bad-request nodeid-required"),
        (publish("nothing", "1"), "item-not-found"),
        (publish(MUSINGS), "bad-request item-required"),
        (publish(MUSINGS, "1", payload=""), "bad-request payload-required"),
        (publish(MUSINGS, "1", payload="<a xmlns='x'/><b xmlns='x'/>"), "bad-request invalid-payload"),
        (publish(MUSINGS, "1", payload=f"<a xmlns='x'>{'a' * 1000}</a>"), "not-acceptable payload-too-big"),
        (publish(MUSINGS, "1", "1"), "bad-request"),
        (publish(MUSINGS, *map(str, range(21))), "not-allowed max-items-exceeded"),
        (publish(MUSINGS, "1", access_model="whitelist"), "conflict precondition-not-met"),
        (pubsub(f"<publish node='{MUSINGS}'><entry/></publish>"), "bad-request"),
    ],
)
def test_an_item_that_cannot_be_published(hamlet: Client, payload: str, conditions: str) -> None:
    assert ask(hamlet, payload) == conditions
    assert ids_in(ask(hamlet, items(MUSINGS), "get")) == []


def test_an_item_without_an_id_is_given_one(hamlet: Client) -> None:
    answer = ask(hamlet, pubsub(f"<publish node='{MUSINGS}'><item><a xmlns='x'/></item></publish>"))
    assert ids_in(answer) == ids_in(ask(hamlet, items(MUSINGS), "get"))


def test_an_item_published_again_is_the_newest(hamlet: Client) -> None:
    for id in ("1", "2", "1"):
        ask(hamlet, publish(MUSINGS, id))
    assert ids_in(ask(hamlet, items(MUSINGS), "get")) == ["2", "1"]


def test_a_full_node_loses_its_oldest_item_or_takes_no_other(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, configure(MUSINGS, max_items=2, notify_retract=True))
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    for id in ("1", "2", "3"):
        ask(hamlet, publish(MUSINGS, id))
    told = events(francisco.received())
    assert told[-2:] == [f"{SERVICE}: items {MUSINGS} item 3", f"{SERVICE}: items {MUSINGS} retract 1"]
    ask(hamlet, configure(MUSINGS, publish_node_full="reject"))
    assert ask(hamlet, publish(MUSINGS, "4")) == "conflict node-full"
    assert ask(hamlet, publish(MUSINGS, "3")) != "conflict node-full"
    ask(hamlet, configure(MUSINGS, publish_node_full="discard-oldest"))
    francisco.received()
    ask(hamlet, publish(MUSINGS, "4"))
    assert events(francisco.received()) == [f"{SERVICE}: items {MUSINGS} item 4"]
    assert ids_in(ask(hamlet, items(MUSINGS), "get")) == ["3", "4"]


def test_a_node_that_only_notifies_takes_no_items(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, configure(MUSINGS, persist_items=False, deliver_payloads=False))
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    francisco.received()
    assert ask(hamlet, publish(MUSINGS, "1")) == "bad-request item-forbidden"
    ask(hamlet, publish(MUSINGS))
    [told] = francisco.received()
    assert f'<items node="{MUSINGS}"></items>' in told


def test_a_notification_without_payload_names_the_item(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, configure(MUSINGS, deliver_payloads=False))
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    ask(hamlet, publish(MUSINGS, "1"))
    [told] = francisco.received()
    assert '<item id="1"></item>' in told
    assert "urn:example:tune" in ask(francisco, items(MUSINGS), "get")


def test_the_publisher_is_shown_where_the_node_says_so(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, configure(MUSINGS, itemreply="publisher", publish_model="open"))
    ask(francisco, publish(MUSINGS, "1"))
    ask(hamlet, publish(MUSINGS, "2"))
    shown = ask(hamlet, items(MUSINGS), "get")
    assert '<item id="1" publisher="francisco@localhost">' in shown
    assert '<item id="2" publisher="hamlet@localhost">' in shown
    ask(hamlet, configure(MUSINGS, itemreply="owner"))
    assert '<item id="1" publisher="hamlet@localhost">' in ask(hamlet, items(MUSINGS), "get")


def test_all_items_together_have_a_longest_size(hamlet: Client) -> None:
    long = f"<a xmlns='x'>{'a' * 900}</a>"
    answers = [ask(hamlet, publish(MUSINGS, str(number), payload=long)) for number in range(11)]
    assert answers[-1] == "resource-constraint"
    assert ask(hamlet, publish(MUSINGS, "0", payload=long)) != "resource-constraint"  # in place of another


# -- 7.2 retracting


def test_publishers_retract_their_own_and_owners_all_items(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, configure(MUSINGS, publish_model="open"))
    ask(hamlet, publish(MUSINGS, "1"))
    ask(francisco, publish(MUSINGS, "2"))
    assert ask(francisco, retract(MUSINGS, "1")) == "forbidden"
    assert ask(francisco, retract(MUSINGS, "2")) == ""
    assert ask(hamlet, retract(MUSINGS, "1")) == ""
    assert ask(hamlet, retract(MUSINGS, "1")) == "item-not-found"


def test_all_items_are_retracted_or_none(hamlet: Client) -> None:
    ask(hamlet, publish(MUSINGS, "1", "2"))
    assert ask(hamlet, retract(MUSINGS, "1", "3")) == "item-not-found"
    assert ask(hamlet, retract(MUSINGS)) == "bad-request item-required"
    assert ask(hamlet, pubsub(f"<retract node='{MUSINGS}'><item/></retract>")) == "bad-request item-required"
    assert ask(hamlet, retract("", "1")) == "bad-request nodeid-required"
    assert ids_in(ask(hamlet, items(MUSINGS), "get")) == ["1", "2"]


def test_a_retraction_is_told_if_it_or_the_node_says_so(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, publish(MUSINGS, "1", "2", "3"))
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    francisco.received()
    ask(hamlet, retract(MUSINGS, "1"))
    assert events(francisco.received()) == []
    ask(hamlet, retract(MUSINGS, "2", notify=True))
    ask(hamlet, configure(MUSINGS, notify_retract=True))
    ask(hamlet, retract(MUSINGS, "3"))
    assert events(francisco.received()) == [f"{SERVICE}: items {MUSINGS} retract {id}" for id in "23"]


# -- 6.5 retrieving


def rsm(content: str) -> str:
    return f"<set xmlns='http://jabber.org/protocol/rsm'>{content}</set>"


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<max>2</max>", ["0", "1"]),
        ("<max>2</max><after>1</after>", ["2", "3"]),
        ("<max>2</max><before/>", ["8", "9"]),
        ("<max>2</max><before>8</before>", ["6", "7"]),
        ("<max>0</max>", []),
    ],
)
def test_items_come_page_by_page_the_newest_last(hamlet: Client, page: str, shown: list[str]) -> None:
    ask(hamlet, publish(MUSINGS, *map(str, range(10))))
    answer = ask(hamlet, pubsub(f"<items node='{MUSINGS}'/>{rsm(page)}"), "get")
    assert ids_in(answer) == shown
    assert "<count>10</count>" in answer


def test_the_most_recent_and_those_of_certain_ids_are_retrieved(hamlet: Client) -> None:
    ask(hamlet, publish(MUSINGS, "1", "2", "3"))
    assert ids_in(ask(hamlet, items(MUSINGS, most=2), "get")) == ["2", "3"]
    assert ids_in(ask(hamlet, items(MUSINGS, most=9), "get")) == ["1", "2", "3"]
    assert ids_in(ask(hamlet, items(MUSINGS, "3", "nothing", "1"), "get")) == ["3", "1"]


@pytest.mark.parametrize(
    ("payload", "conditions"),
    [
        (items("nothing"), "item-not-found"),
        (items(""), "bad-request nodeid-required"),
        (items(MUSINGS, most=-1), "bad-request"),
        (pubsub(f"<items node='{MUSINGS}'/>{rsm('<after>nothing</after>')}"), "item-not-found"),
        (pubsub(f"<items node='{MUSINGS}'/>{rsm('<max>x</max>')}"), "bad-request"),
        (pubsub(f"<items node='{MUSINGS}'/>{rsm('<index>2</index>')}"), "feature-not-implemented"),
        (pubsub("<unheard-of/>"), "feature-not-implemented"),
        (pubsub(""), "bad-request"),
    ],
)
def test_items_that_cannot_be_retrieved(hamlet: Client, payload: str, conditions: str) -> None:
    assert ask(hamlet, payload, "get") == conditions


def test_a_payload_with_the_prefix_of_xml_itself_comes_as_it_was_published(hamlet: Client) -> None:
    ask(hamlet, publish(MUSINGS, "1", payload="<xml:a><b xmlns='jabber:client'>x</b></xml:a>"))
    answer = parse(f"<iq>{ask(hamlet, items(MUSINGS), 'get')}</iq>".encode())
    assert [each.tag for each in answer.iter()][-2:] == [f"{{{names.XML}}}a", f"{{{names.CLIENT}}}b"]


def test_a_long_list_is_cut_and_says_so(tmp_path: Path) -> None:
    with server_in(tmp_path, pubsub={"page_items": 2}) as server:
        add_accounts(server, "hamlet")
        hamlet = Client(server, "hamlet@localhost/elsinore")
        ask(hamlet, create(MUSINGS))
        ask(hamlet, publish(MUSINGS, "1", "2", "3"))
        answer = ask(hamlet, items(MUSINGS), "get")
    assert ids_in(answer) == ["2", "3"]
    assert "<first>" in answer and "<count>3</count>" in answer


# -- 6.1 to 6.4 subscribing


def test_a_subscriber_gets_the_last_item_and_all_that_come(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, publish(MUSINGS, "1"))
    answer, last = francisco.sends(request(subscribe(MUSINGS, "francisco@localhost"), "set", SERVICE))
    assert f'<subscription jid="francisco@localhost" node="{MUSINGS}" subscription="subscribed">' in answer
    assert 'to="francisco@localhost"' in last and "urn:xmpp:delay" in last
    assert events([last]) == [f"{SERVICE}: items {MUSINGS} item 1"]
    ask(hamlet, publish(MUSINGS, "2"))
    assert events(francisco.received()) == [f"{SERVICE}: items {MUSINGS} item 2"]


def test_who_has_unsubscribed_gets_nothing_any_more(hamlet: Client, francisco: Client) -> None:
    ask(francisco, subscribe(MUSINGS, str(francisco.jid)))
    unsubscribe = pubsub(f"<unsubscribe node='{MUSINGS}' jid='{francisco.jid}'/>")
    assert ask(francisco, unsubscribe) == ""
    assert ask(francisco, unsubscribe) == "unexpected-request not-subscribed"
    ask(hamlet, publish(MUSINGS, "1"))
    assert francisco.received() == []


@pytest.mark.parametrize(
    ("payload", "type", "conditions"),
    [
        (subscribe(MUSINGS, "hamlet@localhost"), "set", "bad-request invalid-jid"),
        (subscribe(MUSINGS, "a@b@c"), "set", "jid-malformed"),
        (pubsub(f"<subscribe node='{MUSINGS}'/>"), "set", "bad-request jid-required"),
        (subscribe("nothing", "francisco@localhost"), "set", "item-not-found"),
        (pubsub(f"<unsubscribe node='{MUSINGS}' jid='hamlet@localhost'/>"), "set", "forbidden"),
        (pubsub("<unsubscribe node='nothing' jid='francisco@localhost'/>"), "set", "item-not-found"),
        (pubsub(f"<options node='{MUSINGS}' jid='hamlet@localhost'/>"), "get", "forbidden"),
        (pubsub(f"<options node='{MUSINGS}' jid='francisco@localhost'/>"), "get", "unexpected-request not-subscribed"),
        (pubsub(f"<options node='{MUSINGS}'/>"), "get", "bad-request jid-required"),
        (pubsub("<options node='nothing' jid='francisco@localhost'/>"), "get", "item-not-found"),
    ],
)
def test_a_subscription_that_cannot_be(francisco: Client, payload: str, type: str, conditions: str) -> None:
    assert ask(francisco, payload, type) == conditions


def test_a_node_can_have_no_subscribers(hamlet: Client, francisco: Client) -> None:
    ask(hamlet, configure(MUSINGS, subscribe=False))
    assert ask(francisco, subscribe(MUSINGS, "francisco@localhost")) == "feature-not-implemented unsupported"


def test_one_address_has_at_most_so_many_subscriptions(francisco: Client) -> None:
    answers = [ask(francisco, subscribe(MUSINGS, f"francisco@localhost/{number}")) for number in range(3)]
    assert answers[2] == "policy-violation too-many-subscriptions"


def test_where_an_owner_approves_a_subscription_waits(hamlet: Client, francisco: Client) -> None:
    hamlet.sends("<presence/>")
    ask(hamlet, configure(MUSINGS, access_model="authorize"))
    asked = subscribe(MUSINGS, "francisco@localhost")
    assert 'subscription="pending"' in ask(francisco, asked)
    assert ask(francisco, asked) == "not-authorized pending-subscription"
    assert ask(francisco, items(MUSINGS), "get") == "not-authorized not-subscribed"
    [question] = [each for each in hamlet.received() if "subscribe_authorization" in each]
    assert "<value>francisco@localhost</value>" in question
    ask(hamlet, publish(MUSINGS, "1"))
    assert francisco.received() == []


def test_options_are_set_with_the_subscription_or_later(hamlet: Client, francisco: Client) -> None:
    silent = f"<options>{form(SUBSCRIBE_OPTIONS, deliver=False)}</options>"
    together = pubsub(f"<subscribe node='{MUSINGS}' jid='francisco@localhost'/>{silent}")
    assert "<options>" in ask(francisco, together)
    ask(hamlet, publish(MUSINGS, "1"))
    assert francisco.received() == []
    named = f"<options node='{MUSINGS}' jid='francisco@localhost'"
    assert "<value>0</value>" in ask(francisco, pubsub(f"{named}/>"), "get")
    assert ask(francisco, pubsub(f"{named}>{form(SUBSCRIBE_OPTIONS, deliver='maybe')}</options>")) == (
        "bad-request invalid-options"
    )
    assert ask(francisco, pubsub(f"{named}>{form(SUBSCRIBE_OPTIONS, deliver=True)}</options>")) == ""
    ask(hamlet, publish(MUSINGS, "2"))
    assert len(francisco.received()) == 1


def test_options_beside_a_subscription_name_no_node(francisco: Client) -> None:
    options = f"<options node='{MUSINGS}'>{form(SUBSCRIBE_OPTIONS, deliver=False)}</options>"
    assert ask(francisco, pubsub(f"<subscribe node='{MUSINGS}' jid='francisco@localhost'/>{options}")) == "bad-request"


def test_everybody_is_told_how_subscriptions_begin(francisco: Client) -> None:
    assert "<value>1</value>" in ask(francisco, pubsub("<default/>"), "get")
    assert "<value>1</value>" in ask(francisco, pubsub(f"<default node='{MUSINGS}'/>"), "get")


# -- 5.6, 5.7 what somebody has


def test_everybody_is_told_of_its_own_subscriptions_and_affiliations(hamlet: Client, francisco: Client) -> None:
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    own = ask(francisco, pubsub("<subscriptions/>"), "get")
    assert f'<subscription jid="francisco@localhost" node="{MUSINGS}" subscription="subscribed">' in own
    assert "<subscription " not in ask(francisco, pubsub("<subscriptions node='other'/>"), "get")
    assert "<subscription " not in ask(hamlet, pubsub("<subscriptions/>"), "get")
    assert f'<affiliation affiliation="owner" node="{MUSINGS}">' in ask(hamlet, pubsub("<affiliations/>"), "get")
    assert "<affiliation " not in ask(francisco, pubsub("<affiliations/>"), "get")


# -- 16.4.4 what else a node can be configured to do


def test_owners_are_told_of_subscribers_who_come_and_go_if_the_node_says_so(hamlet: Client, francisco: Client) -> None:
    hamlet.sends("<presence/>")
    ask(hamlet, configure(MUSINGS, notify_sub=True))
    hamlet.received()
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    ask(francisco, pubsub(f"<unsubscribe node='{MUSINGS}' jid='francisco@localhost'/>"))
    came, went = hamlet.received()
    assert f'<subscription jid="francisco@localhost" node="{MUSINGS}" subscription="subscribed">' in came
    assert f'<subscription jid="francisco@localhost" node="{MUSINGS}" subscription="none">' in went


def test_an_item_expires(server: Server, hamlet: Client) -> None:
    ask(hamlet, configure(MUSINGS, item_expire=60))
    ask(hamlet, publish(MUSINGS, "1"))
    assert ids_in(ask(hamlet, items(MUSINGS), "get")) == ["1"]
    node = pubsub_nodes.get(server.db, JID.parse(SERVICE), MUSINGS)
    assert node is not None
    pubsub_items.put(server.db, node, [Item("1", hamlet.account, time.time() - 61, b"<a xmlns='x'/>")])
    for payload in (items(MUSINGS), items(MUSINGS, "1"), pubsub(f"<items node='{MUSINGS}'/>{rsm('<before/>')}")):
        assert ids_in(ask(hamlet, payload, "get")) == []
    ask(hamlet, publish(MUSINGS, "2"))
    assert pubsub_items.ids(server.db, node, 9) == ["2"]


def test_notifications_of_type_normal_wait_for_their_addressee_unless_only_who_is_online_gets_them(
    server: Server, hamlet: Client, francisco: Client
) -> None:
    ask(hamlet, configure(MUSINGS, notification_type="normal", send_last_published_item="never"))
    ask(francisco, subscribe(MUSINGS, "francisco@localhost"))
    francisco.sends("<presence type='unavailable'/>")
    ask(hamlet, publish(MUSINGS, "1"))
    ask(hamlet, configure(MUSINGS, presence_based_delivery=True))
    ask(hamlet, publish(MUSINGS, "2"))
    [kept] = [each for each in francisco.sends("<presence/>") if each.startswith("<message")]
    assert 'type="normal"' in kept and ids_in(kept) == ["1"]
