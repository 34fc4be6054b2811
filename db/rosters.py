"""Rosters (RFC 6121 section 2): an account's contacts, its subscriptions to them, and theirs to it.

Who has only asked to subscribe is not in the roster (RFC 6121 appendix A: "None + Pending In" is never pushed); such
requests are kept by db/subscription_requests.py. A pre-approval of somebody who is not a contact is an item, and is
pushed like any other (RFC 6121 section 3.4.2).
"""

import json
from collections.abc import Callable, Mapping
from secrets import token_hex
from types import MappingProxyType
from typing import NamedTuple

from peewee import SQL, BooleanField, CompositeKey, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

NEVER_CHANGED = "0"


class RosterItem(Model):
    account = TextField()
    contact = TextField()
    name = TextField()
    groups = TextField()
    subscription = TextField()
    ask = BooleanField()
    approved = BooleanField()

    class Meta:
        table_name = "roster_item"
        primary_key = CompositeKey("account", "contact")


class RosterVersion(Model):
    account = TextField(primary_key=True)
    version = TextField()

    class Meta:
        table_name = "roster_version"


_ITEM = (
    RosterItem.contact,
    RosterItem.name,
    RosterItem.groups,
    RosterItem.subscription,
    RosterItem.ask,
    RosterItem.approved,
)
_FIND_ITEMS = Prepared(RosterItem.select(*_ITEM).where(RosterItem.account == ANY).order_by(RosterItem.contact))
_FIND_ITEM = Prepared(
    RosterItem.select(RosterItem.contact).where((RosterItem.account == ANY) & (RosterItem.contact == ANY))
)
_PUT_ITEM = Prepared(
    RosterItem.replace(account=ANY, contact=ANY, name=ANY, groups=ANY, subscription=ANY, ask=ANY, approved=ANY)
)
_DELETE_ITEM = Prepared(RosterItem.delete().where((RosterItem.account == ANY) & (RosterItem.contact == ANY)))
_IS_BOUND = (RosterItem.subscription != SQL("'none'")) | RosterItem.ask | RosterItem.approved
_FIND_BOUND = Prepared(RosterItem.select(RosterItem.account, *_ITEM).where((RosterItem.contact == ANY) & _IS_BOUND))
_RELEASE = Prepared(
    RosterItem.update(subscription=SQL("'none'"), ask=SQL("0"), approved=SQL("0")).where(
        (RosterItem.contact == ANY) & _IS_BOUND
    )
)
_FIND_VERSION = Prepared(RosterVersion.select(RosterVersion.version).where(RosterVersion.account == ANY))
_PUT_VERSION = Prepared(RosterVersion.replace(account=ANY, version=ANY))
_PUT_VERSION_OF_BOUND = Prepared(
    RosterVersion.update(version=ANY).where(
        RosterVersion.account.in_(RosterItem.select(RosterItem.account).where((RosterItem.contact == ANY) & _IS_BOUND))
    )
)


class Item(NamedTuple):
    """A contact of an account (RFC 6121 section 2.1.2)."""

    contact: JID
    name: str = ""
    groups: tuple[str, ...] = ()
    subscription: str = "none"
    """none, to (the account gets the contact's presence), from (the contact gets the account's), or both."""
    ask: bool = False
    """The account has asked to subscribe ("Pending Out")."""
    approved: bool = False
    """The account has approved a request that has not come yet."""

    @property
    def size(self) -> int:
        """How many bytes its address, name and groups have."""
        return len(f"{self.contact}{self.name}{''.join(self.groups)}".encode())

    @property
    def is_subscriber(self) -> bool:
        """True if the contact gets the account's presence."""
        return self.subscription in ("from", "both")

    @property
    def is_subscribed_to(self) -> bool:
        """True if the account gets the contact's presence."""
        return self.subscription in ("to", "both")


class Roster:
    """An account's roster at one version. It never changes; a change makes a new one. `size` is that of all items."""

    __slots__ = ("items", "size", "subscribed_to", "subscribers", "version")

    def __init__(self, items: dict[JID, Item], version: str, size: int) -> None:
        self.items: Mapping[JID, Item] = MappingProxyType(items)
        self.version = version
        self.size = size
        self.subscribers = tuple(item.contact for item in items.values() if item.is_subscriber)
        self.subscribed_to = tuple(item.contact for item in items.values() if item.is_subscribed_to)

    def __len__(self) -> int:
        return len(self.items)


