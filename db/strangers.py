"""Strangers: whom an account has written to without having them as contacts, and whether it wants to hear of others."""

from peewee import CompositeKey, FloatField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

MOST = 1_000
"""How many an account has written to are remembered: the last ones."""


class Acquaintance(Model):
    account = TextField()
    contact = TextField()
    at = FloatField()

    class Meta:
        table_name = "acquaintance"
        primary_key = CompositeKey("account", "contact")


class StrangerRule(Model):
    account = TextField(primary_key=True)
    rule = TextField()

    class Meta:
        table_name = "stranger_rule"


_FIND = Prepared(
    Acquaintance.select(Acquaintance.at).where((Acquaintance.account == ANY) & (Acquaintance.contact == ANY))
)
_PUT = Prepared(Acquaintance.replace(account=ANY, contact=ANY, at=ANY))
_LAST = (
    Acquaintance.select(Acquaintance.contact)
    .where(Acquaintance.account == ANY)
    .order_by(Acquaintance.at.desc())
    .limit(ANY)
)
_TRIM = Prepared(Acquaintance.delete().where((Acquaintance.account == ANY) & Acquaintance.contact.not_in(_LAST)))
_FIND_RULE = Prepared(StrangerRule.select(StrangerRule.rule).where(StrangerRule.account == ANY))
_PUT_RULE = Prepared(StrangerRule.replace(account=ANY, rule=ANY))
_DELETE_RULE = Prepared(StrangerRule.delete().where(StrangerRule.account == ANY))

WRITTEN_TO = Remembered[frozenset[JID]](bound=200_000, weigh=lambda contacts: 1 + len(contacts))
"""By account, those that are known to be in the table; there may be more."""
RULES = Remembered[str](bound=100_000)


def note_written(db: Database, account: JID, contact: JID, at: float) -> None:
    """Remembers that an account has written to this address."""
    known = db.memory[WRITTEN_TO].get(account) or frozenset()
    if contact in known:
        return
    with db.change():
        db.write(_PUT, account, contact, at)
        db.write(_TRIM, account, account, MOST)
    db.memory[WRITTEN_TO].put(account, (known if len(known) < MOST else frozenset()) | {contact})


def has_written(db: Database, account: JID, contact: JID) -> bool:
    """True if the account has written to this address. Reads one row."""
    known = db.memory[WRITTEN_TO].get(account)
    return (known is not None and contact in known) or db.row(_FIND, account, contact) is not None


def rule(db: Database, account: JID) -> str:
    """What the account has said of strangers; "" if nothing. Remembered, for accounts that do not exist, too."""
    known = db.memory[RULES].get(account)
    if known is None:
        row = db.row(_FIND_RULE, account)
        known = db.memory[RULES].put(account, row[0] if row else "")
    return known


def set_rule(db: Database, account: JID, rule: str) -> None:
    """Keeps what the account says of strangers; "" for nothing."""
    if rule:
        db.write(_PUT_RULE, account, rule)
    else:
        db.write(_DELETE_RULE, account)
    db.memory[RULES].put(account, rule)
