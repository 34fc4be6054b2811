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
MAX_CONFIGURATION_BYTES = 8_000  # of the text that is kept
REDIRECT = f"{{{OWNER}}}redirect"
PAUSE_SECONDS = 0.001  # a sleep of 0 would not let the loop look at its sockets


# -- requests


def create(request: Request) -> etree._Element | None:
    """8.1: make a node, configured by the form that comes with the request. Without a name it gets a random one, which
    the answer tells."""
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
    """8.2.1: the form to configure the node with, for its owners."""
    node = request.owned_node()
    return answer("configure", [configuration.form(request.configuration)], OWNER, node=node.name)


def configure(request: Request) -> None:
    """8.2.4: configure the node by the form; one of type "cancel" changes nothing."""
    node, changed = request.owned_node(), _wanted(request)
    if changed is not None:
        request.note_agreement()
        reconfigure(request.host, node, changed)


def _wanted(request: Request) -> NodeConfiguration | None:
    """The configuration that an owner submits; None if the form is cancelled."""
    form = _form(request.action)
    if form is None:
        raise refused("bad-request", "a form is missing")
    if form.get("type") == "cancel":
        return None
    return configuration.submitted(form, request.configuration)


def show_default(request: Request) -> etree._Element:
    """8.3: the default configuration of nodes here."""
    return answer("default", [configuration.form(request.host.default)], OWNER)


def delete(request: Request) -> None:
    """8.4: delete the node with all that is in it. Subscribers may be told where to look instead."""
    node, redirect = request.owned_node(), request.action.find(REDIRECT)
    request.note_agreement()
    remove(request.host, node, redirect.get("uri") if redirect is not None else None)


def purge(request: Request) -> None:
    """8.5: remove all items, and tell subscribers once."""
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


# -- before requests at a large node: many items are removed bit by bit, so that nobody else has to wait


def shrink_to_configure(request: Request) -> None:
    """Remove most of the items that `configure` will remove. Yields if they are many. Raises as `configure` does."""
    node, changed = request.owned_node(), _wanted(request)
    if changed is not None:
        _check_room(request.host, node, _text(changed))
        _shrink(request.host, node, partial(_excess, changed))


def shrink_to_purge(request: Request) -> None:
    """Remove most items. Yields if they are many. Raises as `purge` does."""
    _shrink(request.host, _purgeable(request), lambda items: items)


def _shrink(host: Host, node: Node, excess: Callable[[int], int]) -> None:
    """Remove the oldest items until at most DELETED_AT_ONCE are left to remove. `excess`: how many of so many items are
    to be removed. Yields."""
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
    """Make a node that does not exist yet; it belongs to `creator`. Raises StanzaError if there are too many, or it is
    too large."""
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
    """`make`, with the default configuration but for these fields."""
    return make(host, name, creator, replace(host.default, **options))


def reconfigure(host: Host, node: Node, changed: NodeConfiguration) -> None:
    """Configure a node, unless it is configured that way already: remove items and subscriptions that it does not allow
    any more, and tell subscribers if it says so (8.2.5). Raises StanzaError if there is no room."""
    before = hosts.configuration_of(node)
    if changed == before:
        return
    text = _text(changed)
    _check_room(host, node, text)
    node = pubsub_nodes.configure(host.server.db, node, text)
    _remove_excess(host, node, changed)
    if (changed.access_model, changed.roster_groups_allowed) != (before.access_model, before.roster_groups_allowed):
        rechecking.recheck(host, node)
    if changed.notify_config:
        notifications.configured(host, node, changed)


def _check_room(host: Host, node: Node, text: str) -> None:
    budget.check(host.server, node.creator, len(text.encode()) - len(node.configuration.encode()), host.actor)


def remove(host: Host, node: Node, redirect: str | None = None) -> None:
    """Delete a node and tell its subscribers. Nobody finds it from now on; its rows are deleted later."""
    had_items = _has_items(host, node)
    pubsub_nodes.leave(host.server.db, node)
    forget(host, node, redirect)
    if had_items:
        tell_retracted(host, node)


def _has_items(host: Host, node: Node) -> bool:
    return pubsub_nodes.usage(host.server.db, node).items > 0


def forget(host: Host, node: Node, redirect: str | None = None, *, at_once: bool = True) -> None:
    """Tell the subscribers of a node that nobody finds any more, and then delete its rows."""
    wanted, steps = hosts.configuration_of(node), iter(_delete(host, node))
    if wanted.notify_delete and wanted.deliver_notifications:
        steps = chain(notifications.deleted(host, node, wanted, redirect), steps)
    host.in_line(node, steps, at_once=at_once, if_lost=lambda: pubsub_nodes.is_leaving(host.server.db, node))


def _delete(host: Host, node: Node) -> Iterator[None]:
    db = host.server.db
    subscriptions = sum(pubsub_people.count_subscriptions(db, node, state) for state in ("subscribed", "pending"))
    pubsub_nodes.delete(db, node, subscriptions)
    yield


def leave_to_others(host: Host, gone: JID) -> None:
    """End the affiliations of an account that is removed (bare address). Nodes that nobody else owns are deleted. Nodes
    that it has made pass to the first other owner who has room; if none has, they are deleted, too.

    There may be a thousand. All of that is stored at once; subscribers are told later.
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
    """Run ITEM_PUBLISHED for items that are gone, once for all of them, if the node is an account's."""
    if isinstance(host, Account):
        for step in host.server.tables[ITEM_PUBLISHED]:
            step(host.server, host.address, node.name, "", None)


def _text(wanted: NodeConfiguration) -> str:
    """A configuration as it is kept. Raises StanzaError if it is too long: many are remembered, and listed."""
    text = configuration.to_text(wanted)
    if len(text.encode()) > MAX_CONFIGURATION_BYTES:
        raise refused("not-acceptable", f"the configuration of a node may have {MAX_CONFIGURATION_BYTES} bytes")
    return text


def _remove_excess(host: Host, node: Node, wanted: NodeConfiguration) -> None:
    """Remove the oldest items, if the node has more than it may keep by this configuration."""
    db = host.server.db
    excess = _excess(wanted, pubsub_nodes.usage(db, node).items)
    if excess > 0:
        pubsub_items.remove_oldest(db, node, excess)
        tell_retracted(host, node)


def _excess(wanted: NodeConfiguration, items: int) -> int:
    """How many of so many items the node may not keep by this configuration."""
    if not wanted.persist_items:
        return items
    return 0 if wanted.max_items is None else items - wanted.max_items
