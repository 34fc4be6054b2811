"""XEP-0060: items on the wire. They are never elements: a payload stays the bytes that it was published as."""

from collections.abc import Iterable

from lxml import etree

from db.pubsub_items import Item
from db.pubsub_nodes import Node
from handlers.pubsub.configuration import NodeConfiguration
from xmpp.data import names
from xmpp.data.wire import DEFAULT, quoted, wire

NO_PAYLOAD = b""


def payload_of(element: etree._Element) -> bytes:
    """The bytes of a payload, as they can stand in any element of a stanza."""
    data = wire(element)
    if etree.QName(element).namespace not in (names.CLIENT, names.XML):  # the latter is no default for its children
        return data
    name_end = len(etree.QName(element).localname.encode()) + (1 if element.prefix != "xml" else len("<xml:"))
    return data[:name_end] + DEFAULT + data[name_end:]


def element(item: Item, owner: str, configuration: NodeConfiguration, *, with_payload: bool = True) -> bytes:
    """An <item/>, with the address that the node's configuration wants in it (12.20)."""
    address = {"publisher": item.publisher, "owner": owner}.get(configuration.itemreply)
    head = "<item id=" + quoted(item.id) + (f" publisher={quoted(address)}" if address else "")
    if not with_payload or not item.payload:
        return head.encode() + b"/>"
    return b"%b>%b</item>" % (head.encode(), item.payload)


def of_node(node: Node, content: Iterable[bytes]) -> bytes:
    """An <items/> with elements of a node."""
    return b"<items node=%b>%b</items>" % (quoted(node.name).encode(), b"".join(content))
