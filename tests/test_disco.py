"""XEP-0030: what a domain and an account tell about themselves, and to whom; XEP-0157: contact addresses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from lxml import etree

from db.sqlite.database import Database
from handlers.discovery.disco_info import DiscoSettings
from handlers.tables import FEATURES, TABLES
from tests.harness.in_process import Client, add_accounts, befriend, configuration, server_in, xml
from xmpp.config.configuration import ConfigError
from xmpp.data.disco import INFO as INFO_NAMESPACE
from xmpp.data.disco import Identity, Info
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing import servers
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import Feature, Subdomain
from xmpp.server import Server

INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def at_node(query: str, node: str) -> str:
    return query.replace("/>", f" node='{node}'/>")


def test_a_domain_is_a_server_with_the_features_of_all_its_handlers(server: Server, romeo: Client) -> None:
    answer = romeo.asks(INFO, to="localhost")
    assert '<identity category="server" type="im">' in answer
    announced = {var for feature in server.registry.features if not feature.announced_if for var in feature.disco}
    assert {"http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"} < announced
    assert answer.count("<feature ") == len(announced)
    for var in announced:
        assert f'<feature var="{var}">' in answer


def test_an_account_tells_its_owner_what_it_is(server: Server, romeo: Client) -> None:
    answers = {romeo.asks(INFO, to=to) for to in ("", "romeo@localhost")}
    announced = {var for feature in server.registry.features for var in feature.account_disco}
    features = "".join(f'<feature var="{var}"/>' for var in sorted(announced))
    assert answers == {
        xml(
            '<query xmlns="http://jabber.org/protocol/disco#info">'
            '<identity category="account" type="registered"/><identity category="pubsub" type="pep"/>'
            f"{features}</query>"
        )
    }


def test_an_account_answers_those_who_see_its_presence(server: Server, romeo: Client) -> None:
    juliet = Client(server, "juliet@localhost/balcony")
    befriend(server, romeo.account, juliet.account)
    assert juliet.asks(INFO, to="romeo@localhost") == romeo.asks(INFO)
    assert juliet.asks(ITEMS, to="romeo@localhost") == romeo.asks(ITEMS)


@pytest.mark.parametrize("query", [INFO, at_node(INFO, "x")])
def test_a_stranger_cannot_tell_an_account_from_none(server: Server, query: str) -> None:
    juliet = Client(server, "juliet@localhost/balcony")
    assert juliet.asks(query, to="romeo@localhost") == "service-unavailable"
    assert juliet.asks(query, to="nobody@localhost") == "service-unavailable"


@pytest.mark.parametrize("query", [ITEMS, at_node(ITEMS, "x")])
def test_a_stranger_is_shown_no_items_of_an_account_and_none_where_there_is_no_account(
    server: Server, query: str
) -> None:
    juliet = Client(server, "juliet@localhost/balcony")
    assert juliet.asks(query, to="romeo@localhost") == xml(query)
    assert juliet.asks(query, to="nobody@localhost") == xml(query)


def test_an_account_without_nodes_has_no_items(romeo: Client) -> None:
    assert romeo.asks(ITEMS, to="romeo@localhost") == xml('<query xmlns="http://jabber.org/protocol/disco#items"/>')


def test_the_items_of_a_domain_are_its_services(romeo: Client) -> None:
    assert romeo.asks(ITEMS, to="localhost") == xml(
        '<query xmlns="http://jabber.org/protocol/disco#items"><item jid="pubsub.localhost"/>'
        '<item jid="rooms.localhost"/><item jid="upload.localhost"/></query>'
    )


@pytest.mark.parametrize("to", ["localhost", "romeo@localhost"])
@pytest.mark.parametrize("query", [INFO, ITEMS])
def test_a_node_that_does_not_exist_is_not_found(romeo: Client, to: str, query: str) -> None:
    assert romeo.asks(at_node(query, "urn:example:nothing"), to=to) == "item-not-found"


def test_a_session_is_asked_itself(server: Server, romeo: Client) -> None:
    juliet = Client(server, "juliet@localhost/balcony")
    assert romeo.sends(f"<iq type='get' id='q' to='{juliet.jid}'>{INFO}</iq>") == []
    assert juliet.received() == [xml(f"<iq type='get' id='q' to='{juliet.jid}' from='{romeo.jid}'>{INFO}</iq>")]


ROOMS = Subdomain("rooms", identity=Identity("conference", "text", "Chatrooms"), disco=["urn:example:rooms"])
HALLS = Subdomain("halls", identity=Identity("hierarchy", "branch"))


@pytest.fixture
def with_rooms(tmp_path: Path) -> Iterator[Server]:
    """A server with services of a feature that nobody else knows of."""
    rooms = Feature("rooms", subdomains=[ROOMS, HALLS])

    @rooms.disco_node(at=[ROOMS.service])
    def describe_node(server: servers.Server, iq: Stanza) -> etree._Element:
        node = iq.only_child().get("node")
        assert node
        return Info((), frozenset()).element(node)

    with Database(tmp_path / "test.db") as db:
        server = Server(configuration(), db, [*FEATURES, rooms], TABLES)
        add_accounts(server, "romeo")
        yield server


def test_a_service_can_take_requests_that_are_for_somebody_else(tmp_path: Path) -> None:
    rooms = Feature("rooms", subdomains=[ROOMS])

    @rooms.step
    def pass_on(delivery: Delivery) -> Literal["stop"] | None:
        stanza = delivery.stanza
        if stanza.to is None or not stanza.to.is_full:
            return None
        delivery.server.router.route(stanza.addressed(JID.parse("juliet@localhost/balcony")))
        return STOP

    with Database(tmp_path / "test.db") as db:
        server = Server(configuration(), db, [*FEATURES, rooms], TABLES.but(ROOMS.received.runs(pass_on)))
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = Client(server, "romeo@localhost/orchard"), Client(server, "juliet@localhost/balcony")
        assert romeo.sends(f"<iq type='get' id='q' to='verona@rooms.localhost/juliet'>{INFO}</iq>") == []
        assert [INFO_NAMESPACE in stanza for stanza in juliet.received()] == [True]
        assert romeo.asks(INFO, to="verona@rooms.localhost") == "service-unavailable"


def test_a_service_is_found_and_described_as_its_feature_declares_it(with_rooms: Server) -> None:
    romeo = Client(with_rooms, "romeo@localhost/orchard")
    assert romeo.asks(ITEMS, to="localhost") == xml(
        '<query xmlns="http://jabber.org/protocol/disco#items">'
        '<item jid="pubsub.localhost"/><item jid="rooms.localhost"/>'
        '<item jid="halls.localhost"/><item jid="upload.localhost"/></query>'
    )
    assert romeo.asks(INFO, to="rooms.localhost") == xml(
        '<query xmlns="http://jabber.org/protocol/disco#info">'
        '<identity category="conference" type="text" name="Chatrooms"/>'
        '<feature var="http://jabber.org/protocol/disco#info"/><feature var="urn:example:rooms"/></query>'
    )
    assert romeo.asks(at_node(INFO, "x"), to="rooms.localhost") == xml(at_node(INFO, "x"))
    assert romeo.asks(INFO, to="a@rooms.localhost") == "service-unavailable"


def test_a_service_whose_feature_tells_of_no_nodes_has_none(with_rooms: Server) -> None:
    romeo = Client(with_rooms, "romeo@localhost/orchard")
    assert romeo.asks(at_node(INFO, "x"), to="halls.localhost") == "item-not-found"


def test_name_and_contact_addresses_are_told_where_they_are_configured(tmp_path: Path) -> None:
    contacts = {"abuse": ["mailto:abuse@localhost", "xmpp:abuse@localhost"], "support": ["https://localhost/help"]}
    with server_in(tmp_path, disco={"name": "Verona", **contacts}) as server:
        add_accounts(server, "romeo")
        answer = Client(server, "romeo@localhost/orchard").asks(INFO, to="localhost")
    assert '<identity category="server" name="Verona" type="im">' in answer
    form = answer[answer.index("<x ") :]
    assert form == xml(
        '<x xmlns="jabber:x:data" type="result">'
        '<field var="FORM_TYPE" type="hidden"><value>http://jabber.org/network/serverinfo</value></field>'
        '<field var="abuse-addresses" type="list-multi">'
        "<value>mailto:abuse@localhost</value><value>xmpp:abuse@localhost</value></field>"
        '<field var="support-addresses" type="list-multi"><value>https://localhost/help</value></field></x>'
    ) + xml("<query/>").removeprefix("<query>")


def test_without_contact_addresses_there_is_no_form(romeo: Client) -> None:
    assert "jabber:x:data" not in romeo.asks(INFO, to="localhost")


@pytest.mark.parametrize("address", ["abuse@localhost", "mailto:", ":x", "mailto:a b", "xmpp:a<b"])
def test_a_contact_address_has_to_be_a_uri(address: str) -> None:
    with pytest.raises(ConfigError, match="expected addresses like mailto:"):
        configuration(disco={"abuse": [address]})


def test_row_28_the_name_cannot_forge_what_is_hashed_for_capabilities() -> None:
    with pytest.raises(ConfigError, match="without <"):
        configuration(disco={"name": "a<b"})


def test_every_contact_of_the_settings_is_told() -> None:
    roles = set(DiscoSettings.__dataclass_fields__) - {"name"}
    assert roles == {"abuse", "admin", "feedback", "sales", "security", "status", "support"}
