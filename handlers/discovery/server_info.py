"""XEP-0485: information for those who gather statistics about servers, at a node of each domain's service."""

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

# To announce the feature says that other servers may name this one in what they publish. No node is announced, so it is
# NODE at the first service that the domain lists (section 3).
feature = Feature("server_info", xep="0485", disco=[NAMESPACE], needs=["pubsub"])


@feature.step
def publish(server: "Server") -> None:
    """SERVER_STARTED: publish the information of each domain, unless it is there already."""
    for service in hosts.services(server):
        domain = JID.parse(service.address.domain.partition(".")[2])
        _take_over(service, domain)
        payload = wire(information(server, domain))
        if _published(service) != payload:
            publishing.publish_at(
                service, domain, NODE, ITEM, payload, title="Server information", type=NAMESPACE, max_items=1
            )


def information(server: "Server", domain: str) -> etree._Element:
    """What is published of a domain. It does not name the other domains of this server."""
    element = etree.Element(f"{{{NAMESPACE}}}serverinfo", nsmap={None: NAMESPACE})
    etree.SubElement(element, f"{{{NAMESPACE}}}domain", name=domain)
    if server.configuration.is_enabled(version.feature.name):
        element.append(version.software(server))
    return element


def _take_over(service: Service, domain: JID) -> None:
    """Remove the node if it is not the domain's own: anybody could have made it before (section 7)."""
    node = hosts.find(service, NODE)
    if node is not None and service.owners(node) != [domain]:
        nodes.remove(service, node)


def _published(service: Service) -> bytes | None:
    node = hosts.find(service, NODE)
    item = node and pubsub_items.get(service.server.db, node, ITEM)
    return item.payload if item else None
