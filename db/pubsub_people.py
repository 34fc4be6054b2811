"""Subscriptions to nodes (XEP-0060 section 4.2), and the removal of all that somebody has to do with nodes.

Subscriptions through presence (XEP-0163) are not stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from peewee import SQL, CompositeKey, IntegerField, Model, Select, TextField, fn

from db import pubsub_affiliations, pubsub_usage
from db.pubsub_nodes import AFTER_ALL, ALL, LEAVING, LEFT, Node, PubSubNode
from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

LOOKED_AT = 10_000
"""How many subscriptions of an address one query looks at, in some milliseconds."""
FEW = 100
"""The subscriptions of a node are remembered if there are no more than these."""
Row = tuple[str, str, str]
"""Address, state and options, as text: callers read thousands of rows, and need few of them as objects."""


class Subscription(NamedTuple):
    """A subscription of an address, bare or full, to a node. `state`: pending or subscribed. `options` is text."""

    jid: JID
    state: str = "subscribed"
    options: str = ""


class _Known(NamedTuple):
    """The subscriptions of a node: in the order of addresses, and by bare address; None and empty if more than FEW."""

    rows: Sequence[Row] | None
    by_subscriber: Mapping[JID, Sequence[Subscription]]


def _weight(known: _Known) -> int:
    return 500 + sum(500 + len(jid) + len(options) for jid, _, options in known.rows or ())


SUBSCRIPTIONS = Remembered[_Known](bound=20_000_000, weigh=_weight)
"""By node; the bound is in bytes, roughly."""


class PubSubSubscription(Model):
    node = IntegerField()
    jid = TextField()
    subscriber = TextField()
    state = TextField()
    options = TextField()

    class Meta:
        table_name = "pubsub_subscription"
        primary_key = CompositeKey("node", "jid")


_S = PubSubSubscription

_SUBSCRIPTION = Prepared(_S.select(_S.jid, _S.state, _S.options).where((_S.node == ANY) & (_S.jid == ANY)))
_SUBSCRIPTIONS = Prepared(
    _S.select(_S.jid, _S.state, _S.options).where((_S.node == ANY) & (_S.jid > ANY)).order_by(_S.jid).limit(ANY)
)
_SUBSCRIBED = Prepared(
    _S.select(_S.jid).where((_S.node == ANY) & (_S.state == ANY) & (_S.jid > ANY)).order_by(_S.jid).limit(ANY)
)
_SUBSCRIBED_BACKWARDS = Prepared(
    _S.select(_S.jid).where((_S.node == ANY) & (_S.state == ANY) & (_S.jid < ANY)).order_by(_S.jid.desc()).limit(ANY)
)
_SUBSCRIPTIONS_BY = Prepared(
    _S.select(_S.jid, _S.state, _S.options).where((_S.node == ANY) & (_S.subscriber == ANY)).order_by(_S.jid)
)
_SUBSCRIPTIONS_OF = Prepared(
    _S.select(PubSubNode.name, _S.jid, _S.state, _S.options)
    .join(PubSubNode, on=(PubSubNode.id == _S.node))
    .where((_S.subscriber == ANY) & (PubSubNode.host == ANY))
    .order_by(PubSubNode.name, _S.jid)
)
# Subscriptions in a state (subscribed) with a given text in their options
_WITH_OPTION = (_S.state == ANY) & fn.INSTR(_S.options, ANY)
_SUBSCRIBERS_WITH = Prepared(
    _S.select(_S.subscriber).where((_S.node == ANY) & _WITH_OPTION).group_by(_S.subscriber).limit(ANY)
)
_THEIRS = _S.select(_S.node, _S.state, _S.options).where(_S.subscriber == ANY).order_by(_S.node).limit(ANY).alias("s")
_NODES_SUBSCRIBED_WITH = Prepared(
    Select((_THEIRS,), (PubSubNode.host, PubSubNode.name))
    .join(PubSubNode, on=(PubSubNode.id == SQL('"s"."node"')))
    .where((_THEIRS.c.state == ANY) & fn.INSTR(_THEIRS.c.options, ANY))
    .where((PubSubNode.host != ANY) & (PubSubNode.host != ANY))
    .group_by(PubSubNode.host, PubSubNode.name)
    .limit(ANY)
)
_PUT_SUBSCRIPTION = Prepared(
    _S.insert(node=ANY, jid=ANY, subscriber=ANY, state=ANY, options=ANY).on_conflict(
        conflict_target=[_S.node, _S.jid], preserve=[_S.state, _S.options]
    )
)
_DELETE_SUBSCRIPTION = Prepared(_S.delete().where((_S.node == ANY) & (_S.jid == ANY)))
_DELETE_SUBSCRIPTIONS_OF = Prepared(_S.delete().where(_S.subscriber == ANY))
_COUNT_SUBSCRIPTIONS = Prepared(_S.select(fn.COUNT(_S.jid)).where((_S.node == ANY) & (_S.state == ANY)))
_COUNT_SUBSCRIPTIONS_OF = Prepared(
    _S.select(fn.COUNT(_S.jid))
    .join(PubSubNode, on=(PubSubNode.id == _S.node))
    .where((_S.subscriber == ANY) & (PubSubNode.host == ANY))
)


def subscription(db: Database, node: Node, jid: JID) -> Subscription | None:
    """The subscription of exactly this address, or None."""
    row = db.row(_SUBSCRIPTION, node.id, jid)
    return _subscription(*row) if row else None


def subscriptions(db: Database, node: Node, *, after: str = "", count: int = ALL) -> Sequence[Row]:
    """At most `count` subscriptions to a node, pending ones too, in the order of addresses; only those after `after`.

    Remembered if the node has few.
    """
    known = db.memory[SUBSCRIPTIONS].get(node.id)
    if known is None:
        known = db.memory[SUBSCRIPTIONS].put(node.id, _read(db, node))
    if known.rows is None:
        return db.rows(_SUBSCRIPTIONS, node.id, after, count)
    found = [row for row in known.rows if row[0] > after]
    return found if count == ALL else found[:count]


def subscribed(db: Database, node: Node, *, after: str = "", count: int = ALL) -> list[str]:
    """At most `count` subscribed addresses, without pending ones, in their order; only those after `after`."""
    return [jid for (jid,) in db.rows(_SUBSCRIBED, node.id, "subscribed", after, count)]


def subscribed_backwards(db: Database, node: Node, *, before: str, count: int) -> list[str]:
    """As `subscribed`, backwards: only those before `before`; "" means from the end."""
    return [jid for (jid,) in db.rows(_SUBSCRIBED_BACKWARDS, node.id, "subscribed", before or AFTER_ALL, count)]


def subscriptions_by(db: Database, node: Node, subscriber: JID) -> Sequence[Subscription]:
    """The subscriptions to a node of a bare address and all its resources."""
    known = db.memory[SUBSCRIPTIONS].get(node.id)
    if known is not None and known.rows is not None:
        return known.by_subscriber.get(subscriber, ())
    return [_subscription(*row) for row in db.rows(_SUBSCRIPTIONS_BY, node.id, subscriber)]


def subscriptions_of(db: Database, host: JID, subscriber: JID) -> list[tuple[str, Subscription]]:
    """The subscriptions of a bare address and all its resources to nodes of a host, each with the name of the node."""
    return [(name, _subscription(*row)) for name, *row in db.rows(_SUBSCRIPTIONS_OF, subscriber, host)]


def subscribers_with(db: Database, node: Node, option: str, count: int) -> list[str]:
    """At most `count` bare addresses, in their order, that are subscribed to a node with this text in their options."""
    return [jid for (jid,) in db.rows(_SUBSCRIBERS_WITH, node.id, "subscribed", option, count)]


def nodes_subscribed_with(db: Database, subscriber: JID, option: str, count: int) -> list[tuple[str, str]]:
    """At most `count` nodes, as host and name, in their order, to which a bare address or one of its resources is
    subscribed with this text in the options.

    Only LOOKED_AT of its subscriptions are looked at: it can have a hundred thousand.
    """
    values = (subscriber, LOOKED_AT, "subscribed", option, LEFT, LEAVING, count)
    return db.rows(_NODES_SUBSCRIBED_WITH, *values)


def subscribe(db: Database, node: Node, subscription: Subscription) -> None:
    """Adds a subscription, in place of an earlier one of that address. The caller limits their number."""
    jid, state, options = subscription
    db.write(_PUT_SUBSCRIPTION, node.id, jid, jid.bare, state, options)
    pubsub_usage.note_growth(db, jid.bare)
    known = db.memory[SUBSCRIPTIONS].get(node.id)
    if known is not None and known.rows is not None:  # else that there are many is still true
        db.memory[SUBSCRIPTIONS].forget(node.id)


def unsubscribe(db: Database, node: Node, jid: JID) -> None:
    """Removes the subscription of exactly this address."""
    db.write(_DELETE_SUBSCRIPTION, node.id, jid)
    db.memory[SUBSCRIPTIONS].forget(node.id)


def unsubscribe_all(db: Database, node: Node, jids: Iterable[JID]) -> None:
    """Removes the subscriptions of exactly these addresses."""
    db.write_many(_DELETE_SUBSCRIPTION, [(node.id, jid) for jid in jids])
    db.memory[SUBSCRIPTIONS].forget(node.id)


def count_subscriptions(db: Database, node: Node, state: str = "subscribed") -> int:
    """How many subscriptions in that state a node has."""
    [(found,)] = db.rows(_COUNT_SUBSCRIPTIONS, node.id, state)
    return int(found)


def count_subscriptions_of(db: Database, host: JID, subscriber: JID) -> int:
    """How many subscriptions a bare address and its resources have at a host."""
    [(found,)] = db.rows(_COUNT_SUBSCRIPTIONS_OF, subscriber, host)
    return int(found)


def forget(db: Database, jid: JID) -> None:
    """Removes all affiliations and subscriptions of a bare address, except that it stays an outcast: otherwise it could
    undo that by removing the account and making it again."""
    with db.change():
        pubsub_affiliations.forget(db, jid)
        db.write(_DELETE_SUBSCRIPTIONS_OF, jid)
    db.memory.pop(SUBSCRIPTIONS, None)  # of all nodes, since it is not known which ones these were


def _read(db: Database, node: Node) -> _Known:
    rows, by_subscriber = db.rows(_SUBSCRIPTIONS, node.id, "", FEW + 1), dict[JID, list[Subscription]]()
    if len(rows) > FEW:
        return _Known(None, {})
    for row in rows:
        subscription = _subscription(*row)
        by_subscriber.setdefault(subscription.jid.bare, []).append(subscription)
    return _Known(rows, by_subscriber)


def _subscription(jid: str, state: str, options: str) -> Subscription:
    return Subscription(JID.parse(jid), state, options)