ITEM_BYTES = 300
"""The memory that Python takes for a contact, beside its text."""
ROSTERS = Remembered[Roster](bound=150_000_000, weigh=lambda roster: ITEM_BYTES * (1 + len(roster)) + roster.size)
"""Bounded in bytes, for some 500,000 contacts."""


def roster(db: Database, account: str) -> Roster:
    """An account's roster; empty if there is no such account."""
    known = db.memory[ROSTERS].get(account)
    return db.memory[ROSTERS].put(account, _read(db, account)) if known is None else known


def item(db: Database, account: str, contact: JID) -> Item | None:
    """A contact of an account, or None. For somebody who is none, no roster is read: strangers could have the server
    read one large roster after the other."""
    known = db.memory[ROSTERS].get(account)
    if known is None and db.row(_FIND_ITEM, account, contact) is None:
        return None
    return roster(db, account).items.get(contact)


def subscribers(db: Database, account: str) -> tuple[JID, ...]:
    """Who gets the account's presence."""
    return roster(db, account).subscribers


def subscribed_to(db: Database, account: str) -> tuple[JID, ...]:
    """Whose presence the account gets."""
    return roster(db, account).subscribed_to


def put(db: Database, account: str, item: Item) -> Roster:
    """Adds a contact, or replaces its item; returns the new roster."""
    before = roster(db, account)
    earlier = before.items.get(item.contact)
    size = before.size + item.size - (earlier.size if earlier else 0)
    items = {**before.items, item.contact: item}
    with db.change():
        groups = json.dumps(item.groups, ensure_ascii=False)
        db.write(_PUT_ITEM, account, item.contact, item.name, groups, item.subscription, item.ask, item.approved)
        return _remember(db, account, items, size)


def remove(db: Database, account: str, contact: JID) -> Roster:
    """Removes a contact; returns the new roster, or the old one if there is no such contact."""
    before = roster(db, account)
    if contact not in before.items:
        return before
    items = {jid: item for jid, item in before.items.items() if jid != contact}
    with db.change():
        db.write(_DELETE_ITEM, account, contact)
        return _remember(db, account, items, before.size - before.items[contact].size)


def version(db: Database, account: str) -> str:
    """The version of an account's roster, without reading the roster."""
    known = db.memory[ROSTERS].get(account)
    if known is not None:
        return known.version
    row = db.row(_FIND_VERSION, account)
    return row[0] if row else NEVER_CHANGED


class Released(NamedTuple):
    """What others had with a contact that is gone: their items before, and the new version of all their rosters."""

    items: Mapping[JID, Item]
    version: str


def release(db: Database, contact: JID, is_wanted: Callable[[str], bool]) -> Released:
    """Removes from all rosters what others have with a contact that is gone: subscriptions, requests for them,
    approvals. The contact stays in their rosters, with subscription "none".

    Returns their items as they were, only for accounts for which `is_wanted` is true: there may be thousands of others.
    """
    found, version = db.rows(_FIND_BOUND, contact), _new_version()
    with db.change():
        db.write(_PUT_VERSION_OF_BOUND, version, contact)
        db.write(_RELEASE, contact)
    for account, *_ in found:
        db.memory[ROSTERS].forget(account)
    return Released({JID.parse(account): _item(*row) for account, *row in found if is_wanted(account)}, version)


def _new_version() -> str:
    """Random, so that no version comes again, not even for a later account of the same name."""
    return token_hex(8)


def _remember(db: Database, account: str, items: dict[JID, Item], size: int) -> Roster:
    """Gives the roster a new version, and remembers it."""
    version = _new_version()
    db.write(_PUT_VERSION, account, version)
    return db.memory[ROSTERS].put(account, Roster(items, version, size))


def _read(db: Database, account: str) -> Roster:
    items = [_item(*row) for row in db.rows(_FIND_ITEMS, account)]
    row = db.row(_FIND_VERSION, account)
    size = sum(item.size for item in items)
    return Roster({item.contact: item for item in items}, row[0] if row else NEVER_CHANGED, size)


def _item(contact: str, name: str, groups: str, subscription: str, ask: int, approved: int) -> Item:
    return Item(JID.parse(contact), name, tuple(json.loads(groups)), subscription, bool(ask), bool(approved))
