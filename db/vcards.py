"""vCards (XEP-0054), and the hash of the photo for presence (XEP-0153)."""

from peewee import BlobField, Model, TextField

from db.database import Database
from db.memory import Remembered
from db.queries import ANY, Prepared

PHOTO_HASHES = Remembered[str](bound=100_000)


class VCard(Model):
    account = TextField(primary_key=True)
    xml = BlobField()
    photo_hash = TextField()

    class Meta:
        table_name = "vcard"


_FIND = Prepared(VCard.select(VCard.xml).where(VCard.account == ANY))
_FIND_PHOTO_HASH = Prepared(VCard.select(VCard.photo_hash).where(VCard.account == ANY))
_PUT = Prepared(VCard.replace(account=ANY, xml=ANY, photo_hash=ANY))


def get(db: Database, account: str) -> bytes | None:
    """An account's vCard, or None."""
    row = db.row(_FIND, account)
    return row[0] if row else None


def put(db: Database, account: str, xml: bytes, photo_hash: str) -> None:
    """Keeps a vCard; photo_hash is the SHA-1 of its photo in hexadecimal, "" where it has none."""
    db.write(_PUT, account, xml, photo_hash)
    db.memory[PHOTO_HASHES].put(account, photo_hash)


def photo_hash(db: Database, account: str) -> str:
    """The SHA-1 of the account's photo in hexadecimal; "" where it has none."""
    known = db.memory[PHOTO_HASHES].get(account)
    if known is not None:
        return known
    row = db.row(_FIND_PHOTO_HASH, account)
    return db.memory[PHOTO_HASHES].put(account, row[0] if row else "")
