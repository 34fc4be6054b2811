"""XEP-0485: who gathers what servers there are can find out about this one, at a node of each domain's service."""

from typing import TYPE_CHECKING

from lxml import etree

from db import pubsub_items
from handlers.discovery import version
from handlers.pubsub import hosts, nodes, publishing
from handlers.pubsub.hosts import Service
from xmpp.data.jid import JID
from xmpp.data.wire import wire
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "urn:xmpp:serverinfo:0"
NODE, ITEM = "serverinfo", "current"

# Announced, it says that other servers may name this one in what they publish. The node is the one that is meant where
# a domain names no other, at the first service it lists (section 3).
feature = Feature("server_info", xep="0485", disco=[NAMESPACE], needs=["pubsub"])


@feature.step
def publish(server: "Server") -> None:
    """SERVER_STARTED: each domain's information is published, unless it is there already."""
    for service in hosts.services(server):
        domain = JID.parse(service.address.domain.partition(".")[2])
        _take_over(service, domain)
        payload = wire(information(server, domain))
        if _published(service) != payload:
            publishing.publish_at(
                service, domain, NODE, ITEM, payload, title="Server information", type=NAMESPACE, max_items=1
            )


def information(server: "Server", domain: str) -> etree._Element:
    """What there is to know of a domain. Other domains that it shares a server with are not told."""
    element = etree.Element(f"{{{NAMESPACE}}}serverinfo", nsmap={None: NAMESPACE})
    etree.SubElement(element, f"{{{NAMESPACE}}}domain", name=domain)
    if server.configuration.is_enabled(version.feature.name):
        element.append(version.software(server))
    return element


def _take_over(service: Service, domain: JID) -> None:
    """The node is the domain's: one that somebody made before is removed, since anybody could (section 7)."""
    node = hosts.find(service, NODE)
    if node is not None and service.owners(node) != [domain]:
        nodes.remove(service, node)


def _published(service: Service) -> bytes | None:
    node = hosts.find(service, NODE)
    item = node and pubsub_items.get(service.server.db, node, ITEM)
    return item.payload if item else None
