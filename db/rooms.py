"""Rooms (XEP-0045): what is kept of each, who is what in it, and the names of those that were destroyed."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from peewee import (
    SQL,
    AutoField,
    BlobField,
    BooleanField,
    CompositeKey,
    FloatField,
    IntegerField,
    Model,
    TextField,
    fn,
)

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class Room(Model):
    id = AutoField()
    jid = TextField()
    creator = TextField()
    created = FloatField()
    configuration = TextField()
    is_public = BooleanField()
    secret = BlobField()
    subject = TextField()
    subject_nick = TextField()
    subject_at = FloatField()
    subject_by = TextField()

    class Meta:
        table_name = "room"


class RoomAffiliation(Model):
    room = IntegerField()
    jid = TextField()
    affiliation = TextField()
    nick = TextField()
    reason = TextField()

    class Meta:
        table_name = "room_affiliation"
        primary_key = CompositeKey("room", "jid")


class RoomTombstone(Model):
    jid = TextField(primary_key=True)
    until = FloatField()
    venue = TextField()
    reason = TextField()

    class Meta:
        table_name = "room_tombstone"


class Subject(NamedTuple):
    """The subject of a room, who has set it, by nick and by the id of that occupant, and when, in seconds since the
    epoch; 0 where nobody has."""

    text: str = ""
    nick: str = ""
    at: float = 0.0
    by: str = ""


class Kept(NamedTuple):
    """A room as it is kept. `configuration` is a text of handlers/rooms/configuration.py."""

    id: int
    jid: JID
    creator: str
    configuration: str
    secret: bytes
    subject: Subject


class Listed(NamedTuple):
    """A room in a list of all."""

    jid: JID
    creator: str
    created: float
    configuration: str


class Affiliation(NamedTuple):
    """What somebody (a bare address) or all of a domain are in a room; `nick` is the one that is reserved for it."""

    affiliation: str = "none"
    nick: str = ""
    reason: str = ""


class Tombstone(NamedTuple):
    """What is left of a room that was destroyed: where people went, and why."""

    venue: str
    reason: str


BELONGS = SQL("affiliation IN ('member', 'admin', 'owner')")
"""Of an affiliation: whose it is belongs to the room."""
SERVICE = "substr(jid, instr(jid, '@') + 1)"
"""Of the address of a room, as it stands in the index of those that are public."""
PAGE = 200  # rooms that are read at a time
AFTER_ALL = "\U0010ffff"
"""After every address."""
_R, _A, _T = Room, RoomAffiliation, RoomTombstone
_COLUMNS = (_R.id, _R.creator, _R.configuration, _R.secret, _R.subject, _R.subject_nick, _R.subject_at, _R.subject_by)
_FIND = Prepared(_R.select(*_COLUMNS).where(_R.jid == ANY))
_INSERT = Prepared(
    _R.insert(
        jid=ANY,
        creator=ANY,
        created=ANY,
        configuration=ANY,
        is_public=ANY,
        secret=ANY,
        subject=ANY,
        subject_nick=ANY,
        subject_at=ANY,
        subject_by=ANY,
    )
)
_CONFIGURE = Prepared(_R.update(configuration=ANY, is_public=ANY).where(_R.id == ANY))
_SET_SUBJECT = Prepared(_R.update(subject=ANY, subject_nick=ANY, subject_at=ANY, subject_by=ANY).where(_R.id == ANY))
_DELETE = Prepared(_R.delete().where(_R.id == ANY))
_COUNT_OF = Prepared(_R.select(fn.COUNT(_R.id)).where(_R.creator == ANY))
_AT = (SQL("is_public"), SQL(f"{SERVICE} = ?"))
_PUBLIC = Prepared(_R.select(_R.jid, _R.configuration).where(*_AT, _R.jid > ANY).order_by(_R.jid).limit(ANY))
_PUBLIC_BACKWARDS = Prepared(
    _R.select(_R.jid, _R.configuration).where(*_AT, _R.jid < ANY).order_by(_R.jid.desc()).limit(ANY)
)
_LISTED = Prepared(_R.select(_R.creator, _R.created, _R.configuration).where(_R.jid == ANY))
_IN_ORDER = Prepared(
    _R.select(_R.jid, _R.creator, _R.created, _R.configuration).where(_R.jid > ANY).order_by(_R.jid).limit(ANY)
)
_COUNT_PUBLIC = Prepared(_R.select(fn.COUNT(_R.id)).where(*_AT))
_COUNT_BY_SERVICE = Prepared(_R.select(SQL(f"{SERVICE} AS service"), fn.COUNT(_R.id)).group_by(SQL("service")))
_AFFILIATIONS = Prepared(_A.select(_A.jid, _A.affiliation, _A.nick, _A.reason).where(_A.room == ANY))
_PUT_AFFILIATION = Prepared(_A.replace(room=ANY, jid=ANY, affiliation=ANY, nick=ANY, reason=ANY))
_DELETE_AFFILIATION = Prepared(_A.delete().where((_A.room == ANY) & (_A.jid == ANY)))
_FIND_TOMBSTONE = Prepared(_T.select(_T.venue, _T.reason).where((_T.jid == ANY) & (_T.until > ANY)))
_PUT_TOMBSTONE = Prepared(_T.replace(jid=ANY, until=ANY, venue=ANY, reason=ANY))
_DELETE_TOMBSTONES = Prepared(_T.delete().where((_T.jid == ANY) | (_T.until <= ANY)))
_FORGET = Prepared(_A.delete().where(_A.jid == ANY))
_ROOMS_OF = Prepared(_R.select(_R.jid).join(_A, on=(_A.room == _R.id)).where(_A.jid == ANY))


def find(db: Database, jid: JID) -> Kept | None:
    """The room of this address, or None."""
    row = db.row(_FIND, jid)
    if row is None:
        return None
    id, creator, configuration, secret, *subject = row
    return Kept(id, jid, creator, configuration, bytes(secret), Subject(*subject))


def create(
    db: Database, jid: JID, creator: JID, configuration: str, *, is_public: bool, secret: bytes, at: float
) -> int:
    """Keeps a new room; returns its id. What was left of one that had its name is forgotten."""
    with db.change():
        db.write(_DELETE_TOMBSTONES, jid, at)
        db.write(_INSERT, jid, creator, at, configuration, is_public, secret, *Subject())
        found = find(db, jid)
        assert found is not None
    return found.id


def configure(db: Database, room: int, configuration: str, *, is_public: bool) -> None:
    """Keeps another configuration."""
    db.write(_CONFIGURE, configuration, is_public, room)


def set_subject(db: Database, room: int, subject: Subject) -> None:
    """Keeps another subject."""
    db.write(_SET_SUBJECT, *subject, room)


def destroy(db: Database, room: int, jid: JID, *, until: float, venue: str, reason: str) -> None:
    """Removes a room, and remembers until then that it was here."""
    with db.change():
        db.write(_DELETE, room)
        db.write(_PUT_TOMBSTONE, jid, until, venue, reason)


def remove(db: Database, room: int) -> None:
    """Removes a room that was not to be kept."""
    db.write(_DELETE, room)


def tombstone(db: Database, jid: JID, now: float) -> Tombstone | None:
    """What is left of a room of this address."""
    row = db.row(_FIND_TOMBSTONE, jid, now)
    return Tombstone(*row) if row else None


def affiliations(db: Database, room: int) -> dict[str, Affiliation]:
    """What everybody is in a room, by address, but for those who are nothing. There may be very many, so addresses stay
    text, which takes a tenth of the time, and what many are is one object."""
    shared = dict[tuple[str, str, str], Affiliation]()
    found = dict[str, Affiliation]()
    for jid, *rest in db.rows(_AFFILIATIONS, room):
        each = Affiliation(*rest)
        found[jid] = shared.setdefault(each, each)
    return found


def put_affiliations(db: Database, room: int, changed: Iterable[tuple[JID, Affiliation]]) -> None:
    """Keeps what these are; all of it, or nothing. Who is nothing and has no nick is forgotten."""
    gone, put = list[tuple[int, JID]](), list[tuple[object, ...]]()
    for jid, each in changed:
        if each.affiliation == "none" and not each.nick:
            gone.append((room, jid))
        else:
            put.append((room, jid, *each))
    with db.change():
        for query, rows in ((_DELETE_AFFILIATION, gone), (_PUT_AFFILIATION, put)):
            if rows:
                db.write_many(query, rows)


def count_of(db: Database, creator: JID) -> int:
    """How many rooms somebody has made that are still there."""
    return int(db.rows(_COUNT_OF, creator)[0][0])


def public(db: Database, service: JID, after: str, most: int) -> list[tuple[JID, str]]:
    """So many public rooms of a service, by address, after this one: address and configuration."""
    return [(JID.parse(jid), configuration) for jid, configuration in db.rows(_PUBLIC, service, after, most)]


def public_backwards(db: Database, service: JID, before: str, most: int) -> list[tuple[JID, str]]:
    """The same before this one, or, where that is empty, from the last one on; backwards."""
    rows = db.rows(_PUBLIC_BACKWARDS, service, before or AFTER_ALL, most)
    return [(JID.parse(jid), configuration) for jid, configuration in rows]


def in_order(db: Database, after: str = "") -> Iterator[Listed]:
    """All rooms by address, after this one, read PAGE at a time, for callers that need several turns for them."""
    while found := db.rows(_IN_ORDER, after, PAGE):
        yield from (Listed(JID.parse(jid), *rest) for jid, *rest in found)
        after = found[-1][0]


def listed(db: Database, jid: JID) -> Listed | None:
    """The room of this address as in a list of all."""
    row = db.row(_LISTED, jid)
    return Listed(jid, *row) if row else None


def count_public(db: Database, service: JID) -> int:
    """How many rooms of a service are public."""
    return int(db.rows(_COUNT_PUBLIC, service)[0][0])


def count_by_service(db: Database) -> dict[str, int]:
    """How many rooms there are, by the service that they are at. Reads all of them."""
    return dict(db.rows(_COUNT_BY_SERVICE))


def rooms_of(db: Database, jid: JID) -> list[JID]:
    """The rooms in which somebody (a bare address) is something."""
    return [JID.parse(room) for (room,) in db.rows(_ROOMS_OF, jid)]


def forget(db: Database, jid: JID) -> None:
    """Somebody (a bare address) is nothing in any room."""
    db.write(_FORGET, jid)
