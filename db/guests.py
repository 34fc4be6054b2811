"""Accounts of guests: nobody has their password, and they are not to outlive their session. Kept with the account, and
gone with it."""

from peewee import Model, TextField

from db import accounts
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class Guest(Model):
    account = TextField(primary_key=True)

    class Meta:
        table_name = "guest"


_INSERT = Prepared(Guest.insert(account=ANY))
_LIST = Prepared(Guest.select(Guest.account).order_by(Guest.account).limit(ANY))


def create(db: Database, account: str, created: float) -> str:
    """Adds an account that nobody can log in to, and returns its identity. Raises accounts.AccountExists."""
    with db.change():
        accounts.create(db, account, {}, created)
        mark(db, account)
    identity = accounts.identity(db, account)
    assert identity is not None
    return identity


def mark(db: Database, account: str) -> None:
    """Says of an account that it is a guest's."""
    db.write(_INSERT, account)


def listing(db: Database, most: int) -> list[JID]:
    """So many of them, by address."""
    return [JID.parse(account) for (account,) in db.rows(_LIST, most)]
