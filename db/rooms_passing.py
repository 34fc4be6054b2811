"""Rooms that do not stay when nobody is in them (XEP-0045 section 4.2), and those that nobody has configured yet."""

from typing import NamedTuple

from peewee import BooleanField, IntegerField, Model

from db.rooms import Room
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class RoomPassing(Model):
    room = IntegerField(primary_key=True)
    is_locked = BooleanField()

    class Meta:
        table_name = "room_passing"


class Passing(NamedTuple):
    """A room that does not stay."""

    number: int
    address: JID
    is_locked: bool


_P = RoomPassing
_PUT = Prepared(_P.replace(room=ANY, is_locked=ANY))
_DELETE = Prepared(_P.delete().where(_P.room == ANY))
_PAGE = Prepared(
    _P.select(_P.room, Room.jid, _P.is_locked)
    .join(Room, on=(Room.id == _P.room))
    .where(_P.room > ANY)
    .order_by(_P.room)
    .limit(ANY)
)


def put(db: Database, room: int, *, is_locked: bool) -> None:
    """Notes that a room is not to stay; or only if its creator configures it, while it `is_locked`."""
    db.write(_PUT, room, is_locked)


def stays(db: Database, room: int) -> None:
    """Notes that a room stays."""
    db.write(_DELETE, room)


def page(db: Database, after: int, most: int) -> list[Passing]:
    """So many of those that do not stay, by number, after this one."""
    return [Passing(number, JID.parse(jid), bool(is_locked)) for number, jid, is_locked in db.rows(_PAGE, after, most)]
