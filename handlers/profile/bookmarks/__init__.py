"""XEP-0402, XEP-0048 and XEP-0049: bookmarks as an item for each room, as a list at a node, and as the same list in
private XML. What a client changes in one of them changes in all (XEP-0411).

These are three copies, so that nodes and private XML need not know of bookmarks. There are no loops: NODE_CHANGED and
PRIVATE_XML_KEPT run for the requests of clients, and not for what is published here. A change is kept in all three
places, or in none.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db import private, pubsub_nodes
from handlers.profile.bookmarks import formats
from handlers.profile.bookmarks.formats import LIST, NATIVE, Room
from handlers.pubsub import hosts, nodes, publishing, retrieval
from handlers.pubsub.hosts import Account
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    NATIVE: {
        "access_model": "whitelist",
        "persist_items": True,
        "max_items": None,
        "send_last_published_item": "never",
    },
    LIST: {"access_model": "whitelist", "persist_items": True},
}
"""How clients want the nodes to be (XEP-0402 section 3.3, XEP-0048 section 3.1)."""
LIST_ID = "current"

feature = Feature(
    "bookmarks",
    xep="0402",
    account_disco=[f"{NATIVE}#compat", f"{NATIVE}#compat-pep", "urn:xmpp:bookmarks-conversion:0"],
    needs=["pubsub"],
)


# -- steps


@feature.step
def follow_node(server: "Server", account: JID, node_name: str) -> None:
    """NODE_CHANGED: the other two copies follow. Raises StanzaError if one cannot hold as much."""
    if node_name == NATIVE:
        _follow_items(server, account)
    elif node_name == LIST:
        last = retrieval.last_item(server, account, LIST)
        _follow_list(server, account, last[1] if last is not None else formats.EMPTY)


@feature.step
def follow_private_xml(server: "Server", account: JID, tag: str, xml: bytes) -> None:
    """PRIVATE_XML_KEPT: both nodes follow. Raises StanzaError if one cannot hold as much."""
    if tag == formats.STORAGE:
        _follow_list(server, account, xml)


@feature.step
def adopt(session: "Session") -> None:
    """SESSION_BOUND: copy a list that only private XML has into the nodes, before the client can look into them
    (XEP-0411 section 4)."""
    server, account = session.server, session.account
    storage = private.get(server.db, account, formats.STORAGE)
    if storage is None or LIST in pubsub_nodes.of_account(server.db, account):
        return
    try:
        with server.db.change():
            native = formats.bookmarks(retrieval.items_of(server, account, NATIVE))
            rooms = formats.rooms_in(storage) | formats.rooms_of(native)
            _keep_items(server, account, rooms)
            _keep_list(server, account, formats.list_with(storage, rooms))
    except StanzaError as error:
        log.warning("the bookmarks of %s stay in private XML: %s", account, error)


# -- what the server itself adds and removes


def add(server: "Server", account: JID, address: JID, room: Room) -> None:
    """Bookmark a room for an account, in all three places, unless it has a bookmark of it. Raises StanzaError if one
    cannot hold as much."""
    rooms = formats.rooms_of(formats.bookmarks(retrieval.items_of(server, account, NATIVE)))
    if address in rooms:
        return
    with server.db.change():
        _keep_items(server, account, {**rooms, address: room})
        _follow_items(server, account)


def remove(server: "Server", account: JID, address: JID) -> None:
    """Remove the bookmark of a room, if an account has one, in all three places. Raises StanzaError if one cannot be
    changed."""
    rooms = formats.rooms_of(formats.bookmarks(retrieval.items_of(server, account, NATIVE)))
    if address not in rooms:
        return
    with server.db.change():
        _keep_items(server, account, {each: room for each, room in rooms.items() if each != address})
        _follow_items(server, account)


# -- from one to the others


def _follow_items(server: "Server", account: JID) -> None:
    rooms = formats.rooms_of(formats.bookmarks(retrieval.items_of(server, account, NATIVE)))
    storage = private.get(server.db, account, formats.STORAGE) or formats.EMPTY
    changed = formats.list_with(storage, rooms)
    if changed is not storage:
        _keep_list(server, account, changed)


def _follow_list(server: "Server", account: JID, storage: bytes) -> None:
    if formats.is_list(storage):
        _keep_list(server, account, storage)
        _keep_items(server, account, formats.rooms_in(storage))


def _keep_list(server: "Server", account: JID, storage: bytes) -> None:
    """Have this list in private XML and at its node. No node is made for an empty list."""
    if private.get(server.db, account, formats.STORAGE) != storage:
        private.put(server.db, account, formats.STORAGE, storage)
    id, published = retrieval.last_item(server, account, LIST) or (LIST_ID, formats.EMPTY)
    if published != storage:
        _make_fit(server, account, LIST)
        publishing.publish_for(server, account, LIST, id, storage, **OPTIONS[LIST])


def _keep_items(server: "Server", account: JID, rooms: Mapping[JID, Room]) -> None:
    """Have an item for each of these rooms, and none for others. Items that are right already are left alone."""
    native = formats.bookmarks(retrieval.items_of(server, account, NATIVE))
    known = {each.address: each for each in native}
    changed = {address: room for address, room in rooms.items() if address not in known or known[address].room != room}
    publishing.retract_all_for(server, account, NATIVE, [each.id for each in native if each.address not in rooms])
    if changed:
        _make_fit(server, account, NATIVE)
        payloads = {
            known[address].id if address in known else address: formats.bookmark_of(room, known.get(address))
            for address, room in changed.items()
        }
        publishing.publish_all_at(Account(server, account), account, NATIVE, payloads, **OPTIONS[NATIVE])


def _make_fit(server: "Server", account: JID, node_name: str) -> None:
    """Reconfigure a node that others may read, or that would drop rooms, before rooms are published there (XEP-0411
    section 5). Nor can it be left as it was: a client that finds an old list writes that back."""
    host = Account(server, account)
    node = hosts.find(host, node_name)
    if node is not None:
        nodes.reconfigure(host, node, replace(hosts.configuration_of(node), **OPTIONS[node_name]))
