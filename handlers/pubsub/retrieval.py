"""XEP-0060 section 6.5: items are retrieved, the newest last: all, some by their ids, the most recent, or a page."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from db import pubsub_items, pubsub_nodes
from db.pubsub_items import Item
from db.pubsub_nodes import Node
from handlers.pubsub import access, cursors, hosts, items
from handlers.pubsub.announced import PUBSUB
from handlers.pubsub.conditions import refused, unsupported
from handlers.pubsub.configuration import NodeConfiguration
from handlers.pubsub.requests import Request
from handlers.pubsub.settings import PubSubSettings
from xmpp.data import resultsets
from xmpp.data.jid import JID
from xmpp.data.resultsets import PageRequest
from xmpp.data.wire import wire

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ITEM = f"{{{PUBSUB}}}item"


class Page(NamedTuple):
    """Items, the newest last. `is_described`: the answer says which of the node's items they are (XEP-0059)."""

    items: Sequence[Item]
    is_described: bool = False


# -- requests


def show_items(request: Request) -> bytes:
    """The items that are asked for, to those who may see them."""
    node, configuration = request.node, request.configuration
    refusal = access.refusal_to_show_items(configuration, request.relation)
    if refusal is not None:
        raise refused(refusal)
    if not configuration.persist_items:
        raise unsupported("persistent-items")
    page = _page(request, node, since(configuration))
    owner = next(iter(request.host.owners(node)), "")
    content = items.of_node(node, (items.element(item, owner, configuration) for item in page.items))
    described = b""
    if page.is_described:
        described = wire(cursors.page(request.server.db, node, [item.sequence for item in page.items]))
    return b'<pubsub xmlns="%b">%b%b</pubsub>' % (PUBSUB.encode(), content, described)


def since(configuration: NodeConfiguration) -> float:
    """The time before which items have expired, in seconds since 1970; 0 if they do not expire."""
    return 0.0 if configuration.item_expire is None else time.time() - configuration.item_expire


# -- for features that keep something in the nodes of an account


def items_of(server: "Server", account: JID, node_name: str) -> list[tuple[str, bytes]]:
    """All items of a node of an account, the newest last: (id, payload). Empty if there is no such node."""
    node = pubsub_nodes.get(server.db, account, node_name)
    if node is None:
        return []
    found = pubsub_items.oldest(server.db, node, pubsub_items.ALL, since=since(hosts.configuration_of(node)))
    return [(item.id, item.payload) for item in found]


def item_of(server: "Server", account: JID, node_name: str, item_id: str) -> bytes | None:
    """The payload of an item of an account; None if there is no such item."""
    node = pubsub_nodes.get(server.db, account, node_name)
    item = node and pubsub_items.get(server.db, node, item_id, since(hosts.configuration_of(node)))
    return item.payload if item else None


def last_item(server: "Server", account: JID, node_name: str) -> tuple[str, bytes] | None:
    """The item of a node of an account that was published last: (id, payload); None if there is none."""
    node = pubsub_nodes.get(server.db, account, node_name)
    item = node and pubsub_items.last(server.db, node, since(hosts.configuration_of(node)))
    return (item.id, item.payload) if item else None


# -- which items


def _page(request: Request, node: Node, since: float) -> Page:
    ids = [element.get("id", "") for element in request.action.iterchildren(ITEM)]
    if ids:
        most = request.server.settings(PubSubSettings).max_page_items
        return Page(_within(request, pubsub_items.get_all(request.server.db, node, ids[:most], since)))
    asked = page_asked_for(request)
    return _most_recent(request, node, since) if asked is None else _page_of_set(request, node, asked, since)


def _most_recent(request: Request, node: Node, since: float) -> Page:
    """6.5.7: as many of the newest as `max_items` asks for, or all; described if some had to be left out (6.5.4)."""
    settings, db, wanted = request.server.settings(PubSubSettings), request.server.db, _number_wanted(request)
    number = min(wanted or settings.page_items, settings.max_page_items)
    found = pubsub_items.newest(db, node, number + 1, since=since)  # one more tells whether there are more
    shown = _within(request, found[:number])
    is_complete = len(shown) in (len(found), wanted)
    return Page(shown[::-1], is_described=not is_complete)


def _page_of_set(request: Request, node: Node, asked: PageRequest, since: float) -> Page:
    """The page that is asked for (XEP-0059): backwards from `before`, else forwards from `after`."""
    settings, db = request.server.settings(PubSubSettings), request.server.db
    number = min(settings.page_items if asked.max is None else asked.max, settings.max_page_items)
    after, before = cursors.bounds(db, node, asked)
    if asked.before is None:
        shown = _within(request, pubsub_items.oldest(db, node, number, after=after, since=since))
    else:
        shown = _within(request, pubsub_items.newest(db, node, number, before=before, since=since))[::-1]
    return Page(shown, is_described=True)


def page_asked_for(request: Request) -> PageRequest | None:
    """The page that the <set/> of a request asks for (XEP-0059); None if there is none. Raises StanzaError if it is
    malformed, or asks for a page by number."""
    element = request.beside(resultsets.SET)
    if element is None:
        return None
    try:
        asked = resultsets.requested(element)
    except ValueError as error:
        raise refused("bad-request", str(error)) from None
    if asked.index:
        raise refused("feature-not-implemented", "pages are asked for by the id of an item, not by a number")
    return asked


def _number_wanted(request: Request) -> int | None:
    text: str | None = request.action.get("max_items")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= resultsets.MAX_NUMBER):
        raise refused("bad-request", "max_items is a number")
    return int(text)


def _within(request: Request, found: Iterable[Item]) -> list[Item]:
    """As many items as fit into half of what may wait for a client, but at least one."""
    left, taken = request.server.stream_settings.unsent_bytes // 2, list[Item]()
    for item in found:
        left -= len(item.payload)
        if left < 0 and taken:
            break
        taken.append(item)
    return taken
