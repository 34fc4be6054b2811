"""XEP-0060 sections 8.1 to 8.5: nodes are created, configured, deleted and purged."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import gevent
from lxml import etree

from db import pubsub_affiliations, pubsub_items, pubsub_nodes, pubsub_people
from db.pubsub_nodes import Node
from handlers.pubsub import budget, configuration, hosts, notifications, rechecking
from handlers.pubsub.announced import OWNER, PUBSUB
from handlers.pubsub.conditions import refused, unsupported
from handlers.pubsub.configuration import NodeConfiguration
from handlers.pubsub.hosts import Account, Host
from handlers.pubsub.occasions import ITEM_PUBLISHED
from handlers.pubsub.requests import Request, answer
from handlers.pubsub.settings import PubSubSettings
from xmpp.data import dataforms
from xmpp.data.ids import random_id
from xmpp.data.jid import JID

MAX_NAME_BYTES = 1023  # a NodeID could be the resource of an address (4.6.1)
MAX_CONFIGURATION_BYTES = 8_000  # as it is kept, title and contacts and all
REDIRECT = f"{{{OWNER}}}redirect"
PAUSE_SECONDS = 0.001  # a sleep of 0 would not let the loop look at its sockets


# -- requests


def create(request: Request) -> etree._Element | None:
    """8.1: a node is made, as the form beside it says; without a name it is given one."""
    host, name = request.host, request.node_name
    if not host.may_create(request.asker):
        raise refused("forbidden")
    if name and request.found is not None:
        raise refused("conflict")
    wanted = host.default
    form = _form(request.beside("configure"))
    if form is not None:
        wanted = configuration.submitted(form, wanted)
    node = make(host, name or random_id(), request.asker, wanted)
    return None if name else answer("create", node=node.name)


def show_configuration(request: Request) -> etree._Element:
    """8.2.1: the form, for an owner."""
    node = request.owned_node()
    return answer("configure", [configuration.form(request.configuration)], OWNER, node=node.name)


def configure(request: Request) -> None:
    """8.2.4: the filled-in form is taken over; one that is cancelled changes nothing."""
    node, changed = request.owned_node(), _wanted(request)
    if changed is not None:
        request.note_agreement()
        reconfigure(request.host, node, changed)


def _wanted(request: Request) -> NodeConfiguration | None:
    """How an owner wants a node to be; None: as it is."""
    form = _form(request.action)
    if form is None:
        raise refused("bad-request", "a form is missing")
    if form.get("type") == "cancel":
        return None
    return configuration.submitted(form, request.configuration)


def show_default(request: Request) -> etree._Element:
    """8.3: how nodes begin here."""
    return answer("default", [configuration.form(request.host.default)], OWNER)


def delete(request: Request) -> None:
    """8.4: the node goes, with all that is in it; subscribers may be told where to look instead."""
    node, redirect = request.owned_node(), request.action.find(REDIRECT)
    request.note_agreement()
    remove(request.host, node, redirect.get("uri") if redirect is not None else None)


def purge(request: Request) -> None:
    """8.5: all items go, and subscribers are told once."""
    host, node = request.host, _purgeable(request)
    request.note_agreement()
    had_items = _has_items(host, node)
    pubsub_items.clear(host.server.db, node)
    notifications.purged(host, node, request.configuration)
    if had_items:
        tell_retracted(host, node)


def _purgeable(request: Request) -> Node:
    node = request.owned_node()
    if not request.configuration.persist_items:
        raise unsupported("persistent-items")
    return node


# -- before that, where a node is large: it takes long to remove many items, and nobody else is to wait for it


def shrink_to_configure(request: Request) -> None:
    """Remove most of what the node will not keep. Yields, if that is much. Raises as `configure` does."""
    node, changed = request.owned_node(), _wanted(request)
    if changed is not None:
        _check_text(request.host, node, _text(changed))
        _shrink(request.host, node, partial(_excess, changed))


def shrink_to_purge(request: Request) -> None:
    """Remove most items. Yields, if they are many. Raises as `purge` does."""
    _shrink(request.host, _purgeable(request), lambda items: items)


def _shrink(host: Host, node: Node, excess: Callable[[int], int]) -> None:
    db = host.server.db
    while excess(pubsub_nodes.usage(db, node).items) > pubsub_nodes.DELETED_AT_ONCE:
        pubsub_items.remove_oldest(db, node, pubsub_nodes.DELETED_AT_ONCE)
        gevent.sleep(PAUSE_SECONDS)


def _form(element: etree._Element | None) -> etree._Element | None:
    if element is None:
        return None
    if element.get("node") is not None and element.tag == f"{{{PUBSUB}}}configure":
        raise refused("bad-request", "it is <create/> that names the node")  # 8.1.3
    return element.find(dataforms.X)


# -- for other modules


def make(host: Host, name: str, creator: JID, wanted: NodeConfiguration) -> Node:
    """Make a node, of which there is none yet. Raises StanzaError where there are too many."""
    if len(name.encode()) > MAX_NAME_BYTES:
        raise refused("not-acceptable", f"the name of a node may have {MAX_NAME_BYTES} bytes")
    db, most = host.server.db, host.server.settings(PubSubSettings).max_nodes
    if pubsub_nodes.count(db, host.address, creator.bare) >= most:
        raise refused("max-nodes-exceeded", f"at most {most} nodes")
    text = _text(wanted)
    budget.check(host.server, creator.bare, budget.size_of_node(name, text))
    with db.change():
        node = pubsub_nodes.create(db, host.address, name, creator.bare, text, time.time())
        if creator.bare != host.address:
            pubsub_affiliations.affiliate(db, node, creator.bare, "owner", has_agreed=True)
    return node


def make_with(host: Host, name: str, creator: JID, options: dict[str, Any]) -> Node:
    """Make a node that differs from others in some fields of its configuration."""
    return make(host, name, creator, replace(host.default, **options))


def reconfigure(host: Host, node: Node, changed: NodeConfiguration) -> None:
    """Configure a node, if it is configured otherwise, with all that comes of it (8.2.5)."""
    before = hosts.configuration_of(node)
    if changed == before:
        return
    text = _text(changed)
    _check_text(host, node, text)
    node = pubsub_nodes.configure(host.server.db, node, text)
    _check(host, node, changed)
    if (changed.access_model, changed.roster_groups_allowed) != (before.access_model, before.roster_groups_allowed):
        rechecking.recheck(host, node)
    if changed.notify_config:
        notifications.configured(host, node, changed)


def _check_text(host: Host, node: Node, text: str) -> None:
    budget.check(host.server, node.creator, len(text.encode()) - len(node.configuration.encode()), host.actor)


def remove(host: Host, node: Node, redirect: str | None = None) -> None:
    """Delete a node, which is out of reach at once, and tell its subscribers."""
    had_items = _has_items(host, node)
    pubsub_nodes.leave(host.server.db, node)
    forget(host, node, redirect)
    if had_items:
        tell_retracted(host, node)


def _has_items(host: Host, node: Node) -> bool:
    return pubsub_nodes.usage(host.server.db, node).items > 0


def forget(host: Host, node: Node, redirect: str | None = None, *, at_once: bool = True) -> None:
    """Tell the subscribers of a node that has left its host, and delete it then."""
    wanted, steps = hosts.configuration_of(node), iter(_delete(host, node))
    if wanted.notify_delete and wanted.deliver_notifications:
        steps = chain(notifications.deleted(host, node, wanted, redirect), steps)
    host.in_line(node, steps, at_once=at_once)


def _delete(host: Host, node: Node) -> Iterator[None]:
    db = host.server.db
    subscriptions = sum(pubsub_people.count_subscriptions(db, node, state) for state in ("subscribed", "pending"))
    pubsub_nodes.delete(db, node, subscriptions)
    yield


def leave_to_others(host: Host, gone: JID) -> None:
    """Somebody (bare address) owns nothing here any more: nodes go with them where nobody else owns them; those that
    they have made are left to the first of the others who has room for one, and go where none has.

    There may be a thousand, all of which are out of reach, or left to others, at once; then subscribers are told.
    """
    db, room = host.server.db, budget.Room(host.server)
    alone = pubsub_affiliations.leave_with(db, host.address, gone)
    given, left = list[tuple[Node, JID, int]](), list[Node]()
    for node, size in pubsub_nodes.made_by(db, host.address, gone):
        heir = next((each for each in host.owners(node) if each != gone and room.take(each, size)), None)
        if heir is None:
            left.append(node)
        else:
            given.append((node, heir, size))
    pubsub_nodes.hand_over_all(db, given)
    pubsub_nodes.leave_all(db, left)
    for node in (*alone, *left):
        forget(host, node, at_once=False)


def tell_retracted(host: Host, node: Node) -> None:
    """ITEM_PUBLISHED: items are gone, if they were an account's; once, however many."""
    if isinstance(host, Account):
        for step in host.server.tables[ITEM_PUBLISHED]:
            step(host.server, host.address, node.name, "", None)


def _text(wanted: NodeConfiguration) -> str:
    """A configuration as it is kept, which is remembered for many accounts and shown in lists."""
    text = configuration.to_text(wanted)
    if len(text.encode()) > MAX_CONFIGURATION_BYTES:
        raise refused("not-acceptable", f"the configuration of a node may have {MAX_CONFIGURATION_BYTES} bytes")
    return text


def _check(host: Host, node: Node, wanted: NodeConfiguration) -> None:
    """Remove what the node would no longer keep."""
    db = host.server.db
    excess = _excess(wanted, pubsub_nodes.usage(db, node).items)
    if excess > 0:
        pubsub_items.remove_oldest(db, node, excess)
        tell_retracted(host, node)


def _excess(wanted: NodeConfiguration, items: int) -> int:
    if not wanted.persist_items:
        return items
    return 0 if wanted.max_items is None else items - wanted.max_items
