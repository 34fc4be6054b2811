"""The hats of rooms (XEP-0317): which there are, and who has been given which."""

from typing import NamedTuple

from peewee import AutoField, IntegerField, Model, TextField

from db import rooms
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class RoomHat(Model):
    id = AutoField()
    room = IntegerField()
    uri = TextField()
    title = TextField()
    hue = TextField()

    class Meta:
        table_name = "room_hat"


class RoomHatWorn(Model):
    id = AutoField()
    room = IntegerField()
    jid = TextField()
    uri = TextField()

    class Meta:
        table_name = "room_hat_worn"


class Hat(NamedTuple):
    """A hat: what it is known by in its room, what it is called, and its colour, an angle (XEP-0392) or empty."""

    uri: str
    title: str
    hue: str = ""


_H, _W = RoomHat, RoomHatWorn
_ALL = Prepared(_H.select(_H.uri, _H.title, _H.hue).where(_H.room == ANY).order_by(_H.id))
_PUT = Prepared(
    _H.insert(room=ANY, uri=ANY, title=ANY, hue=ANY).on_conflict(
        conflict_target=[_H.room, _H.uri], preserve=[_H.title, _H.hue]
    )
)
_DELETE = Prepared(_H.delete().where((_H.room == ANY) & (_H.uri == ANY)))
_WORN = Prepared(_W.select(_W.jid, _W.uri).where(_W.room == ANY).order_by(_W.id))
_GIVE = Prepared(_W.insert(room=ANY, jid=ANY, uri=ANY))
_TAKE = Prepared(_W.delete().where((_W.room == ANY) & (_W.jid == ANY) & (_W.uri == ANY)))
_TAKE_ALL = Prepared(_W.delete().where((_W.room == ANY) & (_W.jid == ANY)))
_FORGET = Prepared(_W.delete().where(_W.jid == ANY))
_ROOMS_WHERE = Prepared(
    rooms.Room.select(rooms.Room.jid).join(_W, on=(_W.room == rooms.Room.id)).where(_W.jid == ANY).distinct()
)


def all_of(db: Database, room: int) -> list[Hat]:
    """The hats of a room, in the order in which they were made."""
    return [Hat(*row) for row in db.rows(_ALL, room)]


def put(db: Database, room: int, hat: Hat) -> None:
    """Keeps a hat, in place of one with its URI."""
    db.write(_PUT, room, *hat)


def delete(db: Database, room: int, uri: str) -> None:
    """Forgets a hat, and that anybody wears it."""
    db.write(_DELETE, room, uri)


def worn(db: Database, room: int) -> dict[JID, tuple[str, ...]]:
    """Who wears which hats of a room, by URI, in the order in which they were given."""
    wearers: dict[JID, tuple[str, ...]] = {}
    for jid, uri in db.rows(_WORN, room):
        account = JID.parse(jid)
        wearers[account] = (*wearers.get(account, ()), uri)
    return wearers


def give(db: Database, room: int, jid: JID, uri: str) -> None:
    """Keeps that somebody (a bare address), who has not had it so far, wears a hat."""
    db.write(_GIVE, room, jid, uri)


def take(db: Database, room: int, jid: JID, uri: str) -> None:
    """Forgets that somebody wears a hat."""
    db.write(_TAKE, room, jid, uri)


def take_all(db: Database, room: int, jid: JID) -> None:
    """Forgets that somebody wears anything."""
    db.write(_TAKE_ALL, room, jid)


def rooms_where_worn(db: Database, jid: JID) -> list[JID]:
    """The rooms in which somebody wears a hat."""
    return [JID.parse(room) for (room,) in db.rows(_ROOMS_WHERE, jid)]


def forget(db: Database, jid: JID) -> None:
    """Somebody (a bare address) wears nothing in any room."""
    db.write(_FORGET, jid)
