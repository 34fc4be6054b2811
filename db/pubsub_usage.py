"""How many bytes are kept for whom in nodes (XEP-0060): the nodes that somebody has made, with all that is in them, and
its subscriptions. The schema counts them."""

from collections.abc import Mapping

from peewee import SQL, IntegerField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

ALL_ACCOUNTS = ""


class _Kept:
    """How many bytes are kept for somebody, or were before some went: never too few."""

    __slots__ = ("bytes",)

    def __init__(self, bytes: int) -> None:
        self.bytes = bytes


KEPT = Remembered[_Kept](bound=100_000)
"""By bare address."""


class PubSubUsage(Model):
    jid = TextField(primary_key=True)
    bytes = IntegerField()

    class Meta:
        table_name = "pubsub_usage"


_BYTES = Prepared(PubSubUsage.select(PubSubUsage.bytes).where(PubSubUsage.jid == ANY))
_BEGIN = Prepared(PubSubUsage.insert(jid=ANY, bytes=ANY).on_conflict_ignore())
_CHARGE = Prepared(PubSubUsage.update(bytes=PubSubUsage.bytes + ANY).where(PubSubUsage.jid == ANY))
_END = Prepared(PubSubUsage.delete().where((PubSubUsage.jid == ANY) & (PubSubUsage.bytes == SQL("0"))))


def bytes_of(db: Database, jid: JID) -> int:
    """How many bytes are kept for a bare address. Costs the same however much that is."""
    return _bytes(db, jid)


def bytes_in_all(db: Database) -> int:
    """How many bytes are kept for all together."""
    return _bytes(db, ALL_ACCOUNTS)


def has_room(db: Database, jid: str, more: int, most: int) -> bool:
    """Whether so many bytes more are within what may be kept for a bare address, or for ALL_ACCOUNTS. How much is kept
    is remembered, so that there is no query as long as there is room."""
    known = db.memory[KEPT].get(jid)
    if known is None or known.bytes + more > most:
        known = db.memory[KEPT].put(jid, _Kept(_bytes(db, jid)))
    return known.bytes + more <= most


def note_more(db: Database, jid: str, more: int) -> None:
    """So many bytes more are kept for a bare address now."""
    for each in (jid, ALL_ACCOUNTS):
        known = db.memory[KEPT].get(each)
        if known is not None:
            known.bytes += more


def note_growth(db: Database, jid: str) -> None:
    """More may be kept for a bare address now."""
    db.memory[KEPT].forget(jid)
    db.memory[KEPT].forget(ALL_ACCOUNTS)


def transfer(db: Database, charged: Mapping[str, int]) -> None:
    """Has what is there already count for others: by bare address, how many bytes more or less are kept for it."""
    with db.change():
        db.write_many(_BEGIN, [(jid, 0) for jid in charged])
        db.write_many(_CHARGE, [(size, jid) for jid, size in charged.items()])
        db.write_many(_END, [(jid,) for jid in charged])
    for jid in charged:
        note_growth(db, jid)


def _bytes(db: Database, jid: str) -> int:
    row = db.row(_BYTES, jid)
    return row[0] if row else 0
