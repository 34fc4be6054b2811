"""Groups: people of one domain who are each other's contacts, and may have a room.

A new member is connected with each of the others, bit by bit; until that is done, `is_connected` is false.
"""

from typing import NamedTuple

from peewee import SQL, AutoField, CompositeKey, FloatField, IntegerField, Model, TextField, fn

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class ContactGroup(Model):
    id = AutoField()
    domain = TextField()
    name = TextField()
    room = TextField()
    created = FloatField()

    class Meta:
        table_name = "contact_group"


class ContactGroupMember(Model):
    group_id = IntegerField()
    account = TextField()
    is_connected = IntegerField()

    class Meta:
        table_name = "contact_group_member"
        primary_key = CompositeKey("group_id", "account")


class Group(NamedTuple):
    """`name` is what its members have in their rosters; `room` the address of its room, "" if it has none."""

    id: int
    domain: str
    name: str
    room: str
    created: float


class GroupExists(Exception):
    """There is a group of that name at that domain already; nothing was changed."""


_G, _M = ContactGroup, ContactGroupMember
_ALL = (_G.id, _G.domain, _G.name, _G.room, _G.created)
_INSERT = Prepared(_G.insert(domain=ANY, name=ANY, room=ANY, created=ANY))
_FIND = Prepared(_G.select(*_ALL).where((_G.domain == ANY) & (_G.name == ANY)))
_GET = Prepared(_G.select(*_ALL).where(_G.id == ANY))
_NEXT = Prepared(_G.select(*_ALL).where(_G.id > ANY).order_by(_G.id).limit(ANY))
_COUNT = Prepared(_G.select(fn.COUNT(_G.id)))
_SET_ROOM = Prepared(_G.update(room=ANY).where(_G.id == ANY))
_DELETE = Prepared(_G.delete().where(_G.id == ANY))
_ADD = Prepared(_M.insert(group_id=ANY, account=ANY, is_connected=SQL("0")).on_conflict_ignore())
_REMOVE = Prepared(_M.delete().where((_M.group_id == ANY) & (_M.account == ANY)))
_MEMBERS = Prepared(_M.select(_M.account).where(_M.group_id == ANY).order_by(_M.account))
_IS_MEMBER = Prepared(_M.select(_M.account).where((_M.group_id == ANY) & (_M.account == ANY)))
_COUNT_MEMBERS = Prepared(_M.select(fn.COUNT(_M.account)).where(_M.group_id == ANY))
_UNCONNECTED = Prepared(
    _M.select(_M.group_id, _M.account).where(_M.is_connected == SQL("0")).order_by(_M.group_id, _M.account)
)
_CONNECTED = Prepared(_M.update(is_connected=SQL("1")).where((_M.group_id == ANY) & (_M.account == ANY)))
_GROUPS_OF = Prepared(
    _G.select(*_ALL).join(_M, on=(_M.group_id == _G.id)).where(_M.account == ANY).order_by(_G.id)
)  # fmt: skip


def create(db: Database, domain: str, name: str, room: str, created: float) -> Group:
    """Makes a group without members. Raises GroupExists."""
    if find(db, domain, name) is not None:
        raise GroupExists(name)
    db.write(_INSERT, domain, name, room, created)
    found = find(db, domain, name)
    assert found is not None
    return found


def find(db: Database, domain: str, name: str) -> Group | None:
    """The group of this name at this domain; None if there is none."""
    row = db.row(_FIND, domain, name)
    return Group(*row) if row else None


def get(db: Database, id: int) -> Group | None:
    """The group of this id; None if there is none."""
    row = db.row(_GET, id)
    return Group(*row) if row else None


def after(db: Database, id: int, most: int) -> list[Group]:
    """So many groups that were made after the one of this id, the oldest first; 0 for the first of all."""
    return [Group(*row) for row in db.rows(_NEXT, id, most)]


def count(db: Database) -> int:
    """How many groups there are."""
    return int(db.rows(_COUNT)[0][0])


def set_room(db: Database, id: int, room: str) -> None:
    """Gives a group this room; "" for none."""
    db.write(_SET_ROOM, room, id)


def remove(db: Database, id: int) -> None:
    """Removes a group, and the invitations that lead into it."""
    db.write(_DELETE, id)


def add(db: Database, id: int, account: str) -> bool:
    """Makes an account a member that is to be connected with the others; returns False if it was a member already."""
    return db.write(_ADD, id, account) > 0


def note_connected(db: Database, id: int, account: str) -> None:
    """Says that a member is connected with all others."""
    db.write(_CONNECTED, id, account)


def unconnected(db: Database) -> list[tuple[int, JID]]:
    """The members of all groups that are not connected with the others yet."""
    return [(id, JID.parse(account)) for id, account in db.rows(_UNCONNECTED)]


def drop(db: Database, id: int, account: str) -> bool:
    """Takes an account out of a group; returns whether it was a member."""
    return db.write(_REMOVE, id, account) > 0


def is_member(db: Database, id: int, account: str) -> bool:
    """True if an account is in a group."""
    return db.row(_IS_MEMBER, id, account) is not None


def members(db: Database, id: int) -> list[JID]:
    """The accounts of a group, in order."""
    return [JID.parse(account) for (account,) in db.rows(_MEMBERS, id)]


def size(db: Database, id: int) -> int:
    """How many members a group has."""
    return int(db.rows(_COUNT_MEMBERS, id)[0][0])


def of(db: Database, account: str) -> list[Group]:
    """The groups that an account is a member of."""
    return [Group(*row) for row in db.rows(_GROUPS_OF, account)]
