"""XEP-0465: who lets others know of a subscription is listed at the node, and the node at the subscriber's account.

Both lists are retrieved like nodes and are none: they are put together from the subscriptions when somebody asks, so
that nothing stays in them that has ended. Only those who may see a node are told who is subscribed to it.
"""

import hashlib
from collections.abc import Mapping, Sequence

from lxml import etree

from db import pubsub_people
from db.pubsub_people import Subscription
from handlers.pubsub import access, hosts, retrieval, subscription_options
from handlers.pubsub.conditions import refused, unsupported
from handlers.pubsub.requests import PUBSUB, Request
from handlers.pubsub.settings import PubSubSettings
from xmpp import resultsets
from xmpp.resultsets import PageRequest
from xmpp.wire import quoted, wire

PUBLIC_SUBSCRIPTIONS = "urn:xmpp:pps:0"
SUBSCRIPTIONS = "urn:xmpp:pps:subscriptions:0"
SUBSCRIBERS = "urn:xmpp:pps:subscribers:0/"
MOST = 10_000  # subscriptions of one account that are looked through

ITEMS = f"{{{PUBSUB}}}items"
CHANGES = frozenset({"configure", "create", "delete", "publish", "purge", "retract"})


def is_list(name: str) -> bool:
    """Whether a node of this name would be one of the lists."""
    return name == SUBSCRIPTIONS or name.startswith(SUBSCRIBERS)


def answer(request: Request) -> bytes:
    """What a list holds. It is kept by the server, and nobody else changes it (section 6)."""
    entries = _entries(request)
    if etree.QName(request.action).localname in CHANGES:
        raise refused("forbidden")
    if request.action.tag != ITEMS:
        raise unsupported("subscribe")
    return _page(request, entries)


# -- the lists


def _entries(request: Request) -> Mapping[str, bytes]:
    """The payloads of a list, by the ids of its items."""
    if request.node_name == SUBSCRIPTIONS:
        return _subscriptions(request)
    return _subscribers(request, request.node_name.removeprefix(SUBSCRIBERS))


def _subscriptions(request: Request) -> Mapping[str, bytes]:
    """The nodes that an account is subscribed to. A stranger is not told that there are none, since then it would know
    that there is an account (section 8)."""
    host = request.host
    if not host.address.local:
        raise refused("item-not-found")
    found = pubsub_people.subscriptions_anywhere(host.server.db, host.address, MOST)
    entries = {
        _id(f"{at} {node}"): _payload("subscription", node=node, jid=at)
        for at, node, subscription in found
        if _is_public(subscription)
    }
    if not entries and host.is_hidden_from(request.asker, None):
        raise refused("service-unavailable")
    return entries


def _subscribers(request: Request, name: str) -> Mapping[str, bytes]:
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
    found = pubsub_people.subscriptions(host.server.db, node)
    public = (subscription.jid.bare for subscription in found if _is_public(subscription))
    return {_id(jid): _payload("subscriber", jid=jid) for jid in public}


def _is_public(subscription: Subscription) -> bool:
    options = subscription_options.from_text(subscription.options)
    return options.public and subscription.state == "subscribed"


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _payload(name: str, **attributes: str) -> bytes:
    content = "".join(f" {attribute}={quoted(value)}" for attribute, value in attributes.items())
    return f'<{name} xmlns="{PUBLIC_SUBSCRIPTIONS}"{content}/>'.encode()


# -- retrieving them


def _page(request: Request, entries: Mapping[str, bytes]) -> bytes:
    """The items of certain ids, or a page (XEP-0059): as much as fits into one, if none is asked for."""
    named = [element.get("id", "") for element in request.action.iterchildren(retrieval.ITEM)]
    if named:
        return _answer(request, {id: entries[id] for id in named if id in entries})
    asked, settings = retrieval.page_asked_for(request), request.server.settings(PubSubSettings)
    ids = _of_set(list(entries), asked or PageRequest(), settings.max_page_items)
    page = b""
    if asked is not None or len(ids) < len(entries):
        first, last = (ids[0], ids[-1]) if ids else (None, None)
        page = wire(resultsets.page(first=first, last=last, count=len(entries)))
    return _answer(request, {id: entries[id] for id in ids}, page)


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
