"""Who has what to do with nodes (XEP-0060 sections 4.1 and 4.2): affiliations of bare addresses, and subscriptions.

That an account owns its own nodes is not written down, nor are subscriptions through presence (XEP-0163).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from peewee import SQL, CompositeKey, IntegerField, Model, Select, TextField, fn

from db.pubsub_nodes import AFTER_ALL, ALL, COLUMNS, LEAVING, LEFT, Node, PubSubNode, leave_all, node_of
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

LOOKED_AT = 10_000
"""So many subscriptions of somebody, in some milliseconds."""


class Subscription(NamedTuple):
    """A subscription of an address, bare or full, to a node. `state`: pending, subscribed. `options` is text."""

    jid: JID
    state: str = "subscribed"
    options: str = ""


class PubSubAffiliation(Model):
    node = IntegerField()
    jid = TextField()
    affiliation = TextField()
    has_agreed = IntegerField()

    class Meta:
        table_name = "pubsub_affiliation"
        primary_key = CompositeKey("node", "jid")


class PubSubSubscription(Model):
    node = IntegerField()
    jid = TextField()
    subscriber = TextField()
    state = TextField()
    options = TextField()

    class Meta:
        table_name = "pubsub_subscription"
        primary_key = CompositeKey("node", "jid")


_A, _S = PubSubAffiliation, PubSubSubscription
_AFFILIATION = Prepared(_A.select(_A.affiliation).where((_A.node == ANY) & (_A.jid == ANY)))
_AFFILIATIONS = Prepared(_A.select(_A.jid, _A.affiliation).where(_A.node == ANY).order_by(_A.jid))
_OWNERS = Prepared(
    _A.select(_A.jid).where((_A.node == ANY) & (_A.affiliation == ANY) & (_A.has_agreed == ANY)).order_by(_A.jid)
)
_OTHER = _A.alias()
_OTHER_OWNERS = _OTHER.select(_OTHER.jid).where(
    (_OTHER.node == _A.node) & (_OTHER.affiliation == ANY) & (_OTHER.has_agreed == ANY) & (_OTHER.jid != _A.jid)
)
_OWNED_ALONE = Prepared(
    PubSubNode.select(*COLUMNS)
    .join(_A, on=(PubSubNode.id == _A.node))
    .where((PubSubNode.host == ANY) & (_A.jid == ANY) & (_A.affiliation == ANY) & (_A.has_agreed == ANY))
    .where(~fn.EXISTS(_OTHER_OWNERS))
)
_AGREE = Prepared(_A.update(has_agreed=ANY).where((_A.node == ANY) & (_A.jid == ANY)))
_AFFILIATIONS_OF = Prepared(
    _A.select(PubSubNode.name, _A.affiliation)
    .join(PubSubNode, on=(PubSubNode.id == _A.node))
    .where((_A.jid == ANY) & (PubSubNode.host == ANY) & (PubSubNode.name > ANY))
    .order_by(PubSubNode.name)
    .limit(ANY)
)
_AFFILIATIONS_OF_BACKWARDS = Prepared(
    _A.select(PubSubNode.name, _A.affiliation)
    .join(PubSubNode, on=(PubSubNode.id == _A.node))
    .where((_A.jid == ANY) & (PubSubNode.host == ANY) & (PubSubNode.name < ANY))
    .order_by(PubSubNode.name.desc())
    .limit(ANY)
)
# No REPLACE: what goes for that is not counted by triggers
_PUT_AFFILIATION = Prepared(
    _A.insert(node=ANY, jid=ANY, affiliation=ANY, has_agreed=ANY).on_conflict(
        conflict_target=[_A.node, _A.jid], preserve=[_A.affiliation, _A.has_agreed]
    )
)
_DELETE_AFFILIATION = Prepared(_A.delete().where((_A.node == ANY) & (_A.jid == ANY)))
_DELETE_AFFILIATIONS_OF = Prepared(_A.delete().where((_A.jid == ANY) & (_A.affiliation != ANY)))
_COUNT_AFFILIATIONS = Prepared(_A.select(fn.COUNT(_A.jid)).where(_A.node == ANY))

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
# Of those that are subscribed, with a text in their options
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


# -- affiliations


def affiliation(db: Database, node: Node, jid: JID) -> str:
    """What a bare address is to a node: owner, publisher, publish-only, member, outcast, or none."""
    row = db.row(_AFFILIATION, node.id, jid)
    return row[0] if row else "none"


def affiliations(db: Database, node: Node) -> dict[JID, str]:
    """All that are something to a node, in order of their addresses."""
    return {JID.parse(jid): affiliation for jid, affiliation in db.rows(_AFFILIATIONS, node.id)}


def owners(db: Database, node: Node) -> list[JID]:
    """The owners of a node who have agreed to be it, in order of their addresses."""
    return [JID.parse(jid) for (jid,) in db.rows(_OWNERS, node.id, "owner", True)]


def affiliations_of(
    db: Database, host: JID, jid: JID, *, after: str = "", count: int = ALL
) -> list[tuple[str, str]]:
    """What a bare address is to so many of the nodes of a host: name of the node and affiliation, by name; only those
    whose name comes after that one. There may be any number of them: others say so."""
    return db.rows(_AFFILIATIONS_OF, jid, host, after, count)


def affiliations_of_backwards(
    db: Database, host: JID, jid: JID, *, before: str, count: int
) -> list[tuple[str, str]]:
    """As `affiliations_of`, in the other direction: only those whose name comes before that one; "" comes after all."""
    return db.rows(_AFFILIATIONS_OF_BACKWARDS, jid, host, before or AFTER_ALL, count)


def affiliate(db: Database, node: Node, jid: JID, affiliation: str, *, has_agreed: bool = False) -> None:
    """Makes a bare address something to a node, or nothing again: "none". The caller bounds their count."""
    if affiliation == "none":
        db.write(_DELETE_AFFILIATION, node.id, jid)
    else:
        db.write(_PUT_AFFILIATION, node.id, jid, affiliation, has_agreed)


def affiliate_all(db: Database, node: Node, affiliations: Mapping[JID, str]) -> None:
    """`affiliate`, for many, who have not agreed to it."""
    with db.change():
        db.write_many(_DELETE_AFFILIATION, [(node.id, jid) for jid, each in affiliations.items() if each == "none"])
        some = [(node.id, jid, each, False) for jid, each in affiliations.items() if each != "none"]
        db.write_many(_PUT_AFFILIATION, some)


def agree(db: Database, node: Node, jid: JID) -> None:
    """Notes that a bare address agrees to what it is to a node."""
    db.write(_AGREE, True, node.id, jid)


def count_affiliations(db: Database, node: Node) -> int:
    """How many are something to a node."""
    [(found,)] = db.rows(_COUNT_AFFILIATIONS, node.id)
    return int(found)


# -- subscriptions


def subscription(db: Database, node: Node, jid: JID) -> Subscription | None:
    """The subscription of exactly this address."""
    row = db.row(_SUBSCRIPTION, node.id, jid)
    return _subscription(*row) if row else None


def subscriptions(
    db: Database, node: Node, *, after: str = "", count: int = ALL
) -> list[tuple[str, str, str]]:
    """So many of the subscriptions to a node, pending ones too: address, state and options, in the order of their
    addresses; only those after that one. As text, since there may be thousands of whom next to none is looked at."""
    return db.rows(_SUBSCRIPTIONS, node.id, after, count)


def subscribed(db: Database, node: Node, *, after: str = "", count: int = ALL) -> list[str]:
    """So many of the addresses that are subscribed, and do not wait, in their order; only those after that one."""
    return [jid for (jid,) in db.rows(_SUBSCRIBED, node.id, "subscribed", after, count)]


def subscribed_backwards(db: Database, node: Node, *, before: str, count: int) -> list[str]:
    """As `subscribed`, in the other direction: only those before that address; "" comes after all."""
    return [jid for (jid,) in db.rows(_SUBSCRIBED_BACKWARDS, node.id, "subscribed", before or AFTER_ALL, count)]


def subscriptions_by(db: Database, node: Node, subscriber: JID) -> list[Subscription]:
    """The subscriptions to a node of a bare address and all its resources."""
    return [_subscription(*row) for row in db.rows(_SUBSCRIPTIONS_BY, node.id, subscriber)]


def subscriptions_of(db: Database, host: JID, subscriber: JID) -> list[tuple[str, Subscription]]:
    """The subscriptions of a bare address and all its resources to the nodes of a host, with the node's name."""
    return [(name, _subscription(*row)) for name, *row in db.rows(_SUBSCRIPTIONS_OF, subscriber, host)]


