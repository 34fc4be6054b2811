"""Tokens by which clients log in without the password (XEP-0484): two for each client, one in use and one that it may
not have got yet. What is kept is the salt that a token is worked out from together with a secret of the server's.

Clients are named by what `handlers/login/clients.py` makes of the id that they give themselves.
"""

from typing import NamedTuple

from peewee import SQL, BlobField, CompositeKey, FloatField, IntegerField, Model, TextField, fn

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

CURRENT, NEW = 0, 1
UNCOUNTED = -1
"""What has been counted of a token that was not used with a count yet."""


class FastToken(Model):
    account = TextField()
    client = TextField()
    slot = IntegerField()
    salt = BlobField()
    issued = FloatField()
    expires = FloatField()
    count = IntegerField()

    class Meta:
        table_name = "fast_token"
        primary_key = CompositeKey("account", "client", "slot")


_T = FastToken
_OF_CLIENT = (_T.account == ANY) & (_T.client == ANY)
_FIND = Prepared(
    _T.select(_T.slot, _T.salt, _T.issued, _T.expires, _T.count).where(_OF_CLIENT).order_by(_T.slot.desc())
)
_PUT = Prepared(_T.replace(account=ANY, client=ANY, slot=ANY, salt=ANY, issued=ANY, expires=ANY, count=ANY))
_PUT_COUNT = Prepared(_T.update(count=ANY).where(_OF_CLIENT & (_T.slot == ANY)))
_DELETE_SLOT = Prepared(_T.delete().where(_OF_CLIENT & (_T.slot == ANY)))
_MOVE = Prepared(_T.update(slot=SQL(str(CURRENT))).where(_OF_CLIENT & (_T.slot == ANY)))
_DELETE = Prepared(_T.delete().where(_OF_CLIENT))
_DELETE_ALL = Prepared(_T.delete().where(_T.account == ANY))
_LATEST = (
    _T.select(_T.client).where(_T.account == ANY).group_by(_T.client).order_by(fn.MAX(_T.issued).desc()).limit(ANY)
)
_DELETE_OLDER = Prepared(_T.delete().where((_T.account == ANY) & _T.client.not_in(_LATEST)))
_CLIENTS = Prepared(_T.select(_T.client).where((_T.account == ANY) & (_T.expires > ANY)).distinct())
_EXPIRED = Prepared(
    _T.select(_T.account, _T.client, _T.slot).where(_T.expires <= ANY).order_by(_T.expires).limit(ANY)
)


class Token(NamedTuple):
    """What is kept of a token. Times are in seconds since 1970. `counted`: the highest count that it was used
    with."""

    slot: int
    salt: bytes
    issued: float
    expires: float
    counted: int = UNCOUNTED


def tokens(db: Database, account: str, client: str) -> list[Token]:
    """Those of a client, the new one first; also those that have expired."""
    return [Token(*row) for row in db.rows(_FIND, account, client)]


def give(db: Database, account: str, client: str, token: Token, most: int) -> None:
    """Keeps a token that a client is given, in place of one that it has not used yet. Of more than so many clients of
    the account, those lose theirs who were given one longest ago."""
    with db.change():
        db.write(_PUT, account, client, *token)
        db.write(_DELETE_OLDER, account, account, most)


def use(db: Database, account: str, client: str, token: Token, count: int | None) -> None:
    """Notes that a client has used this token, with this count if it has given one: an older one is void from now
    on."""
    with db.change():
        if token.slot == NEW:
            db.write(_DELETE_SLOT, account, client, CURRENT)
            db.write(_MOVE, account, client, NEW)
        if count is not None:
            db.write(_PUT_COUNT, count, account, client, CURRENT)


def remove(db: Database, account: str, client: str) -> None:
    """Makes the tokens of a client void."""
    db.write(_DELETE, account, client)


def remove_all(db: Database, account: str) -> None:
    """Makes the tokens of all clients of an account void."""
    db.write(_DELETE_ALL, account)


def clients(db: Database, account: str, now: float) -> set[str]:
    """The clients of an account with a token that is good now."""
    return {client for (client,) in db.rows(_CLIENTS, account, now)}


def delete_expired(db: Database, before: float, most: int) -> int:
    """Deletes so many tokens that have expired by then; returns how many there were."""
    found = db.rows(_EXPIRED, before, most)
    db.write_many(_DELETE_SLOT, found)
    return len(found)
