"""XEP-0060 sections 8.1 to 8.5: nodes are created, configured, deleted and purged."""

import secrets
import time
from dataclasses import replace
from typing import Any

from lxml import etree

from db import pubsub_items, pubsub_nodes, pubsub_people
from db.pubsub_nodes import Node
from handlers.pubsub import budget, configuration, hosts, notifications, subscribing
from handlers.pubsub.conditions import refused, unsupported
from handlers.pubsub.configuration import NodeConfiguration
from handlers.pubsub.hosts import Account, Host
from handlers.pubsub.requests import OWNER, PUBSUB, Request, answer
from handlers.pubsub.settings import PubSubSettings
from xmpp import dataforms
from xmpp.jid import JID

MAX_NAME_BYTES = 1023  # a NodeID could be the resource of an address (4.6.1)
MAX_CONFIGURATION_BYTES = 8_000  # as it is kept, title and contacts and all
REDIRECT = f"{{{OWNER}}}redirect"


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
    node = make(host, name or secrets.token_urlsafe(12), request.asker, wanted)
    return None if name else answer("create", node=node.name)


def show_configuration(request: Request) -> etree._Element:
    """8.2.1: the form, for an owner."""
    node = request.owned_node()
    return answer("configure", [configuration.form(request.configuration)], OWNER, node=node.name)


def configure(request: Request) -> None:
    """8.2.4: the filled-in form is taken over; one that is cancelled changes nothing."""
    node, form = request.owned_node(), _form(request.action)
    if form is None:
        raise refused("bad-request", "a form is missing")
    if form.get("type") == "cancel":
        return
    changed = configuration.submitted(form, request.configuration)
    request.note_agreement()
    reconfigure(request.host, node, changed)


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
    host, node = request.host, request.owned_node()
    if not request.configuration.persist_items:
        raise unsupported("persistent-items")
    request.note_agreement()
    gone = _ids_to_tell(host, node)
    pubsub_items.clear(host.server.db, node)
    notifications.purged(host, node, request.configuration)
    tell_retracted(host, node, gone)


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
    budget.hold(host.server, creator.bare, budget.size_of_node(name, text))
    with db.change():
        node = pubsub_nodes.create(db, host.address, name, creator.bare, text, time.time())
        if creator.bare != host.address:
            pubsub_people.affiliate(db, node, creator.bare, "owner", has_agreed=True)
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
    budget.hold(host.server, node.creator, len(text.encode()) - len(node.configuration.encode()), host.actor)
    node = pubsub_nodes.configure(host.server.db, node, text)
    _hold(host, node, changed)
    if (changed.access_model, changed.roster_groups_allowed) != (before.access_model, before.roster_groups_allowed):
        subscribing.recheck(host, node)
    if changed.notify_config:
        notifications.configured(host, node, changed)


def remove(host: Host, node: Node, redirect: str | None = None) -> None:
    """Delete a node and tell its subscribers."""
    wanted = hosts.configuration_of(node)
    gone = _ids_to_tell(host, node)
    if wanted.notify_delete:
        notifications.deleted(host, node, wanted, redirect)
    pubsub_nodes.delete(host.server.db, node)
    tell_retracted(host, node, gone)


def leave_to_others(host: Host, node: Node, gone: JID) -> None:
    """Somebody (bare address) owns nothing any more: the node goes with them where nobody else does; if they have made
    it, it is left to the first of the others who has room for it, and goes where none has."""
    others = [owner for owner in host.owners(node) if owner != gone]
    if others and node.creator != gone:
        return
    size = pubsub_nodes.usage(host.server.db, node).bytes
    heir = next((each for each in others if budget.has_room(host.server, each, size)), None)
    if heir is not None:
        pubsub_nodes.hand_over(host.server.db, node, heir)
    elif node.creator == gone or gone in host.owners(node):
        remove(host, node)


def tell_retracted(host: Host, node: Node, ids: list[str]) -> None:
    """ITEM_PUBLISHED for items that are gone, if they were an account's."""
    if isinstance(host, Account):
        for id in ids:
            for step in host.server.tables.item_published:
                step(host.server, host.address, node.name, id, None)


def _ids_to_tell(host: Host, node: Node) -> list[str]:
    return pubsub_items.ids(host.server.db, node, pubsub_items.ALL) if isinstance(host, Account) else []


def _text(wanted: NodeConfiguration) -> str:
    """A configuration as it is kept, which is remembered for many accounts and shown in lists."""
    text = configuration.to_text(wanted)
    if len(text.encode()) > MAX_CONFIGURATION_BYTES:
        raise refused("not-acceptable", f"the configuration of a node may have {MAX_CONFIGURATION_BYTES} bytes")
    return text


def _hold(host: Host, node: Node, wanted: NodeConfiguration) -> None:
    """Remove what the node would no longer keep."""
    db, before = host.server.db, _ids_to_tell(host, node)
    if not wanted.persist_items:
        pubsub_items.clear(db, node)
    elif wanted.max_items is not None:
        pubsub_items.remove_oldest(db, node, max(0, pubsub_nodes.usage(db, node).items - wanted.max_items))
    kept = set(_ids_to_tell(host, node))
    tell_retracted(host, node, [id for id in before if id not in kept])
