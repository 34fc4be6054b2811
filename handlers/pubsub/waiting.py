"""XEP-0191 and events that have waited for somebody: whether they speak for whom it has blocked meanwhile.

An event does not say who caused it, and what it told of may be gone. So whoever may have been it counts: events can be
missed, which subscribers know, and whom somebody has blocked is not to be heard.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lxml import etree

from db import blocklists, pubsub_items
from db.pubsub_nodes import Node
from handlers.pubsub import hosts
from handlers.pubsub.access import PUBLISHERS
from handlers.pubsub.announced import EVENT
from handlers.pubsub.hosts import Host
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ITEMS = f"{{{EVENT}}}items"


def is_unheard(server: "Server", account: JID, message: Stanza, at: float) -> bool:
    """Whether a message that came at that time is an event that may speak for somebody whom the account has blocked."""
    event = message.child(f"{{{EVENT}}}event")
    if event is None or message.sender is None or not blocklists.patterns(server.db, account):
        return False
    host = hosts.host_at(server, message.sender, None)
    return any(_may_be_of_somebody_blocked(host, account, told, at) for told in event)


def _may_be_of_somebody_blocked(host: Host, account: JID, told: etree._Element, at: float) -> bool:
    node = hosts.find(host, told.get("node", ""))
    if node is None:
        return True  # it is gone, and whose it was is not known any more
    is_of_items = told.tag == ITEMS
    publishers = {_publisher(host, node, item, at) for item in told} if is_of_items else set()
    speakers = {each for each in publishers if each is not None}
    if None in publishers:
        if hosts.configuration_of(node).publish_model != "publishers":
            return True  # anybody may have published it
        speakers.update(_affiliated(host, node, PUBLISHERS))
    elif not is_of_items:
        speakers.update(_affiliated(host, node, ("owner",)))
    return host.unheard_by(node, *speakers)(account)


def _publisher(host: Host, node: Node, item: etree._Element, at: float) -> JID | None:
    """Who has published the item of an event of that time; None where it is gone, or another by now."""
    found = pubsub_items.get(host.server.db, node, item.get("id", ""))
    return found.publisher if found is not None and found.at <= at else None


def _affiliated(host: Host, node: Node, affiliations: Iterable[str]) -> list[JID]:
    return [jid for jid, affiliation in host.affiliations(node).items() if affiliation in affiliations]
