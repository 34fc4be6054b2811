"""How many bytes in nodes (XEP-0060) count for an address: the nodes that it has made, with all that is in them, and
its subscriptions. Triggers of the schema count them."""

from collections.abc import Mapping

from peewee import SQL, IntegerField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

ALL_ACCOUNTS = ""


class _Kept:
    """How many bytes are kept for an address. May be too large, after some were removed, but never too small."""

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
    """How many bytes are kept for a bare address. One row is read, however many bytes it is."""
    return _bytes(db, jid)


def bytes_in_all(db: Database) -> int:
    """How many bytes are kept for all addresses together."""
    return _bytes(db, ALL_ACCOUNTS)


def has_room(db: Database, jid: str, more: int, most: int) -> bool:
    """True if `more` bytes can be added for a bare address, or for ALL_ACCOUNTS, without exceeding `most`.

    How much is kept is remembered, so this costs no query as long as there is room.
    """
    known = db.memory[KEPT].get(jid)
    if known is None or known.bytes + more > most:
        known = db.memory[KEPT].put(jid, _Kept(_bytes(db, jid)))
    return known.bytes + more <= most


def note_more(db: Database, jid: str, more: int) -> None:
    """Note that so many bytes more are kept for a bare address now."""
    for each in (jid, ALL_ACCOUNTS):
        known = db.memory[KEPT].get(each)
        if known is not None:
            known.bytes += more


def note_growth(db: Database, jid: str) -> None:
    """Note that more may be kept for a bare address now, by an unknown number of bytes."""
    db.memory[KEPT].forget(jid)
    db.memory[KEPT].forget(ALL_ACCOUNTS)


def transfer(db: Database, charged: Mapping[str, int]) -> None:
    """Makes bytes that are kept already count for other addresses. `charged`: by how many more, or fewer, for each."""
    with db.change():
        db.write_many(_BEGIN, [(jid, 0) for jid in charged])
        db.write_many(_CHARGE, [(size, jid) for jid, size in charged.items()])
        db.write_many(_END, [(jid,) for jid in charged])
    for jid in charged:
        note_growth(db, jid)


def _bytes(db: Database, jid: str) -> int:
    row = db.row(_BYTES, jid)
    return row[0] if row else 0
