"""vCards (XEP-0054), and the hash of the account's photo for presence (XEP-0153)."""

from peewee import BlobField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared

PHOTO_HASHES = Remembered[str](bound=100_000)
REMOVED = "-"  # in place of a hash: the account had a photo, and has removed it


class VCard(Model):
    account = TextField(primary_key=True)
    xml = BlobField()
    photo_hash = TextField()

    class Meta:
        table_name = "vcard"


def _put(column: TextField | BlobField) -> Prepared:
    """A query that stores an account's row, or changes that column of it only."""
    row = VCard.insert(account=ANY, xml=ANY, photo_hash=ANY)
    return Prepared(row.on_conflict(conflict_target=[VCard.account], preserve=[column]))


_FIND = Prepared(VCard.select(VCard.xml).where(VCard.account == ANY))
_FIND_PHOTO_HASH = Prepared(VCard.select(VCard.photo_hash).where(VCard.account == ANY))
_PUT = _put(VCard.xml)
_PUT_PHOTO_HASH = _put(VCard.photo_hash)


def get(db: Database, account: str) -> bytes | None:
    """An account's vCard, or None."""
    row = db.row(_FIND, account)
    return row[0] if row and row[0] else None


def put(db: Database, account: str, xml: bytes) -> None:
    """Keeps a vCard, in place of an earlier one; b"" means none."""
    db.write(_PUT, account, xml, "")


def photo_hash(db: Database, account: str) -> str | None:
    """The SHA-1 of the account's photo in hexadecimal; "" if it was removed, None if there never was one."""
    known = db.memory[PHOTO_HASHES].get(account)
    if known is None:
        row = db.row(_FIND_PHOTO_HASH, account)
        known = db.memory[PHOTO_HASHES].put(account, row[0] if row else "")
    return known.removeprefix(REMOVED) if known else None


def put_photo_hash(db: Database, account: str, photo_hash: str) -> None:
    """Keeps the hash of the account's photo; "" means that the account has none any more."""
    db.write(_PUT_PHOTO_HASH, account, b"", photo_hash or REMOVED)
    db.memory[PHOTO_HASHES].put(account, photo_hash or REMOVED)
