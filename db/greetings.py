"""What a domain says to each of its accounts once: the message of the day, and a welcome to new ones."""

from collections.abc import Mapping
from typing import NamedTuple

from peewee import CompositeKey, FloatField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared


class Greeting(NamedTuple):
    """A text; `id` is that of what is said anew, and stays if the text is only mended. `since`: in seconds since 1970.
    """

    id: str
    text: str
    since: float


GREETINGS = Remembered[Mapping[str, Greeting]](bound=1_000)


class DomainGreeting(Model):
    domain = TextField()
    kind = TextField()
    id = TextField()
    text = TextField()
    since = FloatField()

    class Meta:
        table_name = "greeting"
        primary_key = CompositeKey("domain", "kind")


class GreetingTold(Model):
    account = TextField()
    kind = TextField()
    id = TextField()

    class Meta:
        table_name = "greeting_told"
        primary_key = CompositeKey("account", "kind")


_G, _T = DomainGreeting, GreetingTold
_FIND = Prepared(_G.select(_G.kind, _G.id, _G.text, _G.since).where(_G.domain == ANY))
_PUT = Prepared(_G.replace(domain=ANY, kind=ANY, id=ANY, text=ANY, since=ANY))
_DELETE = Prepared(_G.delete().where((_G.domain == ANY) & (_G.kind == ANY)))
_FIND_TOLD = Prepared(_T.select(_T.kind, _T.id).where(_T.account == ANY))
_NOTE_TOLD = Prepared(_T.replace(account=ANY, kind=ANY, id=ANY))


def of_domain(db: Database, domain: str) -> Mapping[str, Greeting]:
    """What a domain says, by kind. Remembered, so that it costs no query where a domain says nothing."""
    known = db.memory[GREETINGS].get(domain)
    if known is None:
        found = {kind: Greeting(*rest) for kind, *rest in db.rows(_FIND, domain)}
        known = db.memory[GREETINGS].put(domain, found)
    return known


def put(db: Database, domain: str, kind: str, greeting: Greeting) -> None:
    """Has a domain say this, in place of what it said before."""
    db.write(_PUT, domain, kind, *greeting)
    db.memory[GREETINGS].forget(domain)


def remove(db: Database, domain: str, kind: str) -> None:
    """Has a domain say nothing of this kind."""
    db.write(_DELETE, domain, kind)
    db.memory[GREETINGS].forget(domain)


def told(db: Database, account: str) -> Mapping[str, str]:
    """The ids of what an account was told last, by kind."""
    return dict(db.rows(_FIND_TOLD, account))


def note_told(db: Database, account: str, kind: str, id: str) -> None:
    """Notes that an account was told this."""
    db.write(_NOTE_TOLD, account, kind, id)
