"""Nobody can be kept from coming online, or from resuming, by what the server would then have to send at once."""

import socket
from collections.abc import Iterator

import pytest
from lxml import etree

from tests.harness.nodes import create, publish, subscribe
from tests.harness.rawclient import RawClient, logged_in, new_account, somebody
from tests.harness.servers import RunningServer
from xmpp.data import names

SERVICE = "pubsub.localhost"
NODES, ITEM_BYTES = 60, 120_000  # 7.2 MB: more than may wait for a client that does not read (4 MiB)
DEVICES, PRESENCE_BYTES = 9, 250_000
MISSED, MESSAGE_BYTES = 30, 200_000  # between that and what may wait to be acknowledged (8 MiB)
LITTLE = 16384  # of receive buffer: then the system takes little that the client has not read
SM = "urn:xmpp:sm:3"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with RunningServer.demo() as server:
        yield server


def with_little_room(server: RunningServer, name: str, password: str) -> RawClient:
    """A client that has logged in and reads no more than it has to, with no resource yet."""
    client = RawClient(server.port)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
    client.open()
    client.authenticate(name, password)
    return client


def become_contacts(one: RawClient, other: RawClient) -> None:
    for asks, grants in ((one, other), (other, one)):
        address = grants.jid.partition("/")[0]
        asks.send(f"<presence to='{address}' type='subscribe'/>")
        asks.comes_before_pong()
        grants.send(f"<presence to='{asks.jid.partition('/')[0]}' type='subscribed'/>")
        grants.comes_before_pong()


def come(client: RawClient, count: int, found: str) -> list[etree._Element]:
    """Read until so many elements have come that contain this one."""
    came: list[etree._Element] = []
    while len(came) < count:
        element = client.receive()
        if element.find(f".//{found}") is not None:
            came.append(element)
    return came


def test_the_last_items_of_many_nodes_all_come(server: RunningServer) -> None:
    name, password = new_account(server.port)
    with somebody(server.port) as publisher, logged_in(server.port, name, password) as victim:
        for node in (f"{name}-{number}" for number in range(NODES)):
            publisher.ask("set", create(node, send_last_published_item="on_sub_and_presence"), to=SERVICE)
            payload = f"<tune xmlns='urn:example:tune'>{'x' * ITEM_BYTES}</tune>"
            publisher.ask("set", publish(node, "1", payload=payload), to=SERVICE)
            victim.ask("set", subscribe(node, f"{name}@localhost"), to=SERVICE)
            victim.comes_before_pong()
    with with_little_room(server, name, password) as victim:
        victim.bind()
        victim.send("<presence/>")
        assert len(come(victim, NODES, "{urn:example:tune}tune")) == NODES


def test_the_presence_of_contacts_with_many_devices_all_comes(server: RunningServer) -> None:
    name, password = new_account(server.port)
    contacts = [new_account(server.port) for _ in range(2)]
    with logged_in(server.port, name, password) as victim:
        victim.send("<presence/>")
        for contact in contacts:
            with logged_in(server.port, *contact) as friend:
                become_contacts(victim, friend)
    devices = [logged_in(server.port, *contact) for contact in contacts for _ in range(DEVICES)]
    for device in devices:
        device.send(f"<presence><long xmlns='urn:l'>{'x' * PRESENCE_BYTES}</long></presence>")
    for device in devices:
        device.comes_before_pong()
    with with_little_room(server, name, password) as victim:
        victim.bind()
        victim.send("<presence/>")
        assert len({each.get("from") for each in come(victim, 2 * DEVICES, "{urn:l}long")}) == 2 * DEVICES
    for device in devices:
        device.close()


def test_all_that_a_resumed_stream_has_missed_comes(server: RunningServer) -> None:
    name, password = new_account(server.port)
    with logged_in(server.port, name, password) as victim:
        victim.send(f"<enable xmlns='{SM}' resume='true'/>")
        id = victim.receive().get("id")
        address = victim.jid
    with somebody(server.port) as sender:
        for _ in range(MISSED):
            sender.send(f"<message to='{address}' type='chat'><body>{'x' * MESSAGE_BYTES}</body></message>")
        sender.comes_before_pong()
    with with_little_room(server, name, password) as victim:
        victim.send(f"<resume xmlns='{SM}' previd='{id}' h='0'/>")
        assert victim.receive().tag == f"{{{SM}}}resumed"
        assert len(come(victim, MISSED, names.BODY)) == MISSED
