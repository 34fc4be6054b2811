"""XEP-0465: who lets others know of a subscription is listed at the node, and the node at the subscriber's account.

Both lists are retrieved like nodes and are none: they are put together from the subscriptions when somebody asks, so
that nothing stays in them that has ended. Only those who may see a node are told who is subscribed to it. The id of an
item says what the item is about, so that none needs to be looked for in ten thousand.
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
    """The ids of all its items, in order, and what each of them says: made for those only that are shown."""

    ids: Sequence[str]
    payload: Callable[[str], bytes]


def is_list(name: str) -> bool:
    """Whether a node of this name would be one of the lists."""
    return name == SUBSCRIPTIONS or name.startswith(SUBSCRIBERS)


def answer(request: Request) -> bytes:
    """What a list holds. It is kept by the server, and nobody else changes it (section 6)."""
    found = _list(request)
    if etree.QName(request.action).localname in CHANGES:
        raise refused("forbidden")
    if request.action.tag != ITEMS:
        raise unsupported("subscribe")
    return _page(request, found)


# -- the lists


def _list(request: Request) -> List:
    if request.node_name == SUBSCRIPTIONS:
        return _subscriptions(request)
    return _subscribers(request, request.node_name.removeprefix(SUBSCRIBERS))


def _subscriptions(request: Request) -> List:
    """The nodes that an account is subscribed to. A stranger is not told that there are none, since then it would know
    that there is an account (section 8)."""
    host = request.host
    if not host.address.local:
        raise refused("item-not-found")
    found = pubsub_people.nodes_subscribed_with(host.server.db, host.address, PUBLIC_IN_TEXT, MOST_NODES)
    if not found and host.is_hidden_from(request.asker, None):
        raise refused("service-unavailable")
    return List([f"{at} {node}" for at, node in found], _subscription)


def _subscribers(request: Request, name: str) -> List:
    """Those who are subscribed to a node."""
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
    """The items of certain ids, or a page (XEP-0059): as much as fits into one, if none is asked for."""
    named = [element.get("id", "") for element in request.action.iterchildren(retrieval.ITEM)]
    if named:
        there = set(found.ids)
        return _answer(request, _within(found, [id for id in dict.fromkeys(named) if id in there]))
    asked, settings = retrieval.page_asked_for(request), request.server.settings(PubSubSettings)
    wanted = asked or PageRequest()
    ids = _of_set(found.ids, wanted, settings.max_page_items)
    shown = _within(found, ids, is_backwards=wanted.before is not None)
    shown_ids, page = list(shown), b""
    if asked is not None or len(shown) < len(found.ids):
        first, last = (shown_ids[0], shown_ids[-1]) if shown_ids else (None, None)
        page = wire(resultsets.page(first=first, last=last, count=len(found.ids)))
    return _answer(request, shown, page)


def _within(found: List, ids: Sequence[str], *, is_backwards: bool = False) -> Mapping[str, bytes]:
    """The payloads of as many as make a page, from one end."""
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


def _of_set(ids: Sequence[str], asked: PageRequest, most: int) -> Sequence[str]:
    most = most if asked.max is None else min(asked.max, most)
    try:
        start = ids.index(asked.after) + 1 if asked.after else 0
        end = ids.index(asked.before) if asked.before else len(ids)
    except ValueError:
        raise refused("item-not-found") from None
    if asked.before is not None:
        start = max(start, end - most)
    return ids[start:end][:most]
