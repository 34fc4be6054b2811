"""docs/security.md row 23: a node speaks for those who publish at it and own it; who has blocked them hears nothing.

Each test says what is done, and who is to hear of it; that the blocked one cannot tell is in the answers it gets.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import blocklists
from tests.harness.in_process import Client, add_accounts, befriend, server_in
from tests.harness.nodes import (
    SERVICE,
    ask,
    change,
    comes_online,
    configure,
    create,
    events,
    items,
    owner,
    publish,
    pubsub,
    retract,
    subscribe,
    subscribed_node,
)
from xmpp.data.jid import JID
from xmpp.server import Server

NODE = "musings"
MALLORY, VICTIM, FRIEND = "mallory@localhost", "victim@localhost", "friend@localhost"
BLOCKED = ("mallory@localhost", "mallory@localhost/here")
TYPES = ("headline", "normal")


DONE = {
    "publish": publish(NODE, "2"),
    "retract": retract(NODE, "1", notify=True),
    "purge": owner(f"<purge node='{NODE}'/>"),
    "configuration": configure(NODE, title="Read this"),
    "delete": owner(f"<delete node='{NODE}'><redirect uri='xmpp:read@this'/></delete>"),
    "affiliation": change("affiliation", NODE, VICTIM, "member"),
    "subscription": change("subscription", NODE, VICTIM, "none"),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "mallory", "victim", "friend")
        yield server


def block(client: Client, address: str) -> None:
    blocklists.add(client.server.db, client.account, [JID.parse(address)])


def unblock(client: Client) -> None:
    blocklists.clear(client.server.db, client.account)


# -- who publishes and owns


@pytest.mark.parametrize("blocked", BLOCKED)
@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("done", DONE)
def test_row_23_whoever_has_blocked_an_owner_hears_nothing_of_what_it_does(
    mallory: Client, victim: Client, done: str, type: str, blocked: str
) -> None:
    subscribed_node(NODE, mallory, victim, notification_type=type, notify_config=True)
    block(victim, blocked)
    assert not ask(mallory, DONE[done]).startswith("not-")
    assert victim.received() == []


@pytest.mark.parametrize("done", DONE)
def test_row_23_the_one_who_is_blocked_is_answered_as_if_it_were_not(
    mallory: Client, victim: Client, done: str
) -> None:
    answers = []
    for is_blocked in (False, True):
        subscribed_node(NODE, mallory, victim, notify_config=True)
        if is_blocked:
            block(victim, MALLORY)
        answer = ask(mallory, DONE[done])
        listed = ask(mallory, owner(f"<subscriptions node='{NODE}'/>"), "get")
        answers.append((answer, listed))
        ask(mallory, owner(f"<delete node='{NODE}'/>"))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("done", ["publish", "delete"])
def test_row_23_nothing_of_it_is_kept_for_when_somebody_comes(mallory: Client, victim: Client, done: str) -> None:
    subscribed_node(NODE, mallory, victim, notification_type="normal")
    victim.sends("<presence type='unavailable'/>")
    block(victim, MALLORY)
    ask(mallory, DONE[done])
    unblock(victim)
    told = events([each for each in victim.sends("<presence/>") if each.startswith("<message")])
    assert told in ([], [f"{SERVICE}: items {NODE} item 2"])  # the last item, which comes with presence


@pytest.mark.parametrize("blocked", [*BLOCKED, SERVICE])
def test_row_23_no_last_item_comes_with_presence_or_with_a_subscription(
    mallory: Client, victim: Client, blocked: str
) -> None:
    subscribed_node(NODE, mallory, victim)
    block(victim, blocked)
    victim.sends("<presence type='unavailable'/>")
    assert events(victim.sends("<presence/>")) == []
    if blocked != SERVICE:
        ask(mallory, create("another"))
        ask(mallory, publish("another", "1"))
        ask(victim, subscribe("another", VICTIM))
        assert events(victim.received()) == []


@pytest.mark.parametrize("blocked", BLOCKED)
@pytest.mark.parametrize("host", [SERVICE, FRIEND])
def test_row_23_of_a_node_with_many_publishers_those_are_not_heard_who_are_blocked(
    mallory: Client, victim: Client, friend: Client, host: str, blocked: str
) -> None:
    subscribed_node(NODE, friend, victim, host=host, publish_model="open", max_items="max")
    block(victim, blocked)
    assert "<item" in ask(mallory, publish(NODE, "bad"), to=host)
    assert events(victim.received()) == []
    ask(friend, publish(NODE, "good"), to=host)
    assert events(victim.received()) == [f"{host}: items {NODE} item good"]


def test_row_23_nor_by_devices_that_want_to_hear_of_a_contact(
    server: Server, mallory: Client, victim: Client, friend: Client
) -> None:
    befriend(server, victim.account, friend.account)
    ask(friend, create(NODE, publish_model="open", access_model="open"), to="")
    block(victim, MALLORY)
    comes_online(victim, NODE)
    victim.received()
    ask(mallory, publish(NODE, "1"), to=FRIEND)
    assert events(victim.received()) == []
    victim.sends("<presence type='unavailable'/>")
    assert events(comes_online(victim, NODE, "more")) == []


def test_row_23_the_ids_of_a_blocked_publisher_are_not_told_by_others(
    mallory: Client, victim: Client, friend: Client
) -> None:
    subscribed_node(NODE, friend, victim, publish_model="open")
    block(victim, MALLORY)
    ask(mallory, publish(NODE, "read this"))
    ask(friend, retract(NODE, "read this", "1", notify=True))
    assert events(victim.received()) == [f"{SERVICE}: items {NODE} retract 1"]


def test_row_23_one_of_several_owners_may_be_blocked(mallory: Client, victim: Client, friend: Client) -> None:
    subscribed_node(NODE, friend, victim)
    ask(friend, change("affiliation", NODE, MALLORY, "owner"))
    ask(mallory, configure(NODE, title="Mine, too"))
    block(victim, MALLORY)
    ask(friend, publish(NODE, "2"))
    assert events(victim.received()) == [f"{SERVICE}: items {NODE} item 2"]
    ask(mallory, publish(NODE, "3"))
    assert victim.received() == []


def test_row_23_a_node_whose_owners_are_blocked_speaks_for_nobody(
    mallory: Client, victim: Client, friend: Client
) -> None:
    subscribed_node(NODE, mallory, victim, publish_model="open")
    block(victim, MALLORY)
    ask(friend, publish(NODE, "2"))
    assert victim.received() == []


# -- who wants to subscribe


def test_row_23_an_owner_is_not_asked_by_those_it_has_blocked_nor_told_of_them(
    mallory: Client, victim: Client
) -> None:
    ask(victim, create(NODE, access_model="authorize", notify_sub=True))
    block(victim, MALLORY)
    assert 'subscription="pending"' in ask(mallory, subscribe(NODE, MALLORY))
    ask(mallory, pubsub(f"<unsubscribe node='{NODE}' jid='{MALLORY}'/>"))
    ask(victim, configure(NODE, access_model="open"))
    ask(mallory, subscribe(NODE, MALLORY))
    assert victim.received() == []


@pytest.mark.parametrize("model", ["presence", "roster"])
def test_row_23_whom_an_owner_has_blocked_does_not_see_what_is_for_its_contacts(
    server: Server, mallory: Client, victim: Client, model: str
) -> None:
    befriend(server, victim.account, mallory.account)
    ask(victim, f"<query xmlns='jabber:iq:roster'><item jid='{MALLORY}'><group>All</group></item></query>", to="")
    subscribed_node(NODE, victim, mallory, access_model=model, roster_groups_allowed=["All"])
    block(victim, MALLORY)
    ask(victim, publish(NODE, "2"))
    assert mallory.received() == []
    assert ask(mallory, items(NODE), "get").startswith("not-authorized")
