"""The directory (XEP-0055): what accounts can be found by, read from their vCards when somebody searches."""

from typing import NamedTuple

from peewee import JOIN, SQL, Model, TextField, fn

from db.accounts import Account
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from db.vcards import VCard
from xmpp.data.jid import JID


class Names(NamedTuple):
    """What is looked for, or looked through: by given name, family name, nickname and e-mail address, each folded by
    `str.casefold`. Several in one stand on lines of their own."""

    given: str = ""
    family: str = ""
    nick: str = ""
    email: str = ""


class DirectoryEntry(Model):
    account = TextField(primary_key=True)
    given = TextField()
    family = TextField()
    nick = TextField()
    email = TextField()

    class Meta:
        table_name = "directory_entry"


_E = DirectoryEntry
_UNREAD = Prepared(
    VCard.select(VCard.account, VCard.xml)
    .join(_E, JOIN.LEFT_OUTER, on=(_E.account == VCard.account))
    .where(_E.account.is_null())
    .limit(ANY)
)
_ENTER = Prepared(_E.replace(account=ANY, given=ANY, family=ANY, nick=ANY, email=ANY))
_LOCALPART = fn.SUBSTR(Account.jid, SQL("1"), fn.LENGTH(Account.jid) - fn.LENGTH(Account.domain) - SQL("1"))
_NOTHING, _LINE = SQL("''"), SQL("char(10)")


def _contains(text: object) -> object:
    # Not LIKE: what is looked for has no characters that mean something else
    return fn.INSTR(fn.COALESCE(text, _NOTHING), ANY) > SQL("0")


_FIND = Prepared(
    Account.select(Account.jid)
    .join(_E, JOIN.LEFT_OUTER, on=(_E.account == Account.jid))
    .where(
        (Account.domain == ANY)
        & _contains(_E.given)
        & _contains(_E.family)
        & _contains(_LOCALPART.concat(_LINE).concat(fn.COALESCE(_E.nick, _NOTHING)))
        & _contains(_E.email)
    )
    .order_by(Account.jid)
    .limit(ANY)
)


def unread(db: Database, count: int) -> list[tuple[str, bytes]]:
    """So many accounts whose vCard has no entry in the directory yet, with the vCard; b"" is none."""
    return db.rows(_UNREAD, count)


def enter(db: Database, account: str, names: Names) -> None:
    """Writes down what somebody can be found by."""
    db.write(_ENTER, account, *names)


def find(db: Database, domain: str, wanted: Names, count: int) -> list[JID]:
    """So many accounts of a domain that have all that is wanted within what they can be found by, in order. The
    nickname may be the localpart of the address, too. Yields; raises SearchTooLong."""
    return [JID.parse(jid) for (jid,) in db.search(_FIND, domain, *wanted, count)]
