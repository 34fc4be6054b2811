"""Which people of a room have been in it, under which nick they were last, and whether anything was said there since.

A row for who has left a room to which it belongs. `has_news` is set by the first message after that, for all at once,
so it costs nothing to say more.
"""

from collections.abc import Iterable
from typing import NamedTuple

from peewee import JOIN, SQL, BooleanField, CompositeKey, IntegerField, Model, TextField

from db.archives import ArchiveOwner
from db.rooms import BELONGS, Room, RoomAffiliation
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class RoomVisit(Model):
    room = IntegerField()
    jid = TextField()
    nick = TextField()
    has_news = BooleanField()

    class Meta:
        table_name = "room_visit"
        primary_key = CompositeKey("room", "jid")


class WithNews(NamedTuple):
    """A room in which something was said that somebody has not read; its configuration, as it is kept; and whether that
    person can know its password, having been in it, or being an owner."""

    jid: JID
    configuration: str
    may_know_password: bool


_V, _R, _A, _O = RoomVisit, Room, RoomAffiliation, ArchiveOwner
# Only of who belongs to a room that is still there
_LEFT = Prepared(
    _V.insert_from(
        _A.select(_A.room, _A.jid, ANY, SQL("0")).where(_A.room == ANY, _A.jid == ANY, BELONGS),
        [_V.room, _V.jid, _V.nick, _V.has_news],
    ).on_conflict_replace()
)
_SAID = Prepared(_V.update(has_news=SQL("1")).where(_V.room == ANY, ~_V.has_news))
_FORGET = Prepared(_V.delete().where((_V.room == ANY) & (_V.jid == ANY)))
_ROOMS_OF = RoomAffiliation.select(RoomAffiliation.room).where(RoomAffiliation.jid == ANY)
_FORGET_ALL_OF = Prepared(_V.delete().where(_V.room.in_(_ROOMS_OF), _V.jid == ANY))
_WAS_THERE = Prepared(_V.select(_V.nick).where((_V.room == ANY) & (_V.jid == ANY)))
_NICKS = Prepared(_V.select(_V.jid, _V.nick).where(_V.room == ANY))
_WITH_NEWS = Prepared(
    _A.select(_R.jid, _R.configuration, _V.has_news, _A.affiliation)
    .join(_R, on=_R.id == _A.room)
    .join(_V, JOIN.LEFT_OUTER, on=(_V.room == _A.room) & (_V.jid == _A.jid))
    .join(_O, JOIN.LEFT_OUTER, on=_O.room == _A.room)
    .where(_A.jid == ANY, BELONGS, _V.has_news | (_V.has_news.is_null() & _O.room.is_null(False)))
    .order_by(_R.jid)
)


def left(db: Database, room: int, jid: JID, nick: str) -> None:
    """Somebody is not in a room any more, where it had this nick; it has read all. Nothing for who does not belong to
    it."""
    db.write(_LEFT, nick, room, jid)


def said(db: Database, room: int) -> None:
    """Something was said in a room, which is news for all who have left it."""
    db.write(_SAID, room)


def forget(db: Database, room: int, people: Iterable[JID]) -> None:
    """These do not belong to a room any more."""
    db.write_many(_FORGET, ((room, jid) for jid in people))


def forget_all_of(db: Database, jid: JID) -> None:
    """Somebody (a bare address) is about to belong to no room any more; only those are looked at where it does."""
    db.write(_FORGET_ALL_OF, jid, jid)


def was_there(db: Database, room: int, jid: JID) -> bool:
    """Whether somebody who belongs to a room has been in it, and left it."""
    return db.row(_WAS_THERE, room, jid) is not None


def nicks(db: Database, room: int) -> dict[str, str]:
    """Under which nick who has left a room was in it, by bare address."""
    return dict(db.rows(_NICKS, room))


def with_news(db: Database, jid: JID) -> list[WithNews]:
    """The rooms of somebody (a bare address) with news for it, by address. A room where it has not been yet counts if
    anything is archived of it."""
    return [
        WithNews(JID.parse(room), configuration, has_news is not None or affiliation == "owner")
        for room, configuration, has_news, affiliation in db.rows(_WITH_NEWS, jid)
    ]
