"""XEP-0060 section 7: items are published and retracted."""

import time
from collections.abc import Mapping, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lxml import etree

from db import accounts, pubsub_items
from db.pubsub_items import Item
from db.pubsub_nodes import Node
from handlers.pubsub import access, budget, hosts, items, nodes, notifications
from handlers.pubsub.announced import PUBSUB
from handlers.pubsub.conditions import refused, unsupported
from handlers.pubsub.configuration import NodeConfiguration, demanded
from handlers.pubsub.hosts import Account, Host
from handlers.pubsub.occasions import ITEM_PUBLISHED
from handlers.pubsub.requests import Request, answer
from handlers.pubsub.settings import PubSubSettings
from xmpp.data import dataforms, names
from xmpp.data.ids import random_id
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ITEM = f"{{{PUBSUB}}}item"
MAX_ID_BYTES = 1023
MOST_AT_ONCE = 500  # in one request, since nothing else is done meanwhile


# -- requests


def publish(request: Request) -> etree._Element:
    """7.1: keep items, and tell subscribers of them. Publish options have to fit an existing node, and never change it
    (7.1.5)."""
    if not request.node_name:
        raise refused("nodeid-required")
    host, node, options = request.host, request.found, _options(request)
    if node is None:
        given, node = _at_new_node(request, options)
    else:
        if not access.may_publish(request.configuration, request.relation):
            raise refused("forbidden")
        unmet = [name for name, value in options.items() if getattr(request.configuration, name) != value]
        if unmet:
            raise refused("precondition-not-met", f"not configured that way: {', '.join(sorted(unmet))}")
        given = _items(request, request.configuration)
    _keep(host, node, hosts.configuration_of(node), given)
    children = [etree.Element(ITEM, id=item.id, nsmap={None: PUBSUB}) for item in given]
    return answer("publish", children, node=request.node_name)


def retract(request: Request) -> None:
    """7.2: remove items. Owners may remove any, publishers those that they have published themselves."""
    host, node, configuration = request.host, request.node, request.configuration
    is_owner = request.relation.affiliation == "owner"
    if not is_owner and not access.may_publish(configuration, request.relation):
        raise refused("forbidden")
    if not configuration.persist_items:
        raise unsupported("persistent-items")
    gone = _retractable(request, node, _retracted_ids(request.action), is_owner=is_owner)
    is_asked_to_tell = names.BOOLEANS.get(request.action.get("notify", ""), False)
    _remove(host, node, gone, is_told=configuration.notify_retract or is_asked_to_tell)


# -- for features that keep something in nodes


def publish_for(server: "Server", account: JID, node_name: str, item_id: str, payload: bytes, **options: Any) -> None:
    """Publish an item as the account's owner would. If there is no such node it is made, with these fields of its
    configuration; an existing one stays as it is. Raises StanzaError if the item cannot be kept."""
    publish_at(Account(server, account), account, node_name, item_id, payload, **options)


def publish_at(host: Host, owner: JID, node_name: str, item_id: str, payload: bytes, **options: Any) -> None:
    """`publish_for`, at any host; a node that is made for it belongs to `owner`."""
    publish_all_at(host, owner, node_name, {item_id: payload}, **options)


def publish_all_at(host: Host, owner: JID, node_name: str, payloads: Mapping[str, bytes], **options: Any) -> None:
    """`publish_at`, for payloads by the ids of their items: all are kept, or none. Each is told of in an event of its
    own, as not all clients look for a second item in one."""
    now = time.time()
    given = [Item(id, owner, now, payload) for id, payload in payloads.items()]
    node = hosts.find(host, node_name) or nodes.make_with(host, node_name, owner, options)
    configuration = hosts.configuration_of(node)
    _check_count(given, _most_items(host.server, configuration))
    for item in given:
        _check_length(item.payload, _most_bytes(host.server, configuration))
    _keep(host, node, configuration, given, are_told_together=False)


def retract_for(server: "Server", account: JID, node_name: str, item_id: str) -> None:
    """Retract an item as the account's owner would, if there is such an item, and tell of it."""
    retract_all_for(server, account, node_name, [item_id])


def retract_all_for(server: "Server", account: JID, node_name: str, item_ids: Sequence[str]) -> None:
    """`retract_for`, for the items of these ids, each with an event of its own."""
    host = Account(server, account)
    node = hosts.find(host, node_name)
    if node is not None:
        found = pubsub_items.get_all(server.db, node, item_ids)
        _remove(host, node, found, is_told=True, are_told_together=False)


# -- publishing


def _at_new_node(request: Request, options: Mapping[str, Any]) -> tuple[list[Item], Node]:
    """7.1.4: make a node by publishing at it, which an account's owner may do; returns the items, too. The items are
    checked first. Raises StanzaError for others."""
    host = request.host
    if not host.creates_by_publishing() or not host.may_create(request.asker):
        raise refused("item-not-found")
    given = _items(request, replace(host.default, **options))
    budget.check(host.server, request.asker.bare, sum(item.size for item in given))
    return given, nodes.make_with(host, request.node_name, request.asker, dict(options))


def _options(request: Request) -> Mapping[str, Any]:
    element = request.beside("publish-options")
    if element is None:
        return {}
    form = element.find(dataforms.X)
    if form is None:
        raise refused("bad-request", "publish options are a form")
    return demanded(form)


