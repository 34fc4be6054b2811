"""The last changes of who is what in each room (XEP-0463), each with the version of the list that it led to."""

from collections.abc import Sequence
from typing import NamedTuple

from peewee import SQL, CompositeKey, IntegerField, Model, TextField, fn

from db.rooms import RoomAffiliation
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class RoomChange(Model):
    room = IntegerField()
    version = IntegerField()
    jid = TextField()
    was = TextField()
    became = TextField()

    class Meta:
        table_name = "room_change"
        primary_key = CompositeKey("room", "version")


class AffiliationChange(NamedTuple):
    """Somebody (a bare address), or all of a domain, was something in a room, and became something else; `version` is
    one more than that of the change before."""

    version: int
    jid: JID
    was: str
    became: str


_C, _A, _BEFORE = RoomChange, RoomAffiliation, RoomChange.alias()
_OF = Prepared(_C.select(_C.version, _C.jid, _C.was, _C.became).where(_C.room == ANY).order_by(_C.version))
_INSERT = Prepared(_C.insert(room=ANY, version=ANY, jid=ANY, was=ANY, became=ANY))
_NEXT = _BEFORE.select(fn.COALESCE(fn.MAX(_BEFORE.version) + SQL("1"), SQL("1"))).where(_BEFORE.room == _A.room)
_NOTE_NOBODY = Prepared(
    _C.insert_from(
        _A.select(_A.room, _NEXT, _A.jid, _A.affiliation, SQL("'none'")).where(
            _A.jid == ANY, _A.affiliation != SQL("'none'")
        ),
        [_C.room, _C.version, _C.jid, _C.was, _C.became],
    )
)
_FORGET = Prepared(_C.delete().where((_C.room == ANY) & (_C.version <= ANY)))


def of(db: Database, room: int) -> list[AffiliationChange]:
    """The changes that are known of a room, without gaps, the oldest first."""
    return [AffiliationChange(version, JID.parse(jid), *rest) for version, jid, *rest in db.rows(_OF, room)]


def add(db: Database, room: int, changes: Sequence[AffiliationChange]) -> None:
    """Keeps more of them; all, or none."""
    db.write_many(_INSERT, [(room, *each) for each in changes])


def forget(db: Database, room: int, version: int) -> None:
    """Forgets the changes up to this one."""
    db.write(_FORGET, room, version)


def note_nobody(db: Database, jid: JID) -> None:
    """Somebody (a bare address) is about to be nothing in each room where it is something."""
    db.write(_NOTE_NOBODY, jid)
