"""The roles of accounts. A role goes with the account: whoever has its name later has none."""

from peewee import Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

NO_ROLE = ""
ROLES = Remembered[str](bound=100_000)


class AccountRole(Model):
    account = TextField(primary_key=True)
    role = TextField()

    class Meta:
        table_name = "account_role"


_FIND = Prepared(AccountRole.select(AccountRole.role).where(AccountRole.account == ANY))
_PUT = Prepared(AccountRole.replace(account=ANY, role=ANY))
_DELETE = Prepared(AccountRole.delete().where(AccountRole.account == ANY))
_LIST = Prepared(AccountRole.select(AccountRole.account).where(AccountRole.role == ANY).order_by(AccountRole.account))


def role(db: Database, account: str) -> str | None:
    """The role of an account; None if it has none. Remembered: it is asked for with each stanza to another server."""
    known = db.memory[ROLES].get(account)
    if known is None:
        row = db.row(_FIND, account)
        known = db.memory[ROLES].put(account, row[0] if row else NO_ROLE)
    return known or None


def give(db: Database, account: str, role: str | None) -> None:
    """Gives an account this role in place of another; None takes it away."""
    if role is None:
        db.write(_DELETE, account)
    else:
        db.write(_PUT, account, role)
    db.memory[ROLES].forget(account)


def holders(db: Database, role: str) -> list[JID]:
    """The accounts that have this role, in order."""
    return [JID.parse(account) for (account,) in db.rows(_LIST, role)]
