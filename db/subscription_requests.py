"""Subscription requests that an account has not answered yet (RFC 6121 section 3.1.3): one stanza for each sender."""

from collections.abc import Set
from typing import NamedTuple

from peewee import BlobField, CompositeKey, FloatField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

SENDERS = Remembered[frozenset[JID]](bound=200_000, weigh=lambda senders: 1 + len(senders))


class SubscriptionRequest(Model):
    account = TextField()
    sender = TextField()
    at = FloatField()
    stanza = BlobField()

    class Meta:
        table_name = "subscription_request"
        primary_key = CompositeKey("account", "sender")


_FIND_SENDERS = Prepared(
    SubscriptionRequest.select(SubscriptionRequest.sender).where(SubscriptionRequest.account == ANY)
)
_FIND = Prepared(
    SubscriptionRequest.select(SubscriptionRequest.sender, SubscriptionRequest.stanza, SubscriptionRequest.at)
    .where(SubscriptionRequest.account == ANY)
    .order_by(SubscriptionRequest.at)
)
_FIND_IN_ORDER = Prepared(
    SubscriptionRequest.select(SubscriptionRequest.sender)
    .where(SubscriptionRequest.account == ANY)
    .order_by(SubscriptionRequest.at)
)
_FIND_STANZA = Prepared(
    SubscriptionRequest.select(SubscriptionRequest.stanza).where(
        (SubscriptionRequest.account == ANY) & (SubscriptionRequest.sender == ANY)
    )
)
_PUT = Prepared(SubscriptionRequest.replace(account=ANY, sender=ANY, at=ANY, stanza=ANY))
_DELETE = Prepared(
    SubscriptionRequest.delete().where((SubscriptionRequest.account == ANY) & (SubscriptionRequest.sender == ANY))
)
_FIND_ASKED = Prepared(SubscriptionRequest.select(SubscriptionRequest.account).where(SubscriptionRequest.sender == ANY))
_DELETE_OF = Prepared(SubscriptionRequest.delete().where(SubscriptionRequest.sender == ANY))


class Request(NamedTuple):
    """A presence stanza of type subscribe, as it is to be delivered."""

    sender: JID
    stanza: bytes
    at: float


def keep(db: Database, account: str, sender: JID, stanza: bytes, at: float) -> None:
    """Keeps a request, in place of an earlier one of the same sender. The caller limits their number."""
    known = senders(db, account)
    db.write(_PUT, account, sender, at, stanza)
    db.memory[SENDERS].put(account, known | {sender})


def senders(db: Database, account: str) -> frozenset[JID]:
    """The senders of requests that the account has not answered."""
    known = db.memory[SENDERS].get(account)
    if known is not None:
        return known
    rows = db.rows(_FIND_SENDERS, account)
    return db.memory[SENDERS].put(account, frozenset(JID.parse(sender) for (sender,) in rows))


def is_pending(db: Database, account: str, sender: JID) -> bool:
    """True if the account has not answered a request of this sender ("Pending In")."""
    return sender in senders(db, account)


def count(db: Database, account: str) -> int:
    """How many requests the account has not answered."""
    return len(senders(db, account))


def requests(db: Database, account: str) -> list[Request]:
    """All requests that the account has not answered, the oldest first."""
    if not senders(db, account):
        return []
    return [Request(JID.parse(sender), stanza, at) for sender, stanza, at in db.rows(_FIND, account)]


def in_order(db: Database, account: str) -> list[JID]:
    """The senders of requests that the account has not answered, the oldest request first."""
    if not senders(db, account):
        return []
    return [JID.parse(sender) for (sender,) in db.rows(_FIND_IN_ORDER, account)]


def stanza(db: Database, account: str, sender: JID) -> bytes | None:
    """The request of this sender, as it is to be delivered; None if there is none any more."""
    found = db.row(_FIND_STANZA, account, sender)
    return bytes(found[0]) if found else None


def drop(db: Database, account: str, sender: JID) -> None:
    """Removes a request: it was answered, or cancelled."""
    known = senders(db, account)
    if sender not in known:
        return
    db.write(_DELETE, account, sender)
    db.memory[SENDERS].put(account, known - {sender})


def drop_all_of(db: Database, sender: JID) -> Set[str]:
    """Removes all requests of a sender that is gone; returns the accounts that it had asked."""
    asked = {account for (account,) in db.rows(_FIND_ASKED, sender)}
    if asked:
        db.write(_DELETE_OF, sender)
    for account in asked:
        db.memory[SENDERS].forget(account)
    return asked
