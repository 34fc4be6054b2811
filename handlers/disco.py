"""XEP-0030: what a domain and an account are and can do, and what belongs to them."""

from typing import TYPE_CHECKING

from lxml import etree

from handlers import caps
from handlers.access import sees_presence
from handlers.disco_info import INFO, INFO_QUERY, ITEMS, DiscoSettings, account_info, domain_info
from xmpp.errors import StanzaError
from xmpp.routing.feature import ACCOUNT, SERVER, Feature
from xmpp.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.server import Server

ITEMS_QUERY = f"{{{ITEMS}}}query"

feature = Feature(
    "disco", xep="0030", disco=[INFO, ITEMS], account_disco=[INFO, ITEMS], settings=DiscoSettings, optional=False
)


@feature.iq_get(INFO_QUERY, to=[SERVER])
def describe_domain(server: "Server", iq: Stanza) -> etree._Element:
    """The domain's identity, features and contact addresses; the same under the node that its capabilities name."""
    info, node = domain_info(server), _node(iq)
    if node and node != caps.node(info):
        raise StanzaError("item-not-found")
    return info.element(node)


@feature.iq_get(INFO_QUERY, to=[ACCOUNT])
def describe_account(server: "Server", iq: Stanza) -> etree._Element:
    """The account's identity and features."""
    _refuse_strangers(server, iq)
    _refuse_nodes(iq)
    return account_info(server).element(_node(iq))


@feature.iq_get(ITEMS_QUERY, to=[SERVER])
def list_items_of_domain(server: "Server", iq: Stanza) -> etree._Element:
    """The domain's services: none."""
    return _no_items(iq)


@feature.iq_get(ITEMS_QUERY, to=[ACCOUNT])
def list_items_of_account(server: "Server", iq: Stanza) -> etree._Element:
    """The account's nodes: none. Its resources are told by presence only."""
    _refuse_strangers(server, iq)
    return _no_items(iq)


def _no_items(iq: Stanza) -> etree._Element:
    _refuse_nodes(iq)
    node = _node(iq)
    return etree.Element(ITEMS_QUERY, {} if node is None else {"node": node}, nsmap={None: ITEMS})


def _node(iq: Stanza) -> str | None:
    return iq.only_child().get("node")


def _refuse_nodes(iq: Stanza) -> None:
    if _node(iq):
        raise StanzaError("item-not-found")


def _refuse_strangers(server: "Server", iq: Stanza) -> None:
    # XEP-0030 section 8. For items it would have an empty answer, even where there is no account; but requests to
    # those are refused by RFC 6121 section 8.5.1, and only the same answer in both cases gives nothing away.
    assert iq.to is not None and iq.sender is not None
    if not sees_presence(server, iq.to, iq.sender):
        raise StanzaError("service-unavailable")
