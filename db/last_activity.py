"""When an account was last seen, and what it said then (XEP-0012)."""

from typing import NamedTuple

from peewee import FloatField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared


class AccountActivity(Model):
    account = TextField(primary_key=True)
    at = FloatField()
    status = TextField()

    class Meta:
        table_name = "last_activity"


_FIND = Prepared(
    AccountActivity.select(AccountActivity.at, AccountActivity.status).where(AccountActivity.account == ANY)
)
_PUT = Prepared(AccountActivity.replace(account=ANY, at=ANY, status=ANY))


class LastActivity(NamedTuple):
    """The time of an account's last unavailable presence, in seconds since 1970, and its status text, or ""."""

    at: float
    status: str


def get(db: Database, account: str) -> LastActivity | None:
    """An account's last activity; None if it was never online."""
    row = db.row(_FIND, account)
    return LastActivity(*row) if row else None


def put(db: Database, account: str, at: float, status: str = "") -> None:
    """Notes that the account became unavailable."""
    db.write(_PUT, account, at, status)