def _items(request: Request, configuration: NodeConfiguration) -> list[Item]:
    """The items in a request. Raises StanzaError if a node of this configuration does not take them (7.1.3)."""
    elements = list(request.action.iterchildren(ITEM))
    if len(elements) < len(request.action):
        raise refused("bad-request", "only items are published")
    if not configuration.persist_items and not configuration.deliver_payloads:
        if elements:
            raise refused("item-forbidden")
        return []
    if not elements:
        raise refused("item-required")
    _check_number(elements)
    _check_count(elements, _most_items(request.server, configuration))
    most, now = _most_bytes(request.server, configuration), time.time()
    given = [
        Item(_id(element), request.asker.bare, now, _payload(element, configuration, most)) for element in elements
    ]
    if len({item.id for item in given}) < len(given):
        raise refused("bad-request", "two items of one id")
    return given


def _id(element: etree._Element) -> str:
    id: str = element.get("id") or random_id()
    if len(id.encode()) > MAX_ID_BYTES:
        raise refused("not-acceptable", f"the id of an item may have {MAX_ID_BYTES} bytes")
    return id


def _payload(element: etree._Element, configuration: NodeConfiguration, most: int) -> bytes:
    """7.1.3.5 to 7.1.3.7. The payload may have any namespace: clients set the node's `type` to what its items are for,
    and not to their namespace."""
    if len(element) > 1:
        raise refused("invalid-payload")
    if not len(element):
        if configuration.deliver_payloads:
            raise refused("payload-required")
        return items.NO_PAYLOAD
    payload = items.payload_of(element[0])
    _check_length(payload, most)
    return payload


def _check_number(elements: Sized) -> None:
    if len(elements) > MOST_AT_ONCE:
        raise refused("policy-violation", f"at most {MOST_AT_ONCE} items at once")


def _check_count(given: Sized, most: int) -> None:
    if len(given) > most:
        raise refused("max-items-exceeded", f"the node keeps {most} items")


def _check_length(payload: bytes, most: int) -> None:
    if len(payload) > most:
        raise refused("payload-too-big", f"a payload may have {most} bytes here")


def _most_bytes(server: "Server", configuration: NodeConfiguration) -> int:
    most = server.settings(PubSubSettings).max_item_bytes
    return most if configuration.max_payload_size is None else min(most, configuration.max_payload_size)


# -- keeping


def _keep(
    host: Host, node: Node, configuration: NodeConfiguration, given: Sequence[Item], *, are_told_together: bool = True
) -> None:
    """Keep items, if the node keeps any, and tell everybody of them and of those that were removed for them (7.1.2.5).
    Raises StanzaError if there is no room."""
    db, gone = host.server.db, list[Item]()
    if configuration.persist_items:
        if configuration.item_expire is not None:
            pubsub_items.remove_before(db, node, time.time() - configuration.item_expire)
        most = _most_items(host.server, configuration)
        _check_room(host, node, configuration, given, most)
        gone = pubsub_items.put(db, node, given, most)
    notifications.published(host, node, configuration, [given] if are_told_together else [[item] for item in given])
    if gone and configuration.notify_retract and configuration.publish_node_full == "retract-oldest":
        notifications.retracted(host, node, configuration, [gone])
    if isinstance(host, Account):
        for item in given:
            for step in host.server.tables[ITEM_PUBLISHED]:
                step(host.server, host.address, node.name, item.id, item.payload)


def _check_room(host: Host, node: Node, configuration: NodeConfiguration, given: Sequence[Item], most: int) -> None:
    """Raises StanzaError if there is no room for items in place of those that are removed for them. Only if there is no
    room without that, or none may be removed, is it looked up which those are."""
    size, is_closed = sum(item.size for item in given), configuration.publish_node_full == "reject"
    if not is_closed and budget.refusal(host.server, node.creator, size, host.actor) is None:
        return
    going = pubsub_items.going(host.server.db, node, given, most)
    if is_closed and not {item.id for item in going} <= {item.id for item in given}:
        raise refused("node-full")
    budget.check(host.server, node.creator, size - sum(item.size for item in going), host.actor)


def _most_items(server: "Server", configuration: NodeConfiguration) -> int:
    most = server.settings(PubSubSettings).max_items
    return most if configuration.max_items is None else min(most, configuration.max_items)


# -- retracting


def _retracted_ids(action: etree._Element) -> list[str]:
    elements = list(action.iterchildren(ITEM))
    if not elements or not all(element.get("id") for element in elements):
        raise refused("item-required")
    _check_number(elements)
    return list(dict.fromkeys(element.get("id", "") for element in elements))


def _retractable(request: Request, node: Node, ids: Sequence[str], *, is_owner: bool) -> Sequence[Item]:
    found = pubsub_items.get_all(request.server.db, node, ids)
    if len(found) < len(ids):
        raise refused("item-not-found")
    if not is_owner:
        asker = request.asker.bare
        since = accounts.since(
            request.server.db, asker
        )  # what was published before is of somebody else at this address
        if not all(item.publisher == asker and item.at >= since for item in found):
            raise refused("forbidden")
    return found


def _remove(host: Host, node: Node, gone: Sequence[Item], *, is_told: bool, are_told_together: bool = True) -> None:
    pubsub_items.remove(host.server.db, node, [item.id for item in gone])
    if is_told:
        told = [gone] if are_told_together else [[item] for item in gone]
        notifications.retracted(host, node, hosts.configuration_of(node), told)
    if gone:
        nodes.tell_retracted(host, node)
