"""Accounts and their credentials: salted keys for SCRAM (RFC 5802), never a password.

A name can pass to somebody else: an account is removed, and another one made. So each account has an identity of its
own. Whatever lasts longer than a turn keeps the identity, and checks later that it still is the same account.
"""

from collections.abc import Iterable, Iterator, Mapping
from secrets import token_hex
from typing import NamedTuple

from peewee import BlobField, CompositeKey, FloatField, IntegerField, Model, TextField, fn

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.confusables import look
from xmpp.data.jid import JID

IDENTITY_BYTES = 8  # of randomness, so that no two are the same
PAGE = 200  # accounts that are read at a time
AFTER_ALL = "\U0010ffff"
"""After every address."""

IDENTITIES = Remembered[str](bound=100_000)
STRANGERS = Remembered[bool](bound=10_000)
"""Addresses without an account. Apart from IDENTITIES, so that made-up addresses push no account out of that."""


class Account(Model):
    jid = TextField(primary_key=True)
    domain = TextField()
    created = FloatField()
    identity = TextField()
    looks_like = TextField()

    class Meta:
        table_name = "account"


class AccountCredential(Model):
    account = TextField()
    hash = TextField()
    salt = BlobField()
    iterations = IntegerField()
    stored_key = BlobField()
    server_key = BlobField()

    class Meta:
        table_name = "credential"
        primary_key = CompositeKey("account", "hash")


_FIND = Prepared(Account.select(Account.identity).where(Account.jid == ANY))
_FIND_CREATED = Prepared(Account.select(Account.created).where(Account.jid == ANY))
_COUNT = Prepared(Account.select(fn.COUNT(Account.jid)))
_COUNT_DOMAIN = Prepared(Account.select(fn.COUNT(Account.jid)).where(Account.domain == ANY))
_LIST = Prepared(Account.select(Account.jid, Account.created).order_by(Account.domain, Account.jid))
_LIST_DOMAIN = Prepared(Account.select(Account.jid, Account.created).where(Account.domain == ANY).order_by(Account.jid))
_IN_ORDER = Prepared(
    Account.select(Account.jid, Account.created, Account.domain)
    .where((Account.domain > ANY) | ((Account.domain == ANY) & (Account.jid > ANY)))
    .order_by(Account.domain, Account.jid)
    .limit(ANY)
)
_IN_ORDER_AT = Prepared(
    Account.select(Account.jid, Account.created)
    .where((Account.domain == ANY) & (Account.jid > ANY))
    .order_by(Account.jid)
    .limit(ANY)
)
_INSERT = Prepared(Account.insert(jid=ANY, domain=ANY, created=ANY, identity=ANY, looks_like=ANY))
_FIND_DOUBLE = Prepared(
    Account.select(Account.jid)
    .where((Account.looks_like == ANY) & (Account.domain == ANY) & (Account.jid != ANY))
    .limit(ANY)
)
_DELETE = Prepared(Account.delete().where(Account.jid == ANY))
_FIND_CREDENTIAL = Prepared(
    AccountCredential.select(
        AccountCredential.salt,
        AccountCredential.iterations,
        AccountCredential.stored_key,
        AccountCredential.server_key,
    ).where((AccountCredential.account == ANY) & (AccountCredential.hash == ANY))
)
_FIND_HASHES = Prepared(AccountCredential.select(AccountCredential.hash).where(AccountCredential.account == ANY))
_INSERT_CREDENTIAL = Prepared(
    AccountCredential.insert(account=ANY, hash=ANY, salt=ANY, iterations=ANY, stored_key=ANY, server_key=ANY)
)
_DELETE_CREDENTIALS = Prepared(AccountCredential.delete().where(AccountCredential.account == ANY))