def subscribers_with(db: Database, node: Node, option: str, count: int) -> list[str]:
    """So many of the bare addresses that are subscribed to a node with a text in their options, in their order."""
    return [jid for (jid,) in db.rows(_SUBSCRIBERS_WITH, node.id, "subscribed", option, count)]


def nodes_subscribed_with(db: Database, subscriber: JID, option: str, count: int) -> list[tuple[str, str]]:
    """So many of the nodes that a bare address or a resource of it is subscribed to with a text in its options, by host
    and name, in their order. Not all its subscriptions may be looked at: it can have a hundred thousand."""
    values = (subscriber, LOOKED_AT, "subscribed", option, LEFT, LEAVING, count)
    return db.rows(_NODES_SUBSCRIBED_WITH, *values)


def subscribe(db: Database, node: Node, subscription: Subscription) -> None:
    """Enters a subscription, in place of an earlier one of that address. The caller bounds their count."""
    jid, state, options = subscription
    db.write(_PUT_SUBSCRIPTION, node.id, jid, jid.bare, state, options)


def unsubscribe(db: Database, node: Node, jid: JID) -> None:
    """Removes the subscription of exactly this address."""
    db.write(_DELETE_SUBSCRIPTION, node.id, jid)


def unsubscribe_all(db: Database, node: Node, jids: Iterable[JID]) -> None:
    """Removes the subscriptions of exactly these addresses."""
    db.write_many(_DELETE_SUBSCRIPTION, [(node.id, jid) for jid in jids])


