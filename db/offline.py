"""Messages that wait for an account to come online (XEP-0160), in the order they came."""

from typing import NamedTuple

from peewee import AutoField, BlobField, FloatField, Model, TextField, fn

from db.database import Database
from db.memory import Remembered
from db.queries import ANY, Prepared

COUNTS = Remembered[int](bound=100_000)


class OfflineMessage(Model):
    id = AutoField()
    account = TextField()
    at = FloatField()
    stanza = BlobField()

    class Meta:
        table_name = "offline_message"


_FIND = Prepared(
    OfflineMessage.select(OfflineMessage.id, OfflineMessage.stanza, OfflineMessage.at)
    .where(OfflineMessage.account == ANY)
    .order_by(OfflineMessage.id)
)
_COUNT = Prepared(OfflineMessage.select(fn.COUNT(OfflineMessage.id)).where(OfflineMessage.account == ANY))
_INSERT = Prepared(OfflineMessage.insert(account=ANY, at=ANY, stanza=ANY))
_DELETE = Prepared(OfflineMessage.delete().where((OfflineMessage.account == ANY) & (OfflineMessage.id <= ANY)))


class Waiting(NamedTuple):
    """A message as it came, and when."""

    id: int
    stanza: bytes
    at: float


def keep(db: Database, account: str, stanza: bytes, at: float) -> None:
    """Keeps a message. The caller bounds their count."""
    before = count(db, account)
    db.write(_INSERT, account, at, stanza)
    db.memory[COUNTS].put(account, before + 1)


def count(db: Database, account: str) -> int:
    """How many messages wait."""
    known = db.memory[COUNTS].get(account)
    if known is not None:
        return known
    [(found,)] = db.rows(_COUNT, account)
    return db.memory[COUNTS].put(account, int(found))


def waiting(db: Database, account: str) -> list[Waiting]:
    """The messages that wait, the oldest first."""
    if not count(db, account):
        return []
    return [Waiting(*row) for row in db.rows(_FIND, account)]


def drop(db: Database, account: str, up_to: int) -> None:
    """Forgets what was delivered: messages up to this id."""
    before = count(db, account)
    gone = db.write(_DELETE, account, up_to)
    db.memory[COUNTS].put(account, before - gone)
