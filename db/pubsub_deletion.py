"""Deletes nodes that have left their host, a little at a time: an account can leave a million items behind.

A node leaves its host at once, when its account is removed (by the schema) or a large node is deleted (pubsub_nodes).
"""

from db.pubsub_items import PubSubItem
from db.pubsub_nodes import LEFT, PubSubNode
from db.pubsub_people import PubSubSubscription
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

_I, _N, _S = PubSubItem, PubSubNode, PubSubSubscription
_FIND = Prepared(_N.select(_N.id).where(_N.host == ANY).limit(ANY))
_ITEMS = _I.select(_I.sequence).where(_I.node == ANY).limit(ANY)
_DELETE_ITEMS = Prepared(_I.delete().where(_I.sequence.in_(_ITEMS)))
_SUBSCRIPTIONS = _S.select(_S.jid).where(_S.node == ANY).limit(ANY)
_DELETE_SUBSCRIPTIONS = Prepared(_S.delete().where((_S.node == ANY) & _S.jid.in_(_SUBSCRIPTIONS)))
_DELETE = Prepared(_N.delete().where(_N.id == ANY))


def delete_left(db: Database, most: int) -> int:
    """Deletes at most so many items or subscriptions of a node that has left its host, or, after the last, the node.

    Returns how many rows it was.
    """
    found = db.row(_FIND, LEFT, 1)
    if found is None:
        return 0
    [node] = found
    gone = db.write(_DELETE_ITEMS, node, most) or db.write(_DELETE_SUBSCRIPTIONS, node, node, most)
    return gone or db.write(_DELETE, node)
