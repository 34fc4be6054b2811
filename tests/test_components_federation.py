"""Components and people on other servers: a component's domain is one of the server's own to them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import gevent
import pytest

from handlers.login import accounts
from tests.harness.components import SECRET, Component, domain_of
from tests.harness.federated import Directory, federated, server_port
from tests.harness.in_process import Client, online
from tests.harness.peer_servers import PeerStream
from xmpp.components.listener import ComponentListener
from xmpp.data.jid import JID
from xmpp.server import Server

BRIDGE, BOT = "bridge.a.example", "bot.test"
NAMES = [f"{label}{domain}" for domain in ("a.example", "b.example") for label in ("", "rooms.", "pubsub.")]
Servers = tuple[Server, Server]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Servers for a.example, which has components, and b.example."""
    directory, secrets = Directory(), {BRIDGE: SECRET, BOT: SECRET}
    plain = {"without_tls": [*NAMES, BRIDGE, BOT]}
    with ExitStack() as opened:
        first, second = (
            opened.enter_context(
                federated(
                    tmp_path,
                    directory,
                    domain,
                    federation=plain,
                    components={"secrets": secrets if domain == "a.example" else {}, "port": 0, "confirm_seconds": 0},
                )
            )
            for domain in ("a.example", "b.example")
        )
        listener = ComponentListener(first)
        listener.start()
        first.listeners.append(listener)
        for component in secrets:
            directory.ports[component] = server_port(first)
        yield first, second


@pytest.fixture
def romeo(servers: Servers) -> Client:
    """Somebody on the other server."""
    jid = JID.parse("romeo@b.example/x")
    accounts.create(servers[1], jid.bare, "secret")
    return online(servers[1], str(jid))


def next_message(client: Client) -> str:
    with gevent.Timeout(30):
        while not (came := [stanza for stanza in client.received() if stanza.startswith("<message")]):
            gevent.sleep(0.002)
    [message] = came
    return message


@pytest.mark.parametrize("domain", [BRIDGE, BOT])
def test_people_elsewhere_and_a_component_write_to_each_other(servers: Servers, romeo: Client, domain: str) -> None:
    with Component.attached(servers[0], domain) as component:
        romeo.sends(f"<message to='nurse@{domain}' type='chat' id='m'><body>hi</body></message>")
        assert component.next() == (
            f'<message from="romeo@b.example/x" id="m" to="nurse@{domain}" type="chat"><body>hi</body></message>'
        )
        component.send(f"<message from='nurse@{domain}' to='romeo@b.example' type='chat'><body>ho</body></message>")
        assert "<body>ho</body>" in next_message(romeo)


def test_what_waits_for_a_component_that_does_not_come_goes_back_over_the_link(
    servers: Servers, romeo: Client
) -> None:
    domain = domain_of(servers[0], BRIDGE)
    romeo.sends(f"<message to='nurse@{BRIDGE}' type='chat' id='m'><body>hi</body></message>")
    with gevent.Timeout(30):
        while not domain.waiting:
            gevent.sleep(0.002)
    domain.give_up()
    error = next_message(romeo)
    assert 'id="m"' in error
    assert "<service-unavailable " in error


def test_nobody_elsewhere_speaks_for_a_component(servers: Servers) -> None:
    """The other server does not get its name by asking for it: it is one of this server's own."""
    with PeerStream.to(servers[0]) as peer:
        error = peer.opens(to="a.example", sender=BRIDGE)
        assert "policy-violation" in str([child.tag for child in error])