def count_subscriptions(db: Database, node: Node, state: str = "subscribed") -> int:
    """How many subscriptions in that state a node has."""
    [(found,)] = db.rows(_COUNT_SUBSCRIPTIONS, node.id, state)
    return int(found)


def count_subscriptions_of(db: Database, host: JID, subscriber: JID) -> int:
    """How many subscriptions a bare address and its resources have at a host."""
    [(found,)] = db.rows(_COUNT_SUBSCRIPTIONS_OF, subscriber, host)
    return int(found)


# -- both


def leave_with(db: Database, host: JID, owner: JID) -> list[Node]:
    """Has the nodes leave a host that have no owner but this one; returns them. Then they are deleted."""
    found = [node_of(*row) for row in db.rows(_OWNED_ALONE, host, owner, "owner", True, "owner", True)]
    leave_all(db, found)
    return found


def forget(db: Database, jid: JID) -> None:
    """Removes all affiliations and subscriptions of a bare address, wherever they are. Whom an owner has shut out stays
    out, as with blocklists: else whoever is, could make the account anew."""
    with db.change():
        db.write(_DELETE_AFFILIATIONS_OF, jid, "outcast")
        db.write(_DELETE_SUBSCRIPTIONS_OF, jid)


def _subscription(jid: str, state: str, options: str) -> Subscription:
    return Subscription(JID.parse(jid), state, options)
