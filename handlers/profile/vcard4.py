"""XEP-0292: the vCard4 that an account publishes says the same as its vCard (XEP-0054).

Both are kept as they came. When one changes, the properties that both formats have are copied into the other, which
keeps those that only it has.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lxml import etree

from db import vcards
from handlers.profile.vcard_properties import (
    VCARD4,
    VCARD_TEMP,
    is_only_in_vcard4,
    is_only_in_vcard_temp,
    to_vcard4,
    to_vcard_temp,
)
from handlers.pubsub import access, hosts, publishing, retrieval
from handlers.pubsub.hosts import Account
from xmpp.data.jid import JID
from xmpp.data.wire import parse, wire
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NODE = "urn:xmpp:vcard4"
ITEM_ID = "current"  # of a node with one item (XEP-0222 section 3)

feature = Feature("vcard4", xep="0292", account_disco=[VCARD4], optional=False, needs=["pubsub"])


def is_shown_to(server: "Server", account: JID, asker: JID) -> bool:
    """True if the asker may read the account's vCard, in either format: if there is a node, by its access model."""
    host = Account(server, account)
    node = hosts.find(host, NODE)
    if node is None:
        return True
    return access.refusal_to_show_items(hosts.configuration_of(node), host.relation(node, asker)) is None


def publish_too(server: "Server", account: JID, vcard: etree._Element) -> None:
    """Publish what a new vCard says as vCard4, unless that says so already. A node that is made for that is open, as
    everybody may read a vCard. Raises StanzaError if it is too long."""
    published, properties = _published(server, account), to_vcard4(vcard)
    if _written(to_vcard_temp(properties)) != _written(to_vcard_temp(published)):
        changed = _vcard(VCARD4, [*properties, *(each for each in published if is_only_in_vcard4(each))])
        publishing.publish_for(server, account, NODE, ITEM_ID, wire(changed), access_model="open")


@feature.step
def keep_as_vcard(server: "Server", account: JID, node: str, item_id: str, payload: bytes | None) -> None:
    """ITEM_PUBLISHED: keep what a new vCard4 says as vCard, unless that says so already: then it stays as the client
    wrote it."""
    if node != NODE:
        return
    kept = vcards.get(server.db, account)
    vcard = _vcard(VCARD_TEMP) if kept is None else parse(kept)
    properties = to_vcard_temp(_published(server, account))
    if _written(properties) != _written(to_vcard_temp(to_vcard4(vcard))):
        changed = _vcard(VCARD_TEMP, [*properties, *(each for each in vcard if is_only_in_vcard_temp(each))])
        vcards.put(server.db, account, wire(changed) if len(changed) else b"")


def _published(server: "Server", account: JID) -> Iterable[etree._Element]:
    """The properties of the vCard4 that was published last; none if there is none."""
    last = retrieval.last_item(server, account, NODE)
    vcard = parse(last[1]) if last and last[1] else None
    return [] if vcard is None or vcard.tag != f"{{{VCARD4}}}vcard" else list(vcard)


def _vcard(namespace: str, properties: Iterable[etree._Element] = ()) -> etree._Element:
    name = "vcard" if namespace == VCARD4 else "vCard"
    vcard: etree._Element = etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace})
    vcard.extend(properties)
    return vcard


def _written(properties: Iterable[etree._Element]) -> list[bytes]:
    """The bytes of properties, for comparison: all were converted here, so equal ones have equal bytes."""
    return [wire(each) for each in properties]
