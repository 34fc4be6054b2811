"""The vCards of rooms (XEP-0054, XEP-0486), and the hashes of the photos in them."""

from peewee import BlobField, IntegerField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared

PHOTO_HASHES = Remembered[tuple[str, ...]](bound=100_000, weigh=lambda hashes: 1 + len(hashes))


class RoomVCard(Model):
    room = IntegerField(primary_key=True)
    xml = BlobField()
    photo_hashes = TextField()  # separated by spaces

    class Meta:
        table_name = "room_vcard"


_FIND = Prepared(RoomVCard.select(RoomVCard.xml).where(RoomVCard.room == ANY))
_FIND_HASHES = Prepared(RoomVCard.select(RoomVCard.photo_hashes).where(RoomVCard.room == ANY))
_PUT = Prepared(RoomVCard.replace(room=ANY, xml=ANY, photo_hashes=ANY))
_DELETE = Prepared(RoomVCard.delete().where(RoomVCard.room == ANY))


def get(db: Database, room: int) -> bytes | None:
    """A room's vCard, or None."""
    row = db.row(_FIND, room)
    return bytes(row[0]) if row else None


def put(db: Database, room: int, xml: bytes, photo_hashes: tuple[str, ...]) -> None:
    """Keeps a vCard, in place of an earlier one, and the SHA-1 of each of its photos in hexadecimal."""
    db.write(_PUT, room, xml, " ".join(photo_hashes))
    db.memory[PHOTO_HASHES].put(room, photo_hashes)


def remove(db: Database, room: int) -> None:
    """Forgets the vCard of a room."""
    db.write(_DELETE, room)
    db.memory[PHOTO_HASHES].put(room, ())


def photo_hashes(db: Database, room: int) -> tuple[str, ...]:
    """The hashes of the photos; none where there is no vCard. No query, as a rule."""
    known = db.memory[PHOTO_HASHES].get(room)
    if known is None:
        row = db.row(_FIND_HASHES, room)
        known = db.memory[PHOTO_HASHES].put(room, tuple(row[0].split()) if row else ())
    return known
