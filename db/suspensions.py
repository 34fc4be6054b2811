"""Accounts that nobody can log in to: disabled ones, and those that are to be removed at some time.

What they keep stays, and so does their name.
"""

from typing import NamedTuple

from peewee import FloatField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class AccountSuspension(Model):
    account = TextField(primary_key=True)
    disabled_at = FloatField(null=True)
    remove_at = FloatField(null=True)

    class Meta:
        table_name = "account_suspension"


class Suspension(NamedTuple):
    """Since when an account is disabled, and when it is to be removed, in seconds since 1970; None for what it is not.
    """

    disabled_at: float | None = None
    remove_at: float | None = None


_S = AccountSuspension
_FIND = Prepared(_S.select(_S.disabled_at, _S.remove_at).where(_S.account == ANY))
_PUT = Prepared(_S.replace(account=ANY, disabled_at=ANY, remove_at=ANY))
_DELETE = Prepared(_S.delete().where(_S.account == ANY))
_LIST = Prepared(_S.select(_S.account, _S.disabled_at, _S.remove_at).order_by(_S.account))
_DUE = Prepared(_S.select(_S.account).where(_S.remove_at <= ANY).order_by(_S.remove_at).limit(ANY))


def suspension(db: Database, account: str) -> Suspension | None:
    """Why nobody can log in to this account; None if its owner can."""
    row = db.row(_FIND, account)
    return Suspension(*row) if row else None


def put(db: Database, account: str, suspension: Suspension) -> None:
    """Keeps this in place of what was; with neither time, the account's owner can log in again."""
    if suspension == Suspension():
        db.write(_DELETE, account)
    else:
        db.write(_PUT, account, *suspension)


def due(db: Database, now: float, most: int) -> list[JID]:
    """So many accounts that are to be removed by now, the one that was to go first."""
    return [JID.parse(account) for (account,) in db.rows(_DUE, now, most)]


def listing(db: Database) -> list[tuple[JID, Suspension]]:
    """All of them, by address."""
    return [(JID.parse(account), Suspension(*rest)) for account, *rest in db.rows(_LIST)]
