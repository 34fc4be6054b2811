"""The directory (XEP-0055): what accounts can be found by, read from their vCards when somebody searches."""

from typing import NamedTuple

from peewee import JOIN, SQL, Model, TextField, fn

from db.accounts import Account
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from db.vcards import VCard
from xmpp.data.jid import JID


class Names(NamedTuple):
    """Names of an account, or what to look for in them: given and family name, nickname and e-mail address, each folded
    by `str.casefold`. Several of a kind stand on lines of their own."""

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
    # Not LIKE, in which some characters have a meaning of their own
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
    """At most so many accounts whose vCard has no entry in the directory yet, with the vCard; b"" means no vCard."""
    return db.rows(_UNREAD, count)


def enter(db: Database, account: str, names: Names) -> None:
    """Stores what an account can be found by, in place of what was stored before."""
    db.write(_ENTER, account, *names)


def find(db: Database, domain: str, wanted: Names, count: int) -> list[JID]:
    """At most so many accounts of a domain, in order, whose names contain all that is wanted. The localpart of the
    address counts as a nickname. Yields; raises SearchTooLong."""
    return [JID.parse(jid) for (jid,) in db.search(_FIND, domain, *wanted, count)]
