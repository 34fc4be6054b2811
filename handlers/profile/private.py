"""XEP-0049: XML that an account's clients keep on the server for themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from db import private
from handlers.contacts.access import forbid
from xmpp.config.configuration import setting
from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse, wire
from xmpp.routing.feature import ADDRESS, Feature
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "jabber:iq:private"
QUERY = f"{{{NAMESPACE}}}query"


@dataclass(frozen=True)
class PrivateSettings:
    """Private XML: what clients keep on the server for themselves."""

    max_bytes: int = setting(65_536, "The longest element.", minimum=1_000, maximum=10_000_000,
                             at_most=("max_account_bytes", "streams.stanza_bytes"))  # fmt: skip
    max_account_bytes: int = setting(1 << 20, "How long all elements of one account may be together.",
                                     minimum=1_000, maximum=1 << 40)  # fmt: skip
    max_elements: int = setting(100, "The most elements that one account keeps.", minimum=1, maximum=100_000)


feature = Feature("private", xep="0049", disco=[NAMESPACE], account_disco=[NAMESPACE], settings=PrivateSettings)

# f(server, account, tag, bytes): a client has an element kept. A step may still refuse the request.
PRIVATE_XML_KEPT = Table[Callable[["Server", JID, str, bytes], None]]("PRIVATE_XML_KEPT")


@feature.iq_get(QUERY)
def fetch(server: "Server", iq: Stanza) -> etree._Element:
    """The element that is kept under the name of the one in the query; if none is, the latter (section 2.3)."""
    assert iq.sender is not None
    elements = _elements(iq)
    if len(elements) > 1:
        raise StanzaError("bad-request", "one element at a time (XEP-0049 section 2.3)")
    kept = private.get(server.db, iq.sender.bare, str(elements[0].tag))
    query = etree.Element(QUERY)
    query.append(parse(kept if kept is not None else wire(elements[0])))
    return query


@feature.iq_set(QUERY)
def keep(server: "Server", iq: Stanza) -> None:
    """Keep the elements in the query, each by its name; all of them or none."""
    assert iq.sender is not None
    elements = {str(element.tag): wire(element) for element in _elements(iq)}
    _check_limits(server, iq.sender.bare, elements)
    with server.db.change():
        for tag, xml in elements.items():
            private.put(server.db, iq.sender.bare, tag, xml)
            for step in server.tables[PRIVATE_XML_KEPT]:
                step(server, iq.sender.bare, tag, xml)


feature.iq_get(QUERY, to=[ADDRESS])(forbid)  # section 2.3
feature.iq_set(QUERY, to=[ADDRESS])(forbid)


def _elements(iq: Stanza) -> list[etree._Element]:
    """The elements in the query. Raises StanzaError if there are none, or two of one name, or one has no namespace of
    its own."""
    elements = list(iq.only_child())
    namespaces = {etree.QName(element).namespace for element in elements}
    if not elements or namespaces & {None, NAMESPACE, names.CLIENT}:
        raise StanzaError("not-acceptable", "private XML is an element with a namespace of its own")
    if len({element.tag for element in elements}) < len(elements):
        raise StanzaError("bad-request", "two elements of one name")
    return elements


def _check_limits(server: "Server", account: JID, elements: dict[str, bytes]) -> None:
    settings = server.settings(PrivateSettings)
    if max(map(len, elements.values())) > settings.max_bytes:
        raise StanzaError("policy-violation", f"an element may have {settings.max_bytes} bytes")
    earlier = {tag: private.get(server.db, account, tag) for tag in elements}
    new = [tag for tag, xml in earlier.items() if xml is None]
    growth = sum(map(len, elements.values())) + sum(map(len, new)) - sum(len(xml or b"") for xml in earlier.values())
    kept = private.usage(server.db, account)
    if new and kept.elements + len(new) > settings.max_elements:
        raise StanzaError("resource-constraint", f"at most {settings.max_elements} elements are kept")
    if growth > 0 and kept.bytes + growth > settings.max_account_bytes:
        raise StanzaError("resource-constraint", f"at most {settings.max_account_bytes} bytes are kept")
