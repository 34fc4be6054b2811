"""Nodes (XEP-0060), by their name and their host: an account's bare address, or the domain of the service.

The configuration of a node is kept as text, which the storage does not read.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from peewee import AutoField, FloatField, IntegerField, Model, TextField, fn

from db import pubsub_usage
from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

ALL = -1  # of a count: no limit
AFTER_ALL = b""  # to SQLite a blob comes after every text


class Node(NamedTuple):
    """A node. `creator` is who made it, and whom it counts for; `created` when, in seconds since 1970."""

    id: int
    host: JID
    name: str
    creator: JID
    created: float
    configuration: str


class Usage(NamedTuple):
    """How many items a node has, and how many bytes it counts as, with its items and affiliations."""

    items: int
    bytes: int


NODE_BYTES = 500  # beside its texts


def _weight(node: Node) -> int:
    return NODE_BYTES + len(node.name) + len(node.configuration)


NODES = Remembered[Mapping[str, Node]](
    bound=50_000_000, weigh=lambda nodes: NODE_BYTES + sum(map(_weight, nodes.values()))
)
"""All nodes of an account, by account, since all are looked through for each device that comes online. In bytes,
roughly."""
SERVICE_NODES = Remembered[Node](bound=20_000_000, weigh=_weight)
"""Single nodes of the service, by host and name."""

LEFT = "-"
"""The host of nodes that have left their own; no address is equal to it."""
LEAVING = "--"
"""The host of nodes that have left their own, while subscribers are still being notified."""
DELETED_AT_ONCE = 1_000
"""How many items and subscriptions are deleted at once, in some milliseconds."""


class PubSubNode(Model):
    id = AutoField()
    host = TextField()
    name = TextField()
    account = TextField(null=True)
    creator = TextField()
    created = FloatField()
    configuration = TextField()
    items = IntegerField()
    bytes = IntegerField()

    class Meta:
        table_name = "pubsub_node"


COLUMNS = (
    PubSubNode.id,
    PubSubNode.host,
    PubSubNode.name,
    PubSubNode.creator,
    PubSubNode.created,
    PubSubNode.configuration,
)
_FIND = Prepared(PubSubNode.select(*COLUMNS).where((PubSubNode.host == ANY) & (PubSubNode.name == ANY)))
_LIST = Prepared(
    PubSubNode.select(*COLUMNS)
    .where((PubSubNode.host == ANY) & (PubSubNode.name > ANY))
    .order_by(PubSubNode.name)
    .limit(ANY)
)
_LIST_BACKWARDS = Prepared(
    PubSubNode.select(*COLUMNS)
    .where((PubSubNode.host == ANY) & (PubSubNode.name < ANY))
    .order_by(PubSubNode.name.desc())
    .limit(ANY)
)
_FIND_BY_ID = Prepared(PubSubNode.select(*COLUMNS).where(PubSubNode.id == ANY))
_NAME = Prepared(PubSubNode.select(PubSubNode.name).where((PubSubNode.host == ANY) & (PubSubNode.id == ANY)))
_INSERT = Prepared(
    PubSubNode.insert(
        host=ANY, name=ANY, account=ANY, creator=ANY, created=ANY, configuration=ANY, items=ANY, bytes=ANY
    )
)
_HAND_OVER = Prepared(PubSubNode.update(creator=ANY).where(PubSubNode.id == ANY))
_CONFIGURE = Prepared(PubSubNode.update(configuration=ANY).where(PubSubNode.id == ANY))
_LEAVE = Prepared(PubSubNode.update(host=ANY, name=ANY, account=ANY).where(PubSubNode.id == ANY))
_LEAVE_ALL = Prepared(PubSubNode.update(host=ANY).where(PubSubNode.host == ANY))
_DELETE = Prepared(PubSubNode.delete().where(PubSubNode.id == ANY))
_USAGE = Prepared(PubSubNode.select(PubSubNode.items, PubSubNode.bytes).where(PubSubNode.id == ANY))
_COUNT = Prepared(
    PubSubNode.select(fn.COUNT(PubSubNode.id)).where((PubSubNode.host == ANY) & (PubSubNode.creator == ANY))
)
_MADE_BY = Prepared(
    PubSubNode.select(*COLUMNS, PubSubNode.bytes)
    .where((PubSubNode.host == ANY) & (PubSubNode.creator == ANY))
    .order_by(PubSubNode.name)
)


def get(db: Database, host: JID, name: str) -> Node | None:
    """The node of that name at this host, or None. If it exists, it is remembered."""
    known = _known(db, host, name)
    if known is not None or host in db.memory[NODES]:
        return known
    row = db.row(_FIND, host, name)
    if row is None:
        return None
    if host.local:
        return of_account(db, host).get(name)
    return _remember(db, node_of(*row))


def name_of(db: Database, host: JID, id: int) -> str | None:
    """The name of the node of this host that has this id, or None."""
    row = db.row(_NAME, host, id)
    return row[0] if row else None


def as_it_is(db: Database, node: Node) -> Node | None:
    """A node with its present configuration, also while it is leaving its host; None if it is gone."""
    known = _known(db, node.host, node.name)
    if known is not None and known.id == node.id:
        return known
    row = db.row(_FIND_BY_ID, node.id)
    if row is None or row[1] == LEFT:
        return None
    return node._replace(configuration=row[5])


def of_account(db: Database, account: JID) -> Mapping[str, Node]:
    """An account's own nodes, by name. Remembered."""
    known = db.memory[NODES].get(account)
    if known is not None:
        return known
    return db.memory[NODES].put(account, {node.name: node for node in of_host(db, account)})


