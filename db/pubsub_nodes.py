"""Nodes (XEP-0060): by their host, which is an account's bare address or the domain of the service, and their name.

What a node's configuration says is none of the storage's business: it is kept as text.
"""

from collections.abc import Mapping
from typing import NamedTuple

from peewee import AutoField, FloatField, IntegerField, Model, TextField, fn

from db.database import Database
from db.memory import Remembered
from db.queries import ANY, Prepared
from xmpp.jid import JID

ALL = -1  # of a count: no limit


class Node(NamedTuple):
    """A node. `creator` is who made it, `created` when, in seconds since 1970."""

    id: int
    host: JID
    name: str
    creator: JID
    created: float
    configuration: str


class Usage(NamedTuple):
    """How many nodes and items there are, and how many bytes their payloads take."""

    nodes: int
    items: int
    bytes: int


NODES = Remembered[Mapping[str, Node]](bound=50_000, weigh=lambda nodes: 1 + len(nodes))
"""Of accounts, whose nodes are looked through for each device that comes online; some 1 KB each."""


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


_COLUMNS = (
    PubSubNode.id,
    PubSubNode.host,
    PubSubNode.name,
    PubSubNode.creator,
    PubSubNode.created,
    PubSubNode.configuration,
)
_FIND = Prepared(PubSubNode.select(*_COLUMNS).where((PubSubNode.host == ANY) & (PubSubNode.name == ANY)))
_LIST = Prepared(
    PubSubNode.select(*_COLUMNS)
    .where((PubSubNode.host == ANY) & (PubSubNode.name > ANY))
    .order_by(PubSubNode.name)
    .limit(ANY)
)
_INSERT = Prepared(
    PubSubNode.insert(
        host=ANY, name=ANY, account=ANY, creator=ANY, created=ANY, configuration=ANY, items=ANY, bytes=ANY
    )
)
_CONFIGURE = Prepared(PubSubNode.update(configuration=ANY).where(PubSubNode.id == ANY))
_DELETE = Prepared(PubSubNode.delete().where(PubSubNode.id == ANY))
_USAGE = Prepared(PubSubNode.select(PubSubNode.items, PubSubNode.bytes).where(PubSubNode.id == ANY))
_TOTAL = (fn.COUNT(PubSubNode.id), fn.SUM(PubSubNode.items), fn.SUM(PubSubNode.bytes))
_USAGE_OF_CREATOR = Prepared(PubSubNode.select(*_TOTAL).where((PubSubNode.host == ANY) & (PubSubNode.creator == ANY)))


def get(db: Database, host: JID, name: str) -> Node | None:
    """The node of that name at this host."""
    row = db.row(_FIND, host, name)
    return _node(*row) if row else None


def of_account(db: Database, account: JID) -> Mapping[str, Node]:
    """An account's own nodes, by name. Remembered: costs no query again."""
    known = db.memory[NODES].get(account)
    if known is not None:
        return known
    return db.memory[NODES].put(account, {node.name: node for node in of_host(db, account)})


def of_host(db: Database, host: JID, *, after: str = "", count: int = ALL) -> list[Node]:
    """So many of the nodes of a host, in the order of their names; only those whose name comes after that one."""
    return [_node(*row) for row in db.rows(_LIST, host, after, count)]


def create(db: Database, host: JID, name: str, creator: JID, configuration: str, created: float) -> Node:
    """Adds a node; there must be none of that name. The caller bounds their count."""
    account = host if host.local else None
    db.write(_INSERT, host, name, account, creator, created, configuration, 0, 0)
    db.memory[NODES].forget(host)
    node = get(db, host, name)
    assert node is not None
    return node


def configure(db: Database, node: Node, configuration: str) -> Node:
    """Gives a node another configuration; returns the node as it is then."""
    db.write(_CONFIGURE, configuration, node.id)
    db.memory[NODES].forget(node.host)
    return node._replace(configuration=configuration)


def delete(db: Database, node: Node) -> None:
    """Removes a node with its items, affiliations and subscriptions."""
    db.write(_DELETE, node.id)
    db.memory[NODES].forget(node.host)


def usage(db: Database, node: Node) -> Usage:
    """What a node holds."""
    row = db.row(_USAGE, node.id)
    return Usage(1, *row) if row else Usage(0, 0, 0)


def usage_of(db: Database, host: JID, creator: JID) -> Usage:
    """What the nodes hold that somebody has made at this host, all together."""
    [(nodes, items, size)] = db.rows(_USAGE_OF_CREATOR, host, creator)
    return Usage(nodes, items or 0, size or 0)


def _node(id: int, host: str, name: str, creator: str, created: float, configuration: str) -> Node:
    return Node(id, JID.parse(host), name, JID.parse(creator), created, configuration)
