"""XEP-0060 section 7.1.2 and others: who is told of what happens at a node, in the order in which it happens.

The bytes of an event are made once. Subscribers are read page by page; an event reaches those who are subscribed when
it is their turn.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from db import pubsub_nodes, pubsub_people
from db.pubsub_items import Item
from db.pubsub_nodes import Node
from handlers.messages import delay
from handlers.pubsub import access, hosts, items, subscription_options
from handlers.pubsub import configuration as configurations
from handlers.pubsub.announced import EVENT
from handlers.pubsub.configuration import NodeConfiguration
from handlers.pubsub.hosts import Host
from xmpp.data.copies import copies
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted, wire

EVENT_TAGS = frozenset({f"{{{EVENT}}}event"})

# -- what has happened


def published(host: Host, node: Node, configuration: NodeConfiguration, given: Iterable[Sequence[Item]]) -> None:
    """Tell of items that were published (7.1.2), with an event for each group of them."""
    _notify(host, node, configuration, (_items(host, node, configuration, together) for together in given))


def retracted(host: Host, node: Node, configuration: NodeConfiguration, gone: Iterable[Sequence[Item]]) -> None:
    """Tell of items that were removed (7.2.2.1), with an event for each group of them. A group is split by publisher,
    as those who have blocked a publisher must not hear of its items."""
    by_publisher: dict[JID, list[bytes]] = {}
    for together in gone:
        for publisher, theirs in groupby(sorted(together, key=_publisher), key=_publisher):
            content = (b"<retract id=%b/>" % quoted(item.id).encode() for item in theirs)
            by_publisher.setdefault(publisher, []).append(items.of_node(node, content))
    for publisher, contents in by_publisher.items():
        _notify(host, node, configuration, contents, publisher)


def purged(host: Host, node: Node, configuration: NodeConfiguration) -> None:
    """Tell that all items were removed (8.5.2)."""
    _notify(host, node, configuration, [_named("purge", node)])


def deleted(host: Host, node: Node, configuration: NodeConfiguration, redirect: str | None = None) -> Iterator[None]:
    """Tell subscribers, and those whose request waits, that the node is deleted (8.4.2). In steps, for
    `Host.in_line`."""
    content = _named("delete", node)
    if redirect is not None:
        content = _named("delete", node, b"<redirect uri=%b/>" % quoted(redirect).encode())
    is_unheard = host.unheard_by(node)
    return _tell_all(host, node, configuration, [content], is_unheard, states=("subscribed", "pending"))


def configured(host: Host, node: Node, changed: NodeConfiguration) -> None:
    """Tell that the node has another configuration (8.2.5.3)."""
    form = wire(configurations.result(changed)) if changed.deliver_payloads else b""
    _notify(host, node, changed, [_named("configuration", node, form)])


def subscription_changed(host: Host, node: Node, jid: JID, state: str, *, to: JID | None = None) -> None:
    """Tell the subscriber, or `to`, that a subscription was granted, or has ended (12.19)."""
    _tell(host, node, _subscription(host, node, jid, state).addressed(to or jid))


def owners_told(host: Host, node: Node, jid: JID, state: str) -> Iterator[None]:
    """`subscription_changed`, to all owners; in steps."""
    message, is_unheard = _subscription(host, node, jid, state), host.unheard_by(node)
    for owner in host.owners(node):
        if not is_unheard(owner):
            _pass_on(host, message.addressed(owner))
        yield


def subscriptions_ended(host: Host, node: Node, jids: Iterable[JID]) -> Iterator[None]:
    """`subscription_changed`, for many whose subscriptions have ended; in steps."""
    is_unheard = host.unheard_by(node)
    for jid in jids:
        if host.server.ownership.may_be_online(jid.bare) and not is_unheard(jid.bare):
            _pass_on(host, _subscription(host, node, jid, "none").addressed(jid))
        yield


def affiliations_changed(host: Host, node: Node, changed: Mapping[JID, str]) -> None:
    """Tell these addresses of their new affiliations (8.9.4)."""

    def are_so() -> bool:
        return all(host.affiliation(node, jid) == affiliation for jid, affiliation in changed.items())

    host.in_line(node, _tell_of_affiliations(host, node, changed), if_lost=are_so)


def _tell_of_affiliations(host: Host, node: Node, changed: Mapping[JID, str]) -> Iterator[None]:
    is_unheard = host.unheard_by(node)
    for jid, affiliation in changed.items():
        if host.server.ownership.may_be_online(jid) and not is_unheard(jid):
            _pass_on(host, _affiliation(host, node, jid, affiliation))
        yield


# -- the last item


def last_item(host: Host, node: Node, configuration: NodeConfiguration, item: Item) -> Stanza:
    """The event with the last item, for those who have just come, stamped with its time (6.1.7, XEP-0163 section
    4.3.4)."""
    content = _items(host, node, configuration, [item])
    event = _event(host, content, configuration.notification_type)
    return event.with_last(delay.stamp(host.address.domain, item.at), delay.DELAY)


def send_last_item(host: Host, node: Node, configuration: NodeConfiguration, item: Item, to: JID) -> None:
    """Send a subscriber the last item."""
    _tell(host, node, last_item(host, node, configuration, item).addressed(to), item.publisher)


# -- whom


PAGE = 200  # subscriptions that are read at a time


def _notify(
    host: Host,
    node: Node,
    configuration: NodeConfiguration,
    contents: Iterable[bytes],
    *publishers: JID,
) -> None:
    """Send events to everybody who is to hear of the node, after all events that wait already."""
    if configuration.deliver_notifications:
        is_unheard = host.unheard_by(node, *publishers)
        host.in_line(node, _tell_all(host, node, configuration, contents, is_unheard))


def _tell_all(
    host: Host,
    node: Node,
    configuration: NodeConfiguration,
    contents: Iterable[bytes],
    is_unheard: Callable[[JID], bool],
    states: tuple[str, ...] = ("subscribed",),
) -> Iterator[None]:
    """Send events to subscribers, and to devices that want to hear of the node, to each device once; in steps.

    Subscribers come first; a device that got the events that way gets them no second time. Who is to get them is found
    out once for all of the events.
    """
    events, told = _Events(host, contents, configuration.notification_type), set[JID]()
    for jid in _subscribers(host, node, configuration, states):
        if jid is not None and jid not in told and not is_unheard(jid.bare):
            for message in events.to(jid):
                told.update(_pass_on(host, message))
                yield
        yield
    for device in host.devices(node, configuration):
        jid, send = (device, host.server.router.route) if isinstance(device, JID) else (device.jid, device.send)
        if jid not in told and not is_unheard(jid.bare):
            for message in events.to(jid):
                send(message)
                yield
        yield


class _Events:
    """The events for everybody, each made once, when the first address is to get it."""

    def __init__(self, host: Host, contents: Iterable[bytes], type: str) -> None:
        self._host, self._contents, self._type = host, iter(contents), type
        self._put_together: list[Callable[[JID], Stanza]] = []

    def to(self, jid: JID) -> Iterator[Stanza]:
        """The events, addressed to somebody."""
        for addressed in self._put_together:
            yield addressed(jid)
        for content in self._contents:
            addressed = copies(_event(self._host, content, self._type))
            self._put_together.append(addressed)
            yield addressed(jid)


def _subscribers(
    host: Host, node: Node, configuration: NodeConfiguration, states: tuple[str, ...]
) -> Iterator[JID | None]:
    """The subscribed addresses that may still see the node and want to be notified, a bare one before its resources.
    None in between, for others to have their turn."""
    server, is_headline, after = host.server, configuration.notification_type == "headline", ""
    while found := pubsub_people.subscriptions(server.db, node, after=after, count=PAGE):
        now = pubsub_nodes.as_it_is(server.db, node)
        if now is None:
            return
        relation, refusals = host.relations(now), access.Refusals(hosts.configuration_of(now))
        for text, state, options in found:
            if state not in states or not subscription_options.from_text(options).deliver:
                continue
            if is_headline and not server.ownership.may_be_online(text.partition("/")[0]):
                continue  # headlines are not kept; of many thousands most may be away
            jid = JID.parse(text)
            if configuration.presence_based_delivery and server.ownership.available(jid.bare) == []:
                continue
            is_refused = state != "pending" and refusals[relation(jid.bare, state)] is not None
            yield None if is_refused else jid
        after = found[-1][0]
        yield None


def _tell(host: Host, node: Node, message: Stanza, *publishers: JID) -> None:
    """Send a message about a node, unless the addressee must not hear of it (`Host.unheard_by`)."""
    assert message.to is not None
    if not host.unheard_by(node, *publishers)(message.to.bare):
        _pass_on(host, message)


def _pass_on(host: Host, message: Stanza) -> Collection[JID]:
    """Send a message to a subscriber; returns the devices that are known to get it (RFC 6121 section 8.5).

    Headlines to accounts that are ours go straight to their devices: no step of MESSAGE_RECEIVED would keep them, and
    who is blocked has been checked.
    """
    server, to = host.server, message.to
    assert to is not None
    if not server.ownership.is_ours(to):
        server.router.route(message)
        return (to,) if to.is_full else host.devices_of(to)
    if to.is_bare:
        sessions = [session for session in server.online.available(to) if session.priority >= 0]
    else:
        sessions = [session for session in (server.online.session(to),) if session is not None]
    if message.type != "headline":
        server.router.route(message)
    else:
        for session in sessions:
            session.send(message)
    return [session.jid for session in sessions]


# -- events


def _event(host: Host, content: bytes, type: str = "headline") -> Stanza:
    event = b'<event xmlns="%b">%b</event>' % (EVENT.encode(), content)
    return Stanza.build("message", event, type=type, id=random_id(), sender=host.address, child_tags=EVENT_TAGS)


def _subscription(host: Host, node: Node, jid: JID, state: str) -> Stanza:
    content = f"<subscription node={quoted(node.name)} jid={quoted(jid)} subscription={quoted(state)}/>"
    return _event(host, content.encode())


def _affiliation(host: Host, node: Node, jid: JID, affiliation: str) -> Stanza:
    # Not an event, but in the namespace of requests, as the example of 8.9.4 has it
    content = (
        f'<pubsub xmlns="http://jabber.org/protocol/pubsub"><affiliations node={quoted(node.name)}>'
        f"<affiliation jid={quoted(jid)} affiliation={quoted(affiliation)}/></affiliations></pubsub>"
    )
    return Stanza.build("message", content.encode(), type="headline", id=random_id(), to=jid, sender=host.address)


def _items(host: Host, node: Node, configuration: NodeConfiguration, shown: Iterable[Item]) -> bytes:
    owner = _owner(host, node) if configuration.itemreply == "owner" else ""
    with_payload = configuration.deliver_payloads
    return items.of_node(node, (items.element(each, owner, configuration, with_payload=with_payload) for each in shown))


def _owner(host: Host, node: Node) -> str:
    return next(iter(host.owners(node)), "")


def _publisher(item: Item) -> JID:
    return item.publisher


def _named(name: str, node: Node, content: bytes = b"") -> bytes:
    return f"<{name} node={quoted(node.name)}>".encode() + content + f"</{name}>".encode()
