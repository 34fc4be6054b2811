"""XEP-0060 section 7.1.2 and others: who is told of what happens at a node, in the order in which it happens.

An event is put into bytes once. Subscribers are told page by page, and those are told who are it when it is their turn.
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
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted, wire

EVENT_TAGS = frozenset({f"{{{EVENT}}}event"})

# -- what has happened


def published(host: Host, node: Node, configuration: NodeConfiguration, given: Iterable[Sequence[Item]]) -> None:
    """Items were published (7.1.2), with an event for each group of them."""
    _notify(host, node, configuration, (_items(host, node, configuration, together) for together in given))


def retracted(host: Host, node: Node, configuration: NodeConfiguration, gone: Iterable[Sequence[Item]]) -> None:
    """Items were removed (7.2.2.1), with an event for each group of them, as far as one has published them: who has
    blocked one is not to hear its ids."""
    by_publisher: dict[JID, list[bytes]] = {}
    for together in gone:
        for publisher, theirs in groupby(sorted(together, key=_publisher), key=_publisher):
            content = (b"<retract id=%b/>" % quoted(item.id).encode() for item in theirs)
            by_publisher.setdefault(publisher, []).append(items.of_node(node, content))
    for publisher, contents in by_publisher.items():
        _notify(host, node, configuration, contents, publisher)


def purged(host: Host, node: Node, configuration: NodeConfiguration) -> None:
    """All items were removed (8.5.2)."""
    _notify(host, node, configuration, [_named("purge", node)])


def deleted(host: Host, node: Node, configuration: NodeConfiguration, redirect: str | None = None) -> Iterator[None]:
    """The node is about to be deleted (8.4.2); whoever has asked to subscribe is told, too. In steps, for its line."""
    content = _named("delete", node)
    if redirect is not None:
        content = _named("delete", node, b"<redirect uri=%b/>" % quoted(redirect).encode())
    is_unheard = host.unheard_by(node)
    return _tell_all(host, node, configuration, [content], is_unheard, states=("subscribed", "pending"))


def configured(host: Host, node: Node, changed: NodeConfiguration) -> None:
    """The node is configured in another way (8.2.5.3)."""
    form = wire(configurations.result(changed)) if changed.deliver_payloads else b""
    _notify(host, node, changed, [_named("configuration", node, form)])


def subscription_changed(host: Host, node: Node, jid: JID, state: str, *, to: JID | None = None) -> None:
    """A subscription was granted, or ended (12.19): the subscriber is told, or somebody else."""
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
    """These are something else to the node now (8.9.4), and are told."""
    host.in_line(node, _tell_of_affiliations(host, node, changed))


def _tell_of_affiliations(host: Host, node: Node, changed: Mapping[JID, str]) -> Iterator[None]:
    is_unheard = host.unheard_by(node)
    for jid, affiliation in changed.items():
        if host.server.ownership.may_be_online(jid) and not is_unheard(jid):
            _pass_on(host, _affiliation(host, node, jid, affiliation))
        yield


# -- the last item


def last_item(host: Host, node: Node, configuration: NodeConfiguration, item: Item) -> Stanza:
    """The event that tells those who have just come of the last item (6.1.7, XEP-0163 section 4.3.4)."""
    content = _items(host, node, configuration, [item])
    event = _event(host, content, configuration.notification_type)
    return event.with_last(delay.stamp(host.address.domain, item.at), delay.DELAY)


def send_last_item(host: Host, node: Node, configuration: NodeConfiguration, item: Item, to: JID) -> None:
    """Tell a subscriber of the last item."""
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
    """Tell everybody of events, after all that was to be told of the node before."""
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
    """Subscribers, and devices that want to hear of the node, each device once; in steps.

    Subscribed accounts come before their devices, which are told only what has not reached them that way. Whom to tell
    of many events is found out once.
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
    """What everybody is told, put together once, for the first of them."""

    def __init__(self, host: Host, contents: Iterable[bytes], type: str) -> None:
        self._host, self._contents, self._type = host, iter(contents), type
        self._put_together: list[Callable[[JID], Stanza]] = []

    def to(self, jid: JID) -> Iterator[Stanza]:
        """The events, to somebody."""
        for addressed in self._put_together:
            yield addressed(jid)
        for content in self._contents:
            addressed = _event(self._host, content, self._type).copies()
            self._put_together.append(addressed)
            yield addressed(jid)


def _subscribers(
    host: Host, node: Node, configuration: NodeConfiguration, states: tuple[str, ...]
) -> Iterator[JID | None]:
    """The addresses that are subscribed, as far as they may still see the node and want to be notified; None where
    others may have their turn. A bare one comes before its resources."""
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
                continue  # most of many thousands may be away
            jid = JID.parse(text)
            if configuration.presence_based_delivery and server.ownership.available(jid.bare) == []:
                continue
            is_refused = state != "pending" and refusals[relation(jid.bare, state)] is not None
            yield None if is_refused else jid
        after = found[-1][0]
        yield None


def _tell(host: Host, node: Node, message: Stanza, *publishers: JID) -> None:
    """Send a message about a node to somebody, if they want to hear of that."""
    assert message.to is not None
    if not host.unheard_by(node, *publishers)(message.to.bare):
        _pass_on(host, message)


def _pass_on(host: Host, message: Stanza) -> Collection[JID]:
    """Send a message to a subscriber; returns the devices that are known to get it (RFC 6121 section 8.5). Headlines to
    accounts that are ours go straight to their devices, since no step keeps them; blocking alone would keep them away,
    which has been looked at."""
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
    # As the example has it: in the namespace of the requests, and not as an event
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
