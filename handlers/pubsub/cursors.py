"""XEP-0059: the cursors of pages of items. A cursor is a place in the node, as an item that is published again moves.

Whoever pages by the <first/> and <last/> of the answers misses nothing, whatever moves or goes meanwhile. Clients that
send the id of an item instead, as the examples of XEP-0060 do, go on from its place if it has never moved.

A place is a number that counts all items of the server, which is nobody's business. So a cursor is that number
enciphered, with a proof that it comes from here.
"""

import hashlib
import re
from collections.abc import Sequence

from lxml import etree

from db import pubsub_items, pubsub_nodes
from db.pubsub_nodes import Node
from db.secrets import secret
from db.sqlite.database import Database
from handlers.pubsub.conditions import refused
from xmpp.data import resultsets
from xmpp.data.resultsets import PageRequest

OF_NODES = 0  # the scope of cursors of lists of nodes; those of items have the id of their node
_HALF = 8  # bytes
_CURSOR = re.compile(rf"[0-9a-f]{{{4 * _HALF}}}", re.ASCII)


def of(db: Database, node: Node, place: int) -> str:
    """The cursor for a place in a node."""
    return hidden(db, node.id, place)


def place(db: Database, node: Node, cursor: str) -> int:
    """The place of a cursor, or of the item with this id. Raises StanzaError if it is neither."""
    found = shown(db, node.id, cursor)
    if found is not None:
        return found
    item = pubsub_items.get(db, node, cursor)
    if item is None or item.has_moved:
        raise refused("item-not-found")
    return item.sequence


def bounds(db: Database, node: Node, asked: PageRequest) -> tuple[int, int]:
    """The places between which a page lies: (after, before). Raises StanzaError for a cursor that is none."""
    after = place(db, node, asked.after) if asked.after else 0
    return after, place(db, node, asked.before) if asked.before else pubsub_items.NEWEST


def page(db: Database, node: Node, places: Sequence[int]) -> etree._Element:
    """The <set/> of a page with the items at these places."""
    first, last = (of(db, node, places[0]), of(db, node, places[-1])) if places else (None, None)
    return resultsets.page(first=first, last=last, count=pubsub_nodes.usage(db, node).items)


# -- enciphering


def hidden(db: Database, scope: int, number: int) -> str:
    """A number as a cursor, which is valid in this scope only."""
    proof = _digest(db, scope, b"proof", number.to_bytes(_HALF, "big"))
    return (proof + _masked(db, scope, proof, number)).hex()


def shown(db: Database, scope: int, cursor: str) -> int | None:
    """The number of which `hidden` has made this cursor in this scope; None if it has not."""
    if not _CURSOR.fullmatch(cursor):
        return None
    data = bytes.fromhex(cursor)
    proof, masked = data[:_HALF], int.from_bytes(data[_HALF:], "big")
    number = int.from_bytes(_masked(db, scope, proof, masked), "big")
    return number if hidden(db, scope, number) == cursor else None


def _masked(db: Database, scope: int, proof: bytes, number: int) -> bytes:
    mask = int.from_bytes(_digest(db, scope, b"mask", proof), "big")
    return (number ^ mask).to_bytes(_HALF, "big")


def _digest(db: Database, scope: int, purpose: bytes, data: bytes) -> bytes:
    key = secret(db, "cursors") + scope.to_bytes(_HALF, "big")
    return hashlib.blake2b(data, digest_size=_HALF, key=key, person=purpose).digest()
