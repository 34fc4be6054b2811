"""XEP-0030: what a domain, an account and a service are and can do, and which services a domain has.

Features declare all of that. What a feature keeps at a node it describes itself (`disco_nodes`), and so it does with
the items of accounts and services.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from lxml import etree

from handlers.contacts.access import refuse_strangers
from handlers.discovery import caps, caps2
from handlers.discovery.disco_info import DiscoSettings, account_info, domain_info
from handlers.login.sasl import guests
from xmpp.config.component_settings import ComponentsSettings, belonging_to
from xmpp.data.disco import INFO, INFO_QUERY, ITEMS, ITEMS_QUERY, Identity, Info
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import ACCOUNT, ADDRESS, OWN, SERVER, SERVICE, Addressee, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

REGISTERED = Identity("account", "registered")
GUEST = Identity("account", "anonymous")  # XEP-0175 section 5

feature = Feature(
    "disco",
    xep="0030",
    disco=[INFO, ITEMS],
    account_disco=[INFO, ITEMS],
    account_identities=[REGISTERED],
    settings=DiscoSettings,
    optional=False,
)


@feature.iq_get(INFO_QUERY, to=[SERVER])
def describe_domain(server: "Server", iq: Stanza) -> etree._Element | bytes | None:
    """The domain's identity, features and contact addresses; also at the nodes that its capabilities announce."""
    assert iq.to is not None
    node, domain = _node(iq), iq.to.domain
    if not node or node == caps.node(server, domain):
        info: Info | None = domain_info(server, domain)
    else:
        info = caps2.information(server, domain, node)
    return info.element(node) if info is not None else _of_node(server, iq, SERVER)


@feature.iq_get(INFO_QUERY, to=[ACCOUNT])
def describe_account(server: "Server", iq: Stanza) -> etree._Element | bytes | None:
    """The account's identity and features, or those of one of its nodes."""
    assert iq.to is not None and iq.sender is not None
    if _node(iq):
        own = (OWN,) if iq.sender.bare == iq.to else ()
        return _of_node(server, iq, *own, ACCOUNT)
    refuse_strangers(server, iq.to, iq.sender)  # XEP-0030 section 8
    info = account_info(server)
    if guests.is_guest(server, iq.to):
        others = tuple(each for each in info.identities if each != REGISTERED)
        info = replace(info, identities=(GUEST, *others))
    return info.element(_node(iq))


@feature.iq_get(INFO_QUERY, to=[SERVICE])
def describe_service(server: "Server", iq: Stanza) -> etree._Element | bytes | None:
    """The service's identity and features, or those of one of its nodes."""
    assert iq.to is not None
    subdomain = server.subdomains.by_address[iq.to.domain]
    if _node(iq):
        return _of_node(server, iq, subdomain.service)
    added = {each for feature in server.registry.features for each in feature.service_disco.get(subdomain, ())}
    return Info((subdomain.identity,), subdomain.disco | {INFO} | added).element()


def _of_node(server: "Server", iq: Stanza, *addressees: Addressee) -> etree._Element | bytes | None:
    """What the first of them says that has such a node."""
    describing = (server.registry.disco_nodes.get(addressee) for addressee in addressees)
    answers = (describe(server, iq) for describe in describing if describe is not None)
    found = next((answer for answer in answers if answer is not None), None)
    if found is None:
        raise StanzaError("item-not-found")
    return found


@feature.iq_get(ITEMS_QUERY, to=[SERVER])
def list_items_of_domain(server: "Server", iq: Stanza) -> etree._Element | bytes | None:
    """The domain's services, and the components that belong to it; or what a feature lists at one of its nodes."""
    if _node(iq):
        return _of_node(server, iq, SERVER)
    assert iq.to is not None
    query = etree.Element(ITEMS_QUERY, nsmap={None: ITEMS})
    components = belonging_to(iq.to.domain, server.settings(ComponentsSettings).secrets, server.domains)
    for address in (*server.subdomains.by_domain[iq.to.domain], *components):
        etree.SubElement(query, f"{{{ITEMS}}}item", jid=address)
    return query


@feature.iq_get(ITEMS_QUERY, to=[OWN])
def list_items_of_own_account(server: "Server", iq: Stanza) -> etree._Element | bytes | None:
    """What a feature lists for the owner of an account alone, at one of its nodes; else the same as for anybody."""
    describe = server.registry.disco_nodes.get(OWN)
    found = describe(server, iq) if describe is not None and _node(iq) else None
    for_anybody = server.registry.iqs.get(("get", ITEMS_QUERY, ADDRESS))
    if found is None and for_anybody is None:
        raise StanzaError("service-unavailable")
    return found if for_anybody is None or found is not None else for_anybody(server, iq)


def _node(iq: Stanza) -> str | None:
    return iq.only_child().get("node")
