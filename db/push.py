"""Where an account's devices have enabled push notifications (XEP-0357): once for each app server and node."""

from typing import NamedTuple

from peewee import BlobField, CompositeKey, Model, TextField

from db.rooms import BELONGS, RoomAffiliation
from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class Registration(NamedTuple):
    """A node at an app server, and the resource that enabled it. `options`: its publish-options form, or b""."""

    service: JID
    node: str
    resource: str
    options: bytes = b""


def _weight(registrations: tuple[Registration, ...]) -> int:
    """About how many bytes they take."""
    return 100 + sum(400 + len(each.node) + len(each.options) for each in registrations)


REGISTRATIONS = Remembered[tuple[Registration, ...]](bound=50_000_000, weigh=_weight)


class PushRegistration(Model):
    account = TextField()
    service = TextField()
    node = TextField()
    resource = TextField()
    options = BlobField()

    class Meta:
        table_name = "push_registration"
        primary_key = CompositeKey("account", "service", "node")


_FIND = Prepared(
    PushRegistration.select(
        PushRegistration.service, PushRegistration.node, PushRegistration.resource, PushRegistration.options
    )
    .where(PushRegistration.account == ANY)
    .order_by(PushRegistration.service, PushRegistration.node)
)
_IN_ROOM = Prepared(
    RoomAffiliation.select(RoomAffiliation.jid)
    .join(PushRegistration, on=PushRegistration.account == RoomAffiliation.jid)
    .where(RoomAffiliation.room == ANY, BELONGS)
    .distinct()
)
_PUT = Prepared(PushRegistration.replace(account=ANY, service=ANY, node=ANY, resource=ANY, options=ANY))
_DELETE = Prepared(
    PushRegistration.delete().where(
        (PushRegistration.account == ANY) & (PushRegistration.service == ANY) & (PushRegistration.node == ANY)
    )
)
_OF_SERVICE = (PushRegistration.service == ANY) | ((PushRegistration.service > ANY) & (PushRegistration.service < ANY))
_FIND_OF_SERVICE = Prepared(PushRegistration.select(PushRegistration.account).where(_OF_SERVICE).distinct())
_DELETE_OF_SERVICE = Prepared(PushRegistration.delete().where(_OF_SERVICE))


def registrations(db: Database, account: str) -> tuple[Registration, ...]:
    """All of an account's registrations, in the order of app servers and nodes."""
    known = db.memory[REGISTRATIONS].get(account)
    if known is not None:
        return known
    found = [Registration(JID.parse(service), *others) for service, *others in db.rows(_FIND, account)]
    return db.memory[REGISTRATIONS].put(account, tuple(found))


def those_of_room(db: Database, room: int) -> set[str]:
    """The accounts that are members of a room, or more, and have enabled push."""
    return {account for (account,) in db.rows(_IN_ROOM, room)}


def put(db: Database, account: str, registration: Registration) -> None:
    """Adds a registration, in place of an earlier one of that node. The caller limits their number."""
    service, node, resource, options = registration
    others = [each for each in registrations(db, account) if each[:2] != (service, node)]
    db.write(_PUT, account, service, node, resource, options)
    db.memory[REGISTRATIONS].put(account, tuple(sorted([*others, registration])))


def remove(db: Database, account: str, service: JID, node: str | None = None) -> None:
    """Removes an account's registration of a node, or, if `node` is None, all those at that app server."""
    listed = registrations(db, account)
    gone = [each for each in listed if each.service == service and node in (None, each.node)]
    if gone:
        db.write_many(_DELETE, ((account, each.service, each.node) for each in gone))
        db.memory[REGISTRATIONS].put(account, tuple(each for each in listed if each not in gone))


def forget_service(db: Database, service: JID) -> None:
    """Removes the registrations of all accounts at this bare address and its resources."""
    addresses = (service, f"{service}/", f"{service}0")  # in the order of text, "0" comes right after "/"
    accounts = db.rows(_FIND_OF_SERVICE, *addresses)
    if accounts:
        db.write(_DELETE_OF_SERVICE, *addresses)
    for (account,) in accounts:
        db.memory[REGISTRATIONS].forget(account)
