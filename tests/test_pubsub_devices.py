"""XEP-0060 section 7.1.2, XEP-0163 section 4.3: each device is told what it is due, and once.

By a subscription of its own, by one of its account, or because it wants to hear of a node.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.in_process import Client, add_accounts, befriend, online, server_in
from tests.harness.managed_client import ManagedClient, ReturningClient
from tests.harness.nodes import ask, comes_online, configure, create, events, owner, publish, retract, subscribe
from xmpp.data.jid import JID
from xmpp.server import Server

TUNE = "urn:example:tune"
ROMEO, JULIET = "romeo@localhost", "juliet@localhost"
DONE = {
    "publish": (publish(TUNE, "2"), f"{ROMEO}: items {TUNE} item 2"),
    "retract": (retract(TUNE, "1", notify=True), f"{ROMEO}: items {TUNE} retract 1"),
    "purge": (owner(f"<purge node='{TUNE}'/>"), f"{ROMEO}: purge {TUNE}"),
    "delete": (owner(f"<delete node='{TUNE}'/>"), f"{ROMEO}: delete {TUNE}"),
    "configuration": (configure(TUNE, title="Nightingale"), f"{ROMEO}: configuration {TUNE}"),
}
SUBSCRIBED = {
    "the other device": [f"{JULIET}/balcony"],
    "the account": [JULIET],
    "both": [JULIET, f"{JULIET}/balcony"],
    "all": [JULIET, f"{JULIET}/balcony", f"{JULIET}/chamber"],
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        befriend(server, JID.parse(ROMEO), JID.parse(JULIET))
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    return Client(server, f"{ROMEO}/orchard")


@pytest.fixture
def balcony(server: Server) -> Client:
    return online(server, f"{JULIET}/balcony")


@pytest.fixture
def chamber(server: Server, balcony: Client) -> Client:
    """This one wants to hear of the node."""
    client = Client(server, f"{JULIET}/chamber")
    comes_online(client, TUNE)
    return client


@pytest.mark.parametrize("type", ["headline", "normal"])
@pytest.mark.parametrize("subscribed", SUBSCRIBED)
@pytest.mark.parametrize("done", DONE)
def test_a_device_is_told_what_it_is_due_whatever_another_one_is_told(
    romeo: Client, balcony: Client, chamber: Client, done: str, subscribed: str, type: str
) -> None:
    payload, event = DONE[done]
    ask(romeo, create(TUNE, notify_config=True, notification_type=type), to="")
    ask(romeo, publish(TUNE, "1"), to="")
    for address in SUBSCRIBED[subscribed]:
        ask(balcony, subscribe(TUNE, address), to=ROMEO)
    balcony.received(), chamber.received()
    ask(romeo, payload, to="")
    assert events(balcony.received()) == [event]
    assert events(chamber.received()) == [event]


@pytest.mark.parametrize("wants", [True, False])
@pytest.mark.parametrize("done", DONE)
def test_a_device_that_waits_to_be_resumed_is_told_once_when_it_is_back(
    server: Server, romeo: Client, balcony: Client, done: str, *, wants: bool
) -> None:
    payload, event = DONE[done]
    ask(romeo, create(TUNE, notify_config=True), to="")
    ask(romeo, publish(TUNE, "1"), to="")
    ask(balcony, subscribe(TUNE, JULIET), to=ROMEO)
    phone = ManagedClient(server, f"{JULIET}/phone")
    id = phone.enables(resume="true")
    comes_online(phone, *([TUNE] if wants else []))
    phone.management.sent.acknowledge(phone.management.sent.count)
    phone.loses_connection()
    ask(romeo, payload, to="")
    back = ReturningClient(server, JULIET)
    assert events(back.resumes(id, phone.management.sent.acknowledged)) == [event]


@pytest.mark.parametrize("type", ["headline", "normal"])
def test_who_wants_to_hear_of_a_node_does_so_with_a_negative_priority_too(
    romeo: Client, balcony: Client, chamber: Client, type: str
) -> None:
    ask(romeo, create(TUNE, notification_type=type), to="")
    ask(balcony, subscribe(TUNE, JULIET), to=ROMEO)
    chamber.sends("<presence><priority>-1</priority></presence>")
    balcony.received()
    ask(romeo, publish(TUNE, "1"), to="")
    assert events(balcony.received()) == [f"{ROMEO}: items {TUNE} item 1"]
    assert events(chamber.received()) == [f"{ROMEO}: items {TUNE} item 1"]
