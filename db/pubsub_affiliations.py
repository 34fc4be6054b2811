"""Affiliations of bare addresses with nodes (XEP-0060 section 4.1). Accounts own their own nodes, without a row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from peewee import CompositeKey, IntegerField, Model, TextField, fn

from db import pubsub_usage
from db.pubsub_nodes import AFTER_ALL, ALL, COLUMNS, Node, PubSubNode, leave_all, node_of
from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

FEW = 100
"""The affiliations of a node are remembered if there are no more than these."""


class _Known(NamedTuple):
    """The affiliations of a node, None if they are more than FEW; and the owners who have agreed to be owners."""

    affiliations: Mapping[JID, str] | None
    owners: Sequence[JID]


def _weight(known: _Known) -> int:
    return 500 + sum(200 + len(jid) for jid in (*(known.affiliations or ()), *known.owners))


AFFILIATIONS = Remembered[_Known](bound=20_000_000, weigh=_weight)
"""By node; the bound is in bytes, roughly."""


class PubSubAffiliation(Model):
    node = IntegerField()
    jid = TextField()
    affiliation = TextField()
    has_agreed = IntegerField()

    class Meta:
        table_name = "pubsub_affiliation"
        primary_key = CompositeKey("node", "jid")


_A = PubSubAffiliation
_AFFILIATION = Prepared(_A.select(_A.affiliation).where((_A.node == ANY) & (_A.jid == ANY)))
_AFFILIATIONS = Prepared(_A.select(_A.jid, _A.affiliation).where(_A.node == ANY).order_by(_A.jid).limit(ANY))
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
# No REPLACE, since triggers do not count the rows that it removes
_PUT_AFFILIATION = Prepared(
    _A.insert(node=ANY, jid=ANY, affiliation=ANY, has_agreed=ANY).on_conflict(
        conflict_target=[_A.node, _A.jid], preserve=[_A.affiliation, _A.has_agreed]
    )
)
_DELETE_AFFILIATION = Prepared(_A.delete().where((_A.node == ANY) & (_A.jid == ANY)))
_DELETE_AFFILIATIONS_OF = Prepared(_A.delete().where((_A.jid == ANY) & (_A.affiliation != ANY)))
_COUNT_AFFILIATIONS = Prepared(_A.select(fn.COUNT(_A.jid)).where(_A.node == ANY))


def affiliation(db: Database, node: Node, jid: JID) -> str:
    """The affiliation of a bare address: owner, publisher, publish-only, member, outcast, or none."""
    known = db.memory[AFFILIATIONS].get(node.id)
    if known is not None and known.affiliations is not None:
        return known.affiliations.get(jid, "none")
    row = db.row(_AFFILIATION, node.id, jid)
    return row[0] if row else "none"


def affiliations(db: Database, node: Node) -> Mapping[JID, str]:
    """All affiliations of a node, in the order of addresses. Remembered if they are few."""
    known = _known(db, node)
    return known.affiliations if known.affiliations is not None else _read(db, node, ALL)


def owners(db: Database, node: Node) -> Sequence[JID]:
    """The owners of a node who have agreed to be owners, in the order of addresses. Remembered."""
    return _known(db, node).owners


def affiliations_of(db: Database, host: JID, jid: JID, *, after: str = "", count: int = ALL) -> list[tuple[str, str]]:
    """At most `count` affiliations of a bare address with nodes of a host, as name of the node and affiliation.

    In the order of names, only those after the name `after`. There is no limit to their number, since owners of nodes
    decide on it.
    """
    return db.rows(_AFFILIATIONS_OF, jid, host, after, count)


def affiliations_of_backwards(db: Database, host: JID, jid: JID, *, before: str, count: int) -> list[tuple[str, str]]:
    """As `affiliations_of`, backwards: only those before the name `before`; "" means from the end."""
    return db.rows(_AFFILIATIONS_OF_BACKWARDS, jid, host, before or AFTER_ALL, count)


def affiliate(db: Database, node: Node, jid: JID, affiliation: str, *, has_agreed: bool = False) -> None:
    """Sets the affiliation of a bare address; "none" removes it. The caller limits their number."""
    if affiliation == "none":
        db.write(_DELETE_AFFILIATION, node.id, jid)
    else:
        db.write(_PUT_AFFILIATION, node.id, jid, affiliation, has_agreed)
    _note_change(db, node)


def affiliate_all(db: Database, node: Node, affiliations: Mapping[JID, str]) -> None:
    """`affiliate`, for many addresses, which have not agreed to it."""
    with db.change():
        db.write_many(_DELETE_AFFILIATION, [(node.id, jid) for jid, each in affiliations.items() if each == "none"])
        some = [(node.id, jid, each, False) for jid, each in affiliations.items() if each != "none"]
        db.write_many(_PUT_AFFILIATION, some)
    _note_change(db, node)


def agree(db: Database, node: Node, jid: JID) -> None:
    """Notes that a bare address has agreed to its affiliation."""
    db.write(_AGREE, True, node.id, jid)
    _note_change(db, node)


def count_affiliations(db: Database, node: Node) -> int:
    """How many affiliations a node has."""
    [(found,)] = db.rows(_COUNT_AFFILIATIONS, node.id)
    return int(found)


def leave_with(db: Database, host: JID, owner: JID) -> list[Node]:
    """Has all nodes leave a host that have this owner and no other; returns them, to be deleted."""
    found = [node_of(*row) for row in db.rows(_OWNED_ALONE, host, owner, "owner", True, "owner", True)]
    leave_all(db, found)
    return found


def forget(db: Database, jid: JID) -> None:
    """Removes all affiliations of a bare address, except "outcast"."""
    db.write(_DELETE_AFFILIATIONS_OF, jid, "outcast")
    db.memory.pop(AFFILIATIONS, None)  # of all nodes, since it is not known which ones these were


def _known(db: Database, node: Node) -> _Known:
    known = db.memory[AFFILIATIONS].get(node.id)
    if known is None:
        found = _read(db, node, FEW + 1)
        owners = [JID.parse(jid) for (jid,) in db.rows(_OWNERS, node.id, "owner", True)]
        known = db.memory[AFFILIATIONS].put(node.id, _Known(found if len(found) <= FEW else None, owners))
    return known


def _read(db: Database, node: Node, count: int) -> Mapping[JID, str]:
    return {JID.parse(jid): affiliation for jid, affiliation in db.rows(_AFFILIATIONS, node.id, count)}


def _note_change(db: Database, node: Node) -> None:
    db.memory[AFFILIATIONS].forget(node.id)
    pubsub_usage.note_growth(db, node.creator)
