"""The items of nodes (XEP-0060): payloads as the bytes that are sent, in the order in which they were published."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from peewee import SQL, AutoField, BlobField, FloatField, IntegerField, Model, NodeList, TextField, fn

from db import pubsub_usage
from db.pubsub_nodes import DELETED_AT_ONCE, Node, PubSubNode
from db.sqlite.database import Database, Row
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

NEWEST = 2**62  # comes after every item
ALL = -1  # of a count: no limit
ANY_NUMBER = 2**62  # of items in a node
ITEM_BYTES = 100  # what an item counts as beside its texts, as in the schema


class Item(NamedTuple):
    """An item. `payload` is b"" if it has none; `sequence` is its place, greater is newer. `has_moved`: it replaced an
    item of the same id, at another place."""

    id: str
    publisher: JID
    at: float
    payload: bytes
    sequence: int = 0
    has_moved: bool = False

    @property
    def size(self) -> int:
        """How many bytes it counts as."""
        return ITEM_BYTES + len(self.payload) + len(self.id.encode()) + len(self.publisher.encode())


class PubSubItem(Model):
    sequence = AutoField()
    node = IntegerField()
    item_id = TextField()
    publisher = TextField()
    at = FloatField()
    payload = BlobField()
    has_moved = IntegerField()

    class Meta:
        table_name = "pubsub_item"


_COLUMNS = (
    PubSubItem.item_id,
    PubSubItem.publisher,
    PubSubItem.at,
    PubSubItem.payload,
    PubSubItem.sequence,
    PubSubItem.has_moved,
)
_OF_NODE = PubSubItem.node == ANY
_BY_ID = _OF_NODE & (PubSubItem.item_id == ANY)
_SINCE = PubSubItem.at >= ANY
_FIND = Prepared(PubSubItem.select(*_COLUMNS).where(_BY_ID & _SINCE))
_IDS_GIVEN = PubSubItem.item_id.in_(SQL("(SELECT value FROM json_each(?))"))
_FIND_ALL = Prepared(PubSubItem.select(*_COLUMNS).where(_OF_NODE & _IDS_GIVEN & _SINCE))
_BACKWARDS = Prepared(
    PubSubItem.select(*_COLUMNS)
    .where(_OF_NODE & (PubSubItem.sequence < ANY) & _SINCE)
    .order_by(PubSubItem.sequence.desc())
    .limit(ANY)
)
_FORWARDS = Prepared(
    PubSubItem.select(*_COLUMNS)
    .where(_OF_NODE & (PubSubItem.sequence > ANY) & _SINCE)
    .order_by(PubSubItem.sequence)
    .limit(ANY)
)
_IDS = Prepared(
    PubSubItem.select(PubSubItem.item_id).where(_OF_NODE & _SINCE).order_by(PubSubItem.sequence.desc()).limit(ANY)
)
_PLACES = PubSubItem.select(PubSubItem.item_id, PubSubItem.sequence)
_PLACES_BACKWARDS = Prepared(
    _PLACES.where(_OF_NODE & (PubSubItem.sequence < ANY) & _SINCE).order_by(PubSubItem.sequence.desc()).limit(ANY)
)
_PLACES_FORWARDS = Prepared(
    _PLACES.where(_OF_NODE & (PubSubItem.sequence > ANY) & _SINCE).order_by(PubSubItem.sequence).limit(ANY)
)
_OLDEST = PubSubItem.select(PubSubItem.sequence).where(_OF_NODE).order_by(PubSubItem.sequence).limit(ANY)
_DELETE_OLDEST = Prepared(PubSubItem.delete().where(PubSubItem.sequence.in_(_OLDEST)))
_INSERT = Prepared(PubSubItem.insert(node=ANY, item_id=ANY, publisher=ANY, at=ANY, payload=ANY, has_moved=ANY))
_DELETE = Prepared(PubSubItem.delete().where(_BY_ID))
# What new items replace: items of the same ids, and as many of the oldest others as would be too many then
_REPLACED = PubSubItem.select(PubSubItem.sequence).where(_OF_NODE & _IDS_GIVEN)
_ITEMS = PubSubNode.select(PubSubNode.items).where(PubSubNode.id == ANY)
_COUNT_REPLACED = PubSubItem.select(fn.COUNT(SQL("*"))).where(_OF_NODE & _IDS_GIVEN)
_EXCESS = fn.MAX(SQL("0"), NodeList((_ITEMS, SQL("-"), _COUNT_REPLACED, SQL("-"), ANY)))
_TOO_MANY = (
    PubSubItem.select(PubSubItem.sequence).where(_OF_NODE & ~_IDS_GIVEN).order_by(PubSubItem.sequence).limit(_EXCESS)
)
_GOING = PubSubItem.sequence.in_(_REPLACED) | PubSubItem.sequence.in_(_TOO_MANY)
_FIND_GOING = Prepared(PubSubItem.select(*_COLUMNS).where(_GOING))
_DELETE_GOING = Prepared(PubSubItem.delete().where(_GOING).returning(*_COLUMNS))
_DELETE_ALL = Prepared(PubSubItem.delete().where(_OF_NODE))
_EXPIRED = PubSubItem.select(PubSubItem.sequence).where(_OF_NODE & (PubSubItem.at < ANY)).limit(ANY)
_DELETE_BEFORE = Prepared(PubSubItem.delete().where(PubSubItem.sequence.in_(_EXPIRED)))


def get(db: Database, node: Node, item_id: str, since: float = 0.0) -> Item | None:
    """The item of that id; None if there is none, or it was published before `since`."""
    row = db.row(_FIND, node.id, item_id, since)
    return _item(*row) if row else None


def get_all(db: Database, node: Node, item_ids: Sequence[str], since: float = 0.0) -> list[Item]:
    """The items of these ids that `get` would find, in the order of the ids."""
    found = {row[0]: _item(*row) for row in db.rows(_FIND_ALL, node.id, json.dumps(item_ids), since)}
    return [found[id] for id in item_ids if id in found]


def newest(db: Database, node: Node, count: int, *, before: int = NEWEST, since: float = 0.0) -> list[Item]:
    """At most `count` of the newest items, the newest first; only those before the place `before`."""
    return [_item(*row) for row in db.rows(_BACKWARDS, node.id, before, since, count)]


def oldest(db: Database, node: Node, count: int, *, after: int = 0, since: float = 0.0) -> list[Item]:
    """At most `count` of the oldest items, the oldest first; only those after the place `after`."""
    return [_item(*row) for row in db.rows(_FORWARDS, node.id, after, since, count)]


def last(db: Database, node: Node, since: float = 0.0) -> Item | None:
    """The item that was published last, or None."""
    return next(iter(newest(db, node, 1, since=since)), None)


def ids(db: Database, node: Node, count: int, since: float = 0.0) -> list[str]:
    """The ids of at most `count` of the newest items, the newest first."""
    return [id for (id,) in db.rows(_IDS, node.id, since, count)]


def newest_places(
    db: Database, node: Node, count: int, *, before: int = NEWEST, since: float = 0.0
) -> list[tuple[str, int]]:
    """As `newest`, but only the ids and places."""
    return db.rows(_PLACES_BACKWARDS, node.id, before, since, count)


def oldest_places(db: Database, node: Node, count: int, *, after: int = 0, since: float = 0.0) -> list[tuple[str, int]]:
    """As `oldest`, but only the ids and places."""
    return db.rows(_PLACES_FORWARDS, node.id, after, since, count)


def put(db: Database, node: Node, items: Sequence[Item], most: int = ANY_NUMBER) -> list[Item]:
    """Adds items of different ids, the newest last, each in place of an earlier item of its id.

    If the node would have more than `most` items, the oldest are removed; returns these, the oldest first. The caller
    limits a node's bytes.
    """
    with db.change():
        gone = _in_order(db.take(_DELETE_GOING, *_values_of_going(node, items, most)))
        known = {item.id for item in gone}
        for item in items:
            db.write(_INSERT, node.id, item.id, item.publisher, item.at, item.payload, item.id in known)
    pubsub_usage.note_more(db, node.creator, sum(item.size for item in items) - sum(item.size for item in gone))
    new = {item.id for item in items}
    return [item for item in gone if item.id not in new]


def going(db: Database, node: Node, items: Sequence[Item], most: int) -> list[Item]:
    """The items that `put` would remove, the oldest first: those that it replaces, and those that would be too many."""
    return _in_order(db.rows(_FIND_GOING, *_values_of_going(node, items, most)))


def remove(db: Database, node: Node, item_ids: Iterable[str]) -> None:
    """Removes items."""
    db.write_many(_DELETE, [(node.id, id) for id in item_ids])


def remove_oldest(db: Database, node: Node, count: int) -> None:
    """Removes the `count` oldest items."""
    db.write(_DELETE_OLDEST, node.id, count)


def remove_before(db: Database, node: Node, at: float) -> None:
    """Removes items that were published before this time, at most DELETED_AT_ONCE."""
    db.write(_DELETE_BEFORE, node.id, at, DELETED_AT_ONCE)


def clear(db: Database, node: Node) -> None:
    """Removes all items of a node."""
    db.write(_DELETE_ALL, node.id)


def _item(id: str, publisher: str, at: float, payload: bytes, sequence: int, has_moved: int) -> Item:
    return Item(id, JID.parse(publisher), at, payload, sequence, bool(has_moved))


def _in_order(rows: Iterable[Row]) -> list[Item]:
    return sorted((_item(*row) for row in rows), key=lambda item: item.sequence)


def _values_of_going(node: Node, items: Sequence[Item], most: int) -> tuple[object, ...]:
    of_node = (node.id, json.dumps([item.id for item in items]))
    return (*of_node, *of_node, node.id, *of_node, most - len(items))
