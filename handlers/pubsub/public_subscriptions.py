"""XEP-0465: public subscriptions are listed at the node, and at the subscriber's account.

Both lists are retrieved like nodes, but are made from the subscriptions whenever somebody asks: so one that has ended
is in neither. Only those who may see a node are told who is subscribed to it. The id of an item says all that its
payload does, so payloads are made only for the items that are shown.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lxml import etree

from db import pubsub_people
from handlers.pubsub import access, hosts, retrieval
from handlers.pubsub.announced import PUBLIC_SUBSCRIPTIONS, PUBSUB
from handlers.pubsub.conditions import refused, unsupported
from handlers.pubsub.lists import PAGE_BYTES
from handlers.pubsub.requests import Request
from handlers.pubsub.settings import PubSubSettings
from handlers.pubsub.subscription_options import PUBLIC_IN_TEXT
from xmpp.data import resultsets
from xmpp.data.resultsets import PageRequest
from xmpp.data.wire import quoted, wire

SUBSCRIPTIONS = "urn:xmpp:pps:subscriptions:0"
SUBSCRIBERS = "urn:xmpp:pps:subscribers:0/"
MOST_NODES = 3_000  # of one account, wherever they are
MOST_SUBSCRIBERS = 10_000

ITEMS = f"{{{PUBSUB}}}items"
CHANGES = frozenset({"configure", "create", "delete", "publish", "purge", "retract"})


class List(NamedTuple):
    """The ids of all items of a list, in order. `payload`: makes the payload of an item from its id."""

    ids: Sequence[str]
    payload: Callable[[str], bytes]


def is_list(name: str) -> bool:
    """True for the names of the nodes at which the lists are retrieved."""
    return name == SUBSCRIPTIONS or name.startswith(SUBSCRIBERS)


def answer(request: Request) -> bytes:
    """Answer a request to a list. It can only be retrieved: the server itself makes it (section 6)."""
    if request.node_name == SUBSCRIPTIONS:
        found = _subscriptions(request)
    else:
        found = _subscribers(request, request.node_name.removeprefix(SUBSCRIBERS))
    if etree.QName(request.action).localname in CHANGES:
        raise refused("forbidden")
    if request.action.tag != ITEMS:
        raise unsupported("subscribe")
    return _page(request, found)


# -- the lists


def _subscriptions(request: Request) -> List:
    """The nodes that an account is subscribed to in public. If there are none, a stranger gets the same answer as for
    an account that does not exist (section 8)."""
    host = request.host
    if not host.address.local:
        raise refused("item-not-found")
    found = pubsub_people.nodes_subscribed_with(host.server.db, host.address, PUBLIC_IN_TEXT, MOST_NODES)
    if not found and host.is_hidden_from(request.asker, None):
        raise refused("service-unavailable")
    return List([f"{at} {node}" for at, node in found], _subscription)


def _subscribers(request: Request, name: str) -> List:
    """The addresses that are subscribed to a node in public. Raises StanzaError for askers who may not see the node."""
    host, asker = request.host, request.asker
    node = hosts.find(host, name)
    if host.is_hidden_from(asker, node):
        raise refused("service-unavailable")
    if node is None:
        raise refused("item-not-found")
    refusal = access.refusal_to_show_items(hosts.configuration_of(node), host.relation(node, asker))
    if refusal is not None:
        raise refused(refusal)
    return List(pubsub_people.subscribers_with(host.server.db, node, PUBLIC_IN_TEXT, MOST_SUBSCRIBERS), _subscriber)


def _subscription(id: str) -> bytes:
    at, _, node = id.partition(" ")
    return _payload("subscription", node=node, jid=at)


def _subscriber(id: str) -> bytes:
    return _payload("subscriber", jid=id)


def _payload(name: str, **attributes: str) -> bytes:
    content = "".join(f" {attribute}={quoted(value)}" for attribute, value in attributes.items())
    return f'<{name} xmlns="{PUBLIC_SUBSCRIPTIONS}"{content}/>'.encode()


# -- retrieving them


def _page(request: Request, found: List) -> bytes:
    """The items of certain ids, or the page that is asked for (XEP-0059), or else as many items as fit into one."""
    named = [element.get("id", "") for element in request.action.iterchildren(retrieval.ITEM)]
    if named:
        there = set(found.ids)
        return _answer(request, _within(found, [id for id in dict.fromkeys(named) if id in there]))
    asked, settings = retrieval.page_asked_for(request), request.server.settings(PubSubSettings)
    wanted = asked or PageRequest()
    ids = _ids_on(wanted, found.ids, settings.max_page_items)
    shown = _within(found, ids, is_backwards=wanted.before is not None)
    shown_ids, page = list(shown), b""
    if asked is not None or len(shown) < len(found.ids):
        first, last = (shown_ids[0], shown_ids[-1]) if shown_ids else (None, None)
        page = wire(resultsets.page(first=first, last=last, count=len(found.ids)))
    return _answer(request, shown, page)


def _within(found: List, ids: Sequence[str], *, is_backwards: bool = False) -> Mapping[str, bytes]:
    """The payloads of as many of these items as fit into a page, at least one, by id; from the last back if
    `is_backwards`."""
    left, taken = PAGE_BYTES, dict[str, bytes]()
    for id in reversed(ids) if is_backwards else ids:
        payload = found.payload(id)
        left -= len(id) + len(payload)
        if taken and left < 0:
            break
        taken[id] = payload
    return dict(reversed(taken.items())) if is_backwards else taken


def _answer(request: Request, entries: Mapping[str, bytes], page: bytes = b"") -> bytes:
    items = b"".join(b"<item id=%b>%b</item>" % (quoted(id).encode(), entry) for id, entry in entries.items())
    node = quoted(request.node_name).encode()
    return b'<pubsub xmlns="%b"><items node=%b>%b</items>%b</pubsub>' % (PUBSUB.encode(), node, items, page)


def _ids_on(asked: PageRequest, ids: Sequence[str], most: int) -> Sequence[str]:
    """Those of the ids that are on a page. Raises StanzaError if the page is beside an id that is not among them."""
    most = most if asked.max is None else min(asked.max, most)
    try:
        start = ids.index(asked.after) + 1 if asked.after else 0
        end = ids.index(asked.before) if asked.before else len(ids)
    except ValueError:
        raise refused("item-not-found") from None
    if asked.before is not None:
        start = max(start, end - most)
    return ids[start:end][:most]
