"""XEP-0485: a server publishes what there is to know of it, and nobody else does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.discovery import server_info
from tests.harness.in_process import Client, add_accounts, online, server_in
from tests.harness.nodes import INFO, SERVICE, ask, create, events, items, owner, publish, subscribe
from xmpp.routing.tables import SERVER_STARTED
from xmpp.server import Server

DISCO = f"<query xmlns='{INFO}'/>"
VERSION = {"name": "Globe", "version": "1599"}
SOFTWARE = '<query xmlns="jabber:iq:version"><name>Globe</name><version>1599</version></query>'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, version=VERSION) as server:
        add_accounts(server, "francisco")
        server_info.publish(server)
        yield server


@pytest.fixture
def francisco(server: Server) -> Client:
    return online(server, "francisco@localhost/barracks")


def shown(client: Client, service: str = SERVICE) -> str:
    """What stands in the item."""
    answer = ask(client, items("serverinfo"), "get", service)
    return answer.partition('<item id="current">')[2].partition("</item>")[0]


def test_anybody_sees_the_domain_and_its_software(server: Server) -> None:
    stranger = Client(server, "stranger@example.org/x")
    assert shown(stranger) == (
        f'<serverinfo xmlns="urn:xmpp:serverinfo:0"><domain name="localhost"></domain>{SOFTWARE}</serverinfo>'
    )


def test_the_domain_announces_it_and_the_node_is_a_leaf(francisco: Client) -> None:
    assert "urn:xmpp:serverinfo:0" in francisco.asks(DISCO, to="localhost")
    node = ask(francisco, f"<query xmlns='{INFO}' node='serverinfo'/>", "get")
    assert '<identity category="pubsub" type="leaf">' in node
    assert '<field type="jid-multi" var="pubsub#owner"><value>localhost</value>' in node


def test_who_tells_nobody_its_software_does_not_publish_it(tmp_path: Path) -> None:
    with server_in(tmp_path, version={"enabled": False}) as server:
        server_info.publish(server)
        assert "jabber:iq:version" not in shown(Client(server, "stranger@example.org/x"))


@pytest.mark.parametrize(
    "payload",
    [publish("serverinfo", "current"), owner("<delete node='serverinfo'/>"), owner("<purge node='serverinfo'/>")],
)
def test_nobody_publishes_in_the_place_of_the_server(francisco: Client, payload: str) -> None:
    assert ask(francisco, payload) == "forbidden"


def test_a_node_that_somebody_made_before_is_not_the_servers(tmp_path: Path) -> None:
    with server_in(tmp_path, version=VERSION) as server:
        add_accounts(server, "francisco")
        francisco = Client(server, "francisco@localhost/barracks")
        ask(francisco, create("serverinfo"))
        ask(francisco, publish("serverinfo", "lie"))
        server_info.publish(server)
        assert ask(francisco, items("serverinfo"), "get").count("<item ") == 1
        assert SOFTWARE in shown(francisco)
        assert ask(francisco, publish("serverinfo", "lie")) == "forbidden"


def test_subscribers_are_told_once_of_what_has_changed(server: Server, francisco: Client) -> None:
    ask(francisco, subscribe("serverinfo", "francisco@localhost"))
    francisco.received()
    server_info.publish(server)
    assert francisco.received() == []
    server.reload(server.configuration.with_values({"version": {"version": "1600"}}))
    server_info.publish(server)
    assert events(francisco.received()) == [f"{SERVICE}: items serverinfo item current"]


def test_each_domain_has_its_own(tmp_path: Path) -> None:
    with server_in(tmp_path, server={"domains": ("localhost", "elsinore.example")}) as server:
        server_info.publish(server)
        stranger = Client(server, "stranger@example.org/x")
        assert [shown(stranger, f"pubsub.{domain}").count(domain) for domain in server.domains] == [1, 1]
        assert "elsinore" not in shown(stranger)


def test_it_is_published_when_the_server_starts(server: Server) -> None:
    assert server_info.publish in server.tables[SERVER_STARTED]
