"""Messages that wait for an account to come online (XEP-0160), in the order they came."""

import json
from collections.abc import Collection, Iterable
from typing import NamedTuple

from peewee import SQL, AutoField, BlobField, FloatField, Model, TextField, fn

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared

ALL = -1  # as a limit


class Usage(NamedTuple):
    """How many messages wait, and how many bytes they have together."""

    messages: int
    bytes: int


USAGE = Remembered[Usage](bound=100_000)


class OfflineMessage(Model):
    id = AutoField()
    account = TextField()
    at = FloatField()
    stanza = BlobField()
    sender = TextField()
    message_id = TextField()

    class Meta:
        table_name = "offline_message"


_GIVEN = SQL("(SELECT value FROM json_each(?))")  # any number of ids

_FIND = Prepared(
    OfflineMessage.select(OfflineMessage.id, OfflineMessage.stanza, OfflineMessage.at)
    .where((OfflineMessage.account == ANY) & (OfflineMessage.id > ANY) & OfflineMessage.id.not_in(_GIVEN))
    .order_by(OfflineMessage.id)
    .limit(ANY)
)
_FIND_BY_MESSAGE_ID = Prepared(
    OfflineMessage.select(OfflineMessage.id, OfflineMessage.stanza, OfflineMessage.at)
    .where((OfflineMessage.account == ANY) & (OfflineMessage.sender == ANY) & (OfflineMessage.message_id == ANY))
    .order_by(OfflineMessage.id.desc())
    .limit(SQL("1"))
)
_USAGE = Prepared(
    OfflineMessage.select(
        fn.COUNT(OfflineMessage.id), fn.COALESCE(fn.SUM(fn.LENGTH(OfflineMessage.stanza)), SQL("0"))
    ).where(OfflineMessage.account == ANY)
)
_INSERT = Prepared(OfflineMessage.insert(account=ANY, at=ANY, stanza=ANY, sender=ANY, message_id=ANY))
_LAST = Prepared(OfflineMessage.select(fn.MAX(OfflineMessage.id)).where(OfflineMessage.account == ANY))
_DELETE = Prepared(OfflineMessage.delete().where((OfflineMessage.account == ANY) & OfflineMessage.id.in_(_GIVEN)))


class Waiting(NamedTuple):
    """A message as it came, and when."""

    id: int
    stanza: bytes
    at: float


def keep(db: Database, account: str, stanza: bytes, at: float, sender: str = "", message_id: str = "") -> None:
    """Keeps a message. `sender` (a bare address) and `message_id` are for finding it later (`newest`).

    The caller limits the number and the bytes of messages.
    """
    before = usage(db, account)
    db.write(_INSERT, account, at, stanza, sender, message_id)
    db.memory[USAGE].put(account, Usage(before.messages + 1, before.bytes + len(stanza)))


def count(db: Database, account: str) -> int:
    """How many messages wait."""
    return usage(db, account).messages


def usage(db: Database, account: str) -> Usage:
    """How many messages wait, and their bytes. Remembered."""
    known = db.memory[USAGE].get(account)
    if known is not None:
        return known
    [found] = db.rows(_USAGE, account)
    return db.memory[USAGE].put(account, Usage(*found))


def waiting(
    db: Database, account: str, after: int = 0, but_for: Collection[int] = (), most: int = ALL
) -> list[Waiting]:
    """At most `most` of the messages that wait, the oldest first: those after this id, without the ids in `but_for`."""
    if not count(db, account):
        return []
    return [Waiting(*row) for row in db.rows(_FIND, account, after, json.dumps(list(but_for)), most)]


def last(db: Database, account: str) -> int:
    """The id of the newest message that waits; 0 if none does."""
    [[found]] = db.rows(_LAST, account)
    return found or 0


def newest(db: Database, account: str, sender: str, message_id: str) -> Waiting | None:
    """The newest message that waits and to which this sender gave this id, or None."""
    if not count(db, account):
        return None
    found = db.row(_FIND_BY_MESSAGE_ID, account, sender, message_id)
    return Waiting(*found) if found else None


def drop(db: Database, account: str, ids: Iterable[int]) -> None:
    """Removes messages: they have been delivered, or retracted."""
    if db.write(_DELETE, account, json.dumps(list(ids))):
        db.memory[USAGE].forget(account)