class Credential(NamedTuple):
    """What the server keeps to check a SCRAM proof with one hash function (RFC 5802 section 3)."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


Credentials = Mapping[str, Credential]
"""By the name of the hash function: sha-1, sha-256, sha-512."""


class AccountExists(Exception):
    """There is an account of that address already; nothing was changed."""

    def __init__(self, account: str) -> None:
        super().__init__(f"{account} exists")
        self.account = account


def identity(db: Database, account: str) -> str | None:
    """The identity of the account that has this bare address now, or None. Remembered, so it seldom costs a query."""
    known = db.memory[IDENTITIES].get(account)
    if known is not None:
        return known
    if db.memory[STRANGERS].get(account):
        return None
    row = db.row(_FIND, account)
    if row is None:
        db.memory[STRANGERS].put(account, True)
        return None
    return db.memory[IDENTITIES].put(account, row[0])


def exists(db: Database, account: str) -> bool:
    """True if there is an account of this bare address."""
    return identity(db, account) is not None


def has_double(db: Database, account: JID) -> bool:
    """True if there is another account of its domain whose name people would take for this one (UTS #39)."""
    return db.row(_FIND_DOUBLE, look(account.local or ""), account.domain, account, 1) is not None


def since(db: Database, account: str) -> float:
    """When the account of this address was made, in seconds since 1970, to the millisecond; 0.0 if there is none here.

    What was written under this address before that is somebody else's.
    """
    row = db.row(_FIND_CREATED, account)
    return int(row[0] * 1000) / 1000 if row else 0.0


def create(db: Database, account: str, credentials: Credentials, created: float) -> None:
    """Adds an account. Raises AccountExists."""
    create_many(db, [(account, credentials)], created)


def create_many(db: Database, accounts: Iterable[tuple[str, Credentials]], created: float) -> None:
    """Adds all of these accounts. Raises AccountExists, and adds none, if one is there already or is given twice."""
    given = dict[str, Credentials]()
    for account, credentials in accounts:
        if account in given or exists(db, account):
            raise AccountExists(account)
        given[account] = credentials
    identities = {account: token_hex(IDENTITY_BYTES) for account in given}
    addresses = {account: JID.parse(account) for account in given}
    rows = [
        (account, address.domain, created, identities[account], look(address.local or ""))
        for account, address in addresses.items()
    ]
    with db.change():
        db.write_many(_INSERT, rows)
        db.write_many(_INSERT_CREDENTIAL, (row for entry in given.items() for row in _credential_rows(*entry)))
    for account, identity in identities.items():
        db.memory[STRANGERS].forget(account)
        db.memory[IDENTITIES].put(account, identity)


def count(db: Database, domain: str = "") -> int:
    """How many accounts there are at a domain, or in all. Reads all of them."""
    return int((db.rows(_COUNT_DOMAIN, domain) if domain else db.rows(_COUNT))[0][0])


def credential(db: Database, account: str, hash: str) -> Credential | None:
    """What to check a password with; None if there is no such account, or no key of that hash function."""
    row = db.row(_FIND_CREDENTIAL, account, hash)
    return Credential(*row) if row else None


def hashes(db: Database, account: str) -> frozenset[str]:
    """The hash functions that there are keys of: all of them, unless the account came from another server."""
    return frozenset(hash for (hash,) in db.rows(_FIND_HASHES, account))


def add_credentials(db: Database, account: str, credentials: Credentials) -> None:
    """Adds keys of the same password, for hash functions that it has none of."""
    known = hashes(db, account)
    missing = {hash: credential for hash, credential in credentials.items() if hash not in known}
    db.write_many(_INSERT_CREDENTIAL, _credential_rows(account, missing))


def set_credentials(db: Database, account: str, credentials: Credentials) -> None:
    """Replaces all credentials: a new password."""
    with db.change():
        db.write(_DELETE_CREDENTIALS, account)
        db.write_many(_INSERT_CREDENTIAL, _credential_rows(account, credentials))


def remove(db: Database, account: str) -> None:
    """Removes an account and everything it keeps (the schema cascades)."""
    db.write(_DELETE, account)
    db.memory.forget(account)


def listing(db: Database, domain: str | None = None) -> list[tuple[JID, float]]:
    """The accounts of a domain, or of all, in order, with the time each was created."""
    rows = db.rows(_LIST) if domain is None else db.rows(_LIST_DOMAIN, domain)
    return [(JID.parse(jid), created) for jid, created in rows]


def in_order(db: Database, after: JID | None = None, *, domain: str = "") -> Iterator[tuple[JID, float]]:
    """All accounts in the order of `listing`, or those at one domain, read PAGE at a time, for callers that need
    several turns for them.

    `after`: only those that come after this one, which need not be there any more.
    """
    at, jid = (after.domain, str(after)) if after else (domain, "")
    if domain:
        jid = jid if at == domain else "" if at < domain else AFTER_ALL
        while found := db.rows(_IN_ORDER_AT, domain, jid, PAGE):
            yield from ((JID.parse(account), created) for account, created in found)
            jid, _ = found[-1]
        return
    while found := db.rows(_IN_ORDER, at, at, jid, PAGE):
        yield from ((JID.parse(account), created) for account, created, _ in found)
        jid, _, at = found[-1]


def _credential_rows(account: str, credentials: Credentials) -> Iterator[tuple[object, ...]]:
    return ((account, hash, *credential) for hash, credential in credentials.items())
