"""docs/security.md row 23: who is blocked while an event of theirs waits for somebody is not heard either."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import offline
from tests.harness.blocklists import block
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import SERVICE, ask, configure, events, owner, publish, retract, subscribed_node
from xmpp.server import Server

NODE = "musings"
MALLORY, FRIEND = "mallory@localhost", "friend@localhost"
BLOCKED = ("mallory@localhost", "mallory@localhost/here")
WAITING: dict[str, Any] = {"notification_type": "normal", "send_last_published_item": "never"}
DONE = {
    "publish": publish(NODE, "2"),
    "retract": retract(NODE, "1", notify=True),
    "purge": owner(f"<purge node='{NODE}'/>"),
    "configuration": configure(NODE, title="Read this"),
    "delete": owner(f"<delete node='{NODE}'><redirect uri='xmpp:read@this'/></delete>"),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "mallory", "victim", "friend")
        yield server


def waits_for(victim: Client, owner: Client, done: str) -> None:
    """An event that has come while nobody was there."""
    subscribed_node(NODE, owner, victim, notify_config=True, max_items="max", **WAITING)
    victim.sends("<presence type='unavailable'/>")
    ask(owner, done)


def waiting_events(client: Client) -> list[str]:
    """What has waited for somebody, when it comes back."""
    before = offline.count(client.server.db, client.account)
    received = [each for each in client.sends("<presence/>") if each.startswith("<message")]
    assert offline.count(client.server.db, client.account) == 0 < before
    return events(received)


@pytest.mark.parametrize("blocked", [*BLOCKED, SERVICE])
@pytest.mark.parametrize("done", DONE)
def test_row_23_what_waits_is_not_heard_when_its_owner_is_blocked_meanwhile(
    mallory: Client, victim: Client, done: str, blocked: str
) -> None:
    waits_for(victim, mallory, DONE[done])
    assert block(victim, blocked) == ""
    assert waiting_events(victim) == []


@pytest.mark.parametrize("done", DONE)
def test_row_23_what_waits_is_heard_where_nobody_is_blocked(mallory: Client, victim: Client, done: str) -> None:
    waits_for(victim, mallory, DONE[done])
    assert len(waiting_events(victim)) == 1


@pytest.mark.parametrize("done", [each for each in DONE if each != "delete"])
def test_row_23_what_waits_is_heard_where_somebody_else_is_blocked(
    mallory: Client, victim: Client, friend: Client, done: str
) -> None:
    waits_for(victim, friend, DONE[done])
    assert block(victim, MALLORY) == ""
    assert len(waiting_events(victim)) == 1


@pytest.mark.parametrize("blocked", BLOCKED)
@pytest.mark.parametrize("itemreply", ["publisher", "owner"])
@pytest.mark.parametrize("host", [SERVICE, FRIEND])
def test_row_23_of_many_publishers_those_are_not_heard_who_are_blocked_while_it_waits(
    mallory: Client, victim: Client, friend: Client, host: str, itemreply: str, blocked: str
) -> None:
    options: dict[str, Any] = {"publish_model": "open", "max_items": "max", "itemreply": itemreply, **WAITING}
    subscribed_node(NODE, friend, victim, host=host, **options)
    victim.sends("<presence type='unavailable'/>")
    ask(mallory, publish(NODE, "bad"), to=host)
    ask(friend, publish(NODE, "good"), to=host)
    assert block(victim, blocked) == ""
    assert waiting_events(victim) == [f"{host}: items {NODE} item good"]


@pytest.mark.parametrize(
    ("hidden", "heard"),
    [(publish(NODE, "bad"), ["item bad"]), (retract(NODE, "bad"), []), (publish(NODE, "another"), ["item another"])],
)
def test_row_23_it_is_not_heard_either_where_nobody_can_tell_any_more_who_has_published_it(
    mallory: Client, victim: Client, friend: Client, hidden: str, heard: list[str]
) -> None:
    subscribed_node(NODE, friend, victim, **WAITING, publish_model="open", max_items=1)
    victim.sends("<presence type='unavailable'/>")
    ask(mallory, publish(NODE, "bad"))
    ask(friend, hidden)  # in its place
    assert block(victim, MALLORY) == ""
    assert waiting_events(victim) == [f"{SERVICE}: items {NODE} {item}" for item in heard]


def test_row_23_what_is_gone_is_heard_where_only_others_may_have_published_it(
    mallory: Client, victim: Client, friend: Client
) -> None:
    subscribed_node(NODE, friend, victim, **WAITING, max_items=1)
    victim.sends("<presence type='unavailable'/>")
    ask(friend, publish(NODE, "2"))
    ask(friend, publish(NODE, "3"))
    assert block(victim, MALLORY) == ""
    assert waiting_events(victim) == [f"{SERVICE}: items {NODE} item 2", f"{SERVICE}: items {NODE} item 3"]
