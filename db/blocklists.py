"""Blocklists (XEP-0191): whom an account does not want to hear of."""

from collections.abc import Iterable

from peewee import CompositeKey, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

ADDRESS_BYTES = 200
"""The memory that Python takes for an address, beside its text."""
BLOCKLISTS = Remembered[frozenset[JID]](
    bound=50_000_000, weigh=lambda patterns: ADDRESS_BYTES * (1 + len(patterns)) + sum(map(len, patterns))
)
"""Bounded in bytes."""


class Blocked(Model):
    account = TextField()
    pattern = TextField()

    class Meta:
        table_name = "blocked"
        primary_key = CompositeKey("account", "pattern")


_FIND = Prepared(Blocked.select(Blocked.pattern).where(Blocked.account == ANY))
_INSERT = Prepared(Blocked.insert(account=ANY, pattern=ANY))
_DELETE = Prepared(Blocked.delete().where((Blocked.account == ANY) & (Blocked.pattern == ANY)))
_DELETE_ALL = Prepared(Blocked.delete().where(Blocked.account == ANY))


def patterns(db: Database, account: str) -> frozenset[JID]:
    """The addresses on an account's blocklist."""
    known = db.memory[BLOCKLISTS].get(account)
    if known is not None:
        return known
    rows = db.rows(_FIND, account)
    return db.memory[BLOCKLISTS].put(account, frozenset(JID.parse(pattern) for (pattern,) in rows))


def is_blocked(db: Database, account: str, jid: JID) -> bool:
    """True if an entry of the account's list matches, by the four rules of XEP-0191 section 6 (JID matching).

    A domain matches everybody there, a bare address all its resources, a full address only itself.
    """
    listed = db.memory[BLOCKLISTS].get(account)
    if listed is None:
        listed = patterns(db, account)
    return bool(listed) and (jid in listed or jid.bare in listed or jid.domain in listed)


def blocks_any_resource(db: Database, account: str, jid: JID) -> bool:
    """True if an entry of the account's list matches a bare address, or only one of its resources."""
    listed = patterns(db, account)
    return bool(listed) and (jid.domain in listed or any(pattern.bare == jid for pattern in listed))


def add(db: Database, account: str, blocked: Iterable[JID]) -> frozenset[JID]:
    """Puts addresses on the list; returns those that were not on it."""
    listed = patterns(db, account)
    new = frozenset(blocked) - listed
    if new:
        db.write_many(_INSERT, ((account, pattern) for pattern in sorted(new)))
        db.memory[BLOCKLISTS].put(account, listed | new)
    return new


def remove(db: Database, account: str, unblocked: Iterable[JID]) -> frozenset[JID]:
    """Takes addresses off the list; returns those that were on it."""
    listed = patterns(db, account)
    gone = listed & frozenset(unblocked)
    if gone:
        db.write_many(_DELETE, ((account, pattern) for pattern in gone))
        db.memory[BLOCKLISTS].put(account, listed - gone)
    return gone


def clear(db: Database, account: str) -> frozenset[JID]:
    """Takes everything off the list; returns what was on it."""
    gone = patterns(db, account)
    if gone:
        db.write(_DELETE_ALL, account)
        db.memory[BLOCKLISTS].put(account, frozenset())
    return gone
