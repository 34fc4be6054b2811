"""XEP-0030: what a domain and an account are and can do, and what belongs to them."""

from typing import TYPE_CHECKING

from lxml import etree

from db import accounts
from handlers.contacts.access import is_blocked, refuse_strangers
from handlers.discovery import caps, caps2
from handlers.discovery.disco_info import INFO, INFO_QUERY, ITEMS, DiscoSettings, Info, account_info, domain_info
from handlers.pubsub import discovery as nodes
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import ACCOUNT, ADDRESS, OWN, SERVER, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ITEMS_QUERY = f"{{{ITEMS}}}query"

feature = Feature(
    "disco", xep="0030", disco=[INFO, ITEMS], account_disco=[INFO, ITEMS], settings=DiscoSettings, optional=False
)


@feature.iq_get(INFO_QUERY, to=[SERVER])
def describe_domain(server: "Server", iq: Stanza) -> etree._Element:
    """The domain's identity, features and contact addresses; the same under the nodes that its capabilities name."""
    node = _node(iq)
    info = _announced_as(server, node) if node else domain_info(server)
    if info is None:
        raise StanzaError("item-not-found")
    return info.element(node)


def _announced_as(server: "Server", node: str) -> Info | None:
    info = domain_info(server)
    return info if node == caps.node(info) else caps2.information(server, node)


@feature.iq_get(INFO_QUERY, to=[ACCOUNT])
def describe_account(server: "Server", iq: Stanza) -> etree._Element:
    """The account's identity and features; or one of its nodes."""
    if _node(iq):
        return nodes.describe_node(server, iq)
    assert iq.to is not None and iq.sender is not None
    refuse_strangers(server, iq.to, iq.sender)  # XEP-0030 section 8
    return account_info(server).element(_node(iq))


@feature.iq_get(ITEMS_QUERY, to=[SERVER])
def list_items_of_domain(server: "Server", iq: Stanza) -> etree._Element:
    """The domain's services."""
    if _node(iq):
        raise StanzaError("item-not-found")
    assert iq.to is not None
    query = etree.Element(ITEMS_QUERY, nsmap={None: ITEMS})
    for address in server.subdomains.of(iq.to.domain):
        etree.SubElement(query, f"{{{ITEMS}}}item", jid=address)
    return query


@feature.iq_get(ITEMS_QUERY, to=[OWN, ADDRESS])
def list_items_of_account(server: "Server", iq: Stanza) -> etree._Element:
    """The account's nodes, as far as the asker may see them. Its resources are told by presence only.

    Who may see none, and who asks for an account that does not exist, gets an empty list (XEP-0030 section 8).
    """
    assert iq.to is not None and iq.sender is not None
    if not accounts.exists(server.db, iq.to) or is_blocked(server, iq.to, iq.sender):
        return nodes.list_nothing(iq)
    return nodes.list_items(server, iq)


def _node(iq: Stanza) -> str | None:
    return iq.only_child().get("node")
