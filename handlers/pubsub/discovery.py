"""XEP-0060 sections 5.1 to 5.5: service discovery of nodes and their items, as far as the asker may see them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count, islice
from typing import TYPE_CHECKING

from lxml import etree

from db import accounts, pubsub_items, pubsub_nodes, pubsub_people
from db.pubsub_nodes import Node
from handlers.contacts.access import is_blocked
from handlers.pubsub import access, configuration, cursors, hosts, lists, retrieval
from handlers.pubsub.access import Relation
from handlers.pubsub.announced import PUBSUB
from handlers.pubsub.conditions import refused
from handlers.pubsub.hosts import Host
from handlers.pubsub.lists import Entry
from handlers.pubsub.settings import PubSubSettings
from xmpp.data import resultsets, timestamps
from xmpp.data.dataforms import FieldType
from xmpp.data.disco import ITEMS, ITEMS_QUERY, Form, Identity, Info
from xmpp.data.jid import JID
from xmpp.data.resultsets import PageRequest
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

META_DATA = "http://jabber.org/protocol/pubsub#meta-data"
TOLD = ("title", "description", "type", "language", "contact", "access_model", "publish_model", "max_items")
TYPES: Mapping[str, FieldType] = {
    **configuration.TYPES,
    "pubsub#creation_date": "text-single",
    "pubsub#creator": "jid-single",
    "pubsub#num_subscribers": "text-single",
    "pubsub#owner": "jid-multi",
    "pubsub#publisher": "jid-multi",
}
MOST_LOOKED_AT = 1_000  # nodes, for one request
AT_A_TIME = 50
MOST_NAMED = 50  # owners, and as many publishers, in the metadata of a node


# -- requests


def describe_node(server: "Server", iq: Stanza) -> etree._Element:
    """5.3, 5.4: the identity of a node, and its metadata."""
    host, node = _visible_node(server, iq)
    info = Info((Identity("pubsub", "leaf"),), frozenset({PUBSUB}), (_meta_data(host, node),))
    return info.element(node.name)


def list_items(server: "Server", iq: Stanza) -> etree._Element:
    """5.2, 5.5: the nodes of a host, or the items of a node."""
    return _list_items_of_node(server, iq) if _name(iq) else _list_nodes(server, iq)


def list_items_of_account(server: "Server", iq: Stanza) -> etree._Element:
    """`list_items`, at an account. Resources are not listed: presence tells of them.

    An asker who may see nothing gets an empty list, just as for an account that does not exist (XEP-0030 section 8).
    """
    assert iq.to is not None and iq.sender is not None
    if not accounts.exists(server.db, iq.to) or is_blocked(server, iq.to, iq.sender):
        return _nothing(iq)
    return list_items(server, iq)


def _nothing(iq: Stanza) -> etree._Element:
    """The empty list. Raises StanzaError if the request is malformed, as it would be for an account that exists."""
    name = _name(iq)
    if name:
        _asked(iq)
    else:
        lists.asked_for(iq.only_child())
    return etree.Element(ITEMS_QUERY, {"node": name} if name else {}, nsmap={None: ITEMS})


# -- nodes


def _visible_node(server: "Server", iq: Stanza) -> tuple[Host, Node]:
    host, name = _host(server, iq), _name(iq)
    node = hosts.find(host, name)
    assert iq.sender is not None
    if host.is_hidden_from(iq.sender, node):
        raise refused("service-unavailable")
    if node is None:
        raise refused("item-not-found")
    refusal = _refusal(host.relation(node, iq.sender), node)
    if refusal is not None:
        raise refused(refusal)
    return host, node


def _refusal(relation: Relation, node: Node) -> str | None:
    """Why somebody is not told of a node; None for those who may subscribe to it, or publish."""
    if relation.affiliation in access.PUBLISHERS:
        return None
    return access.refusal_to_subscribe(hosts.configuration_of(node), relation)


def _meta_data(host: Host, node: Node) -> Form:
    configured, affiliations = hosts.configuration_of(node), host.affiliations(node)
    values = configuration.values_of(configured)
    told = {f"pubsub#{name}": values[f"pubsub#{name}"] for name in TOLD if values[f"pubsub#{name}"]}
    told["pubsub#creator"] = (node.creator,)
    told["pubsub#creation_date"] = (timestamps.format_utc(node.created),)
    publishers = (jid for jid, each in affiliations.items() if each == "publisher")
    told["pubsub#owner"] = tuple(host.owners(node)[:MOST_NAMED])
    told["pubsub#publisher"] = tuple(islice(publishers, MOST_NAMED))
    told["pubsub#num_subscribers"] = (str(pubsub_people.count_subscriptions(host.server.db, node)),)
    return Form(META_DATA, tuple(told.items()), TYPES)


# -- lists


def _list_nodes(server: "Server", iq: Stanza) -> etree._Element:
    """The nodes that the asker may see."""
    host, asked = _host(server, iq), lists.asked_for(iq.only_child())
    assert iq.sender is not None
    query = etree.Element(ITEMS_QUERY, nsmap={None: ITEMS})
    entries = _visible_nodes(host, iq.sender, _by_name(host, asked))
    described = lists.fill(query, entries, asked, server.settings(PubSubSettings).max_page_items)
    if described is not None:
        query.append(described)
    return query


def _visible_nodes(host: Host, asker: JID, asked: PageRequest) -> Iterator[Entry]:
    """The nodes that the asker may see, in the direction in which it pages.

    At a service, after MOST_LOOKED_AT nodes comes an entry without an element: the asker pages on from its cursor,
    which does not name the last node, as that one may be hidden. An account has few nodes, and all are looked at, so
    that a stranger does not learn from such a cursor that there are any.
    """
    is_stranger, db = host.is_hidden_from(asker, None), host.server.db
    for _ in count() if host.address.local else range(0, MOST_LOOKED_AT, AT_A_TIME):
        found = hosts.nodes(host, asked, AT_A_TIME)
        for node in found:
            theirs = host.relation(node, asker)
            if is_stranger and not access.is_for_strangers(hosts.configuration_of(node), theirs):
                continue
            if _refusal(theirs, node) is None:
                yield Entry(node.name, _item(host, node.name, hosts.configuration_of(node).title))
        if len(found) < AT_A_TIME:
            return
        asked = _going_on(asked, found[-1].name)
    yield Entry(cursors.hidden(db, cursors.OF_NODES, found[-1].id), None)


def _going_on(asked: PageRequest, name: str) -> PageRequest:
    return replace(asked, after=name) if asked.before is None else replace(asked, before=name)


def _by_name(host: Host, asked: PageRequest) -> PageRequest:
    """The page that is asked for, with the name of a node in place of an enciphered cursor. Raises StanzaError if that
    node is gone."""
    cursor = asked.after if asked.before is None else asked.before
    if not cursor:
        return asked
    id = None if host.address.local else cursors.shown(host.server.db, cursors.OF_NODES, cursor)
    name = cursor if id is None else pubsub_nodes.name_of(host.server.db, host.address, id)
    if name is None:
        raise refused("item-not-found")
    return _going_on(asked, name)


def _list_items_of_node(server: "Server", iq: Stanza) -> etree._Element:
    assert iq.sender is not None
    host = _host(server, iq)
    if host.is_hidden_from(iq.sender, hosts.find(host, _name(iq))):
        return _nothing(iq)
    host, node = _visible_node(server, iq)
    configured = hosts.configuration_of(node)
    refusal = access.refusal_to_show_items(configured, host.relation(node, iq.sender))
    if refusal is not None:
        raise refused(refusal)
    query = etree.Element(ITEMS_QUERY, {"node": node.name}, nsmap={None: ITEMS})
    found, is_described = _places(server, node, iq, retrieval.since(configured))
    for id, _ in found:
        etree.SubElement(query, f"{{{ITEMS}}}item", jid=host.address, name=id)
    if is_described:
        query.append(cursors.page(server.db, node, [place for _, place in found]))
    return query


def _places(server: "Server", node: Node, iq: Stanza, since: float) -> tuple[list[tuple[str, int]], bool]:
    """The ids and places of the items on the page that is asked for, or of the newest; and whether the answer says
    which page that is: if one was asked for, or not all items fit."""
    db, asked, most = server.db, _asked(iq), server.settings(PubSubSettings).max_page_items
    number = most if asked.max is None else min(asked.max, most)
    after, before = cursors.bounds(db, node, asked)
    if asked != PageRequest() and asked.before is None:
        return pubsub_items.oldest_places(db, node, number, after=after, since=since), True
    found = pubsub_items.newest_places(db, node, number + 1, before=before, since=since)
    return found[:number][::-1], asked != PageRequest() or len(found) > number


def _item(host: Host, name: str, title: str) -> etree._Element:
    item = etree.Element(f"{{{ITEMS}}}item", jid=host.address, node=name)
    if title:
        item.set("name", title)
    return item


# -- what is asked


def _host(server: "Server", iq: Stanza) -> Host:
    assert iq.to is not None
    return hosts.host_at(server, iq.to, iq.sender)


def _name(iq: Stanza) -> str:
    name: str = iq.only_child().get("node", "")
    return name


def _asked(iq: Stanza) -> PageRequest:
    try:
        return resultsets.asked_in(iq.only_child())
    except ValueError as error:
        raise refused("bad-request", str(error)) from None