def of_host(db: Database, host: JID, *, after: str = "", count: int = ALL) -> list[Node]:
    """At most `count` nodes of a host, in the order of their names; only those after the name `after`."""
    return [node_of(*row) for row in db.rows(_LIST, host, after, count)]


def of_host_backwards(db: Database, host: JID, *, before: str, count: int) -> list[Node]:
    """As `of_host`, backwards: only those before the name `before`; "" means from the end."""
    return [node_of(*row) for row in db.rows(_LIST_BACKWARDS, host, before or AFTER_ALL, count)]


def create(db: Database, host: JID, name: str, creator: JID, configuration: str, created: float) -> Node:
    """Adds a node; there must be none of that name. The caller limits their number."""
    account = host if host.local else None
    db.write(_INSERT, host, name, account, creator, created, configuration, 0, 0)
    pubsub_usage.note_growth(db, creator)
    [row] = db.rows(_FIND, host, name)
    return _remember(db, node_of(*row))


def configure(db: Database, node: Node, configuration: str) -> Node:
    """Gives a node another configuration; returns the node with it."""
    db.write(_CONFIGURE, configuration, node.id)
    pubsub_usage.note_growth(db, node.creator)
    return _remember(db, node._replace(configuration=configuration))


def hand_over(db: Database, node: Node, creator: JID) -> Node:
    """Makes somebody else (a bare address) the creator of a node, whom it then counts for; returns the changed node."""
    hand_over_all(db, [(node, creator, usage(db, node).bytes)])
    return node._replace(creator=creator)


def hand_over_all(db: Database, given: Sequence[tuple[Node, JID, int]]) -> None:
    """`hand_over`, for many nodes, each with its new creator and its bytes."""
    charged = Counter[str]()
    for node, creator, size in given:
        charged[creator] += size
        charged[node.creator] -= size
    with db.change():
        db.write_many(_HAND_OVER, [(creator, node.id) for node, creator, _ in given])
        pubsub_usage.transfer(db, charged)
    for node, _, _ in given:
        _forget(db, node)


def leave(db: Database, node: Node) -> None:
    """Has a node leave its host: nobody can reach it, and another node can have its name. To be deleted later."""
    leave_all(db, [node])


def leave_all(db: Database, nodes: Collection[Node]) -> None:
    """`leave`, for many nodes."""
    db.write_many(_LEAVE, [(LEAVING, node.id, None, node.id) for node in nodes])
    for node in nodes:
        _forget(db, node)


def delete(db: Database, node: Node, subscriptions: int = 0) -> None:
    """Removes a node with its items, affiliations and subscriptions. If it has many of them, it only leaves its host,
    and is deleted a little at a time (db/pubsub_deletion.py). `subscriptions` is their number."""
    if usage(db, node).items + subscriptions > DELETED_AT_ONCE:
        db.write(_LEAVE, LEFT, node.id, None, node.id)
    else:
        db.write(_DELETE, node.id)
    _forget(db, node)


def is_leaving(db: Database, node: Node) -> bool:
    """True if a node has left its host, and is still to be deleted."""
    row = db.row(_FIND_BY_ID, node.id)
    return row is not None and row[1] == LEAVING


def have_left(db: Database) -> None:
    """To be called while nobody is being notified of nodes that are leaving their hosts. They are deleted then."""
    db.write(_LEAVE_ALL, LEFT, LEAVING)


def usage(db: Database, node: Node) -> Usage:
    """How many items a node has, and how many bytes it counts as; 0 if it is gone."""
    row = db.row(_USAGE, node.id)
    return Usage(*row) if row else Usage(0, 0)


def made_by(db: Database, host: JID, creator: JID) -> list[tuple[Node, int]]:
    """The nodes at this host that count for this creator, with their bytes. Their number is limited."""
    return [(node_of(*row), size) for *row, size in db.rows(_MADE_BY, host, creator)]


def count(db: Database, host: JID, creator: JID) -> int:
    """How many nodes at this host count for this creator."""
    [(found,)] = db.rows(_COUNT, host, creator)
    return int(found)


def _known(db: Database, host: JID, name: str) -> Node | None:
    if host.local:
        return db.memory[NODES].get(host, {}).get(name)
    return db.memory[SERVICE_NODES].get(_key(host, name))


def _remember(db: Database, node: Node) -> Node:
    if not node.host.local:
        return db.memory[SERVICE_NODES].put(_key(node.host, node.name), node)
    known = db.memory[NODES].get(node.host)
    if known is not None:
        db.memory[NODES].put(node.host, {**known, node.name: node})
    return node


def _forget(db: Database, node: Node) -> None:
    db.memory[NODES].forget(node.host)
    db.memory[SERVICE_NODES].forget(_key(node.host, node.name))


def _key(host: JID, name: str) -> str:
    return f"{host} {name}"


def node_of(id: int, host: str, name: str, creator: str, created: float, configuration: str) -> Node:
    """The node in a row of COLUMNS."""
    return Node(id, JID.parse(host), name, JID.parse(creator), created, configuration)
