"""XEP-0191 and events that have waited for an account: may somebody have caused them whom it has blocked meanwhile?

An event does not say who caused it, and its item may be gone. Then everybody counts who may have done it: a subscriber
can do without an event, but must not hear of those it has blocked.
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
    """True if a message is an event that may have been caused by somebody whom the account has blocked. `at`: when it
    came, in seconds since 1970."""
    event = message.child(f"{{{EVENT}}}event")
    if event is None or message.sender is None or not blocklists.patterns(server.db, account):
        return False
    host = hosts.host_at(server, message.sender, None)
    return any(_may_be_of_somebody_blocked(host, account, told, at) for told in event)


def _may_be_of_somebody_blocked(host: Host, account: JID, told: etree._Element, at: float) -> bool:
    node = hosts.find(host, told.get("node", ""))
    if node is None:
        return True  # the node is gone, and it is not known any more whose it was
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
    """Who published the item in an event of that time; None if it is gone, or was published again since."""
    found = pubsub_items.get(host.server.db, node, item.get("id", ""))
    return found.publisher if found is not None and found.at <= at else None


def _affiliated(host: Host, node: Node, affiliations: Iterable[str]) -> list[JID]:
    return [jid for jid, affiliation in host.affiliations(node).items() if affiliation in affiliations]
