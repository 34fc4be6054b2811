"""A request about nodes: what is asked for, where, and by whom."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lxml import etree

from db.pubsub_nodes import Node
from handlers.pubsub import hosts
from handlers.pubsub.access import Relation
from handlers.pubsub.announced import PUBSUB
from handlers.pubsub.conditions import refused
from handlers.pubsub.configuration import NodeConfiguration
from handlers.pubsub.hosts import Host
from xmpp.data import addresses
from xmpp.data.jid import JID, AddressReader
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


@dataclass(frozen=True)
class Request:
    """`action`: the first child of <pubsub/>, such as <publish/>. `asker`: a full address."""

    host: Host
    asker: JID
    action: etree._Element
    iq: Stanza

    @property
    def server(self) -> "Server":
        return self.host.server

    @cached_property
    def node_name(self) -> str:
        """The node that is named; "" where none is."""
        name: str = self.action.get("node", "")
        return name

    def beside(self, name: str) -> etree._Element | None:
        """A sibling of the action, by its name in the action's namespace, or by its tag; None if there is none."""
        tag = name if name.startswith("{") else f"{{{etree.QName(self.action).namespace}}}{name}"
        parent = self.action.getparent()
        return None if parent is None else parent.find(tag)

    @cached_property
    def found(self) -> Node | None:
        """The node that is named; None if none is, or it does not exist."""
        return hosts.find(self.host, self.node_name) if self.node_name else None

    @property
    def node(self) -> Node:
        """The node that is named. Raises StanzaError if none is (7.2.3.3), or it does not exist."""
        if not self.node_name:
            raise refused("nodeid-required")
        if self.found is None:
            raise refused("item-not-found")
        return self.found

    @cached_property
    def configuration(self) -> NodeConfiguration:
        """How the node is configured."""
        return hosts.configuration_of(self.node)

    @cached_property
    def relation(self) -> Relation:
        """What the asker is to the node."""
        return self.host.relation(self.node, self.asker)

    def owned_node(self) -> Node:
        """The node that is named. Raises StanzaError unless the asker owns it (8.2.3.2 and others)."""
        node = self.node
        if self.relation.affiliation != "owner":
            raise refused("forbidden")
        return node

    def note_agreement(self) -> None:
        """Note that the asker has acted as an owner, and so agrees to be one."""
        self.host.note_agreement(self.node, self.asker.bare)


def address_in(element: etree._Element, reader: AddressReader | None = None) -> JID:
    """The address in the attribute `jid`. Raises StanzaError if it is missing (6.3.4.3) or malformed. `reader`: one for
    all addresses of a request that has many."""
    text = element.get("jid")
    if not text:
        raise refused("jid-required")
    return addresses.read(text, reader)


def answer(
    name: str, children: Iterable[etree._Element] = (), namespace: str = PUBSUB, **attributes: str
) -> etree._Element:
    """<pubsub/> with one element of that name."""
    pubsub = etree.Element(f"{{{namespace}}}pubsub", nsmap={None: namespace})
    etree.SubElement(pubsub, f"{{{namespace}}}{name}", attributes).extend(children)
    return pubsub
