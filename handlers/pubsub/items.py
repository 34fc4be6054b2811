"""XEP-0060: items on the wire. They are bytes, not elements: a payload is sent as it was published."""

from collections.abc import Iterable

from lxml import etree

from db.pubsub_items import Item
from db.pubsub_nodes import Node
from handlers.pubsub.configuration import NodeConfiguration
from xmpp.data import names
from xmpp.data.wire import DEFAULT, quoted, wire

NO_PAYLOAD = b""


def payload_of(element: etree._Element) -> bytes:
    """The bytes of a payload, with a namespace declaration that makes them valid inside of any element."""
    data = wire(element)
    if etree.QName(element).namespace not in (names.CLIENT, names.XML):  # children of <xml:.../> may be jabber:client
        return data
    name_end = len(etree.QName(element).localname.encode()) + (1 if element.prefix != "xml" else len("<xml:"))
    return data[:name_end] + DEFAULT + data[name_end:]


def element(item: Item, owner: str, configuration: NodeConfiguration, *, with_payload: bool = True) -> bytes:
    """An <item/>, with the address of owner or publisher if the configuration says so (12.20)."""
    address = {"publisher": item.publisher, "owner": owner}.get(configuration.itemreply)
    head = "<item id=" + quoted(item.id) + (f" publisher={quoted(address)}" if address else "")
    if not with_payload or not item.payload:
        return head.encode() + b"/>"
    return b"%b>%b</item>" % (head.encode(), item.payload)


def of_node(node: Node, content: Iterable[bytes]) -> bytes:
    """The <items/> of a node with this content."""
    return b"<items node=%b>%b</items>" % (quoted(node.name).encode(), b"".join(content))
