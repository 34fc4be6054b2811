"""Secrets of the server itself: made once and kept for good. One of them gives accounts that do not exist a salt."""

from secrets import token_bytes

from peewee import BlobField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared

SECRET_BYTES = 32
SECRETS = Remembered[bytes](bound=1_000)


class Secret(Model):
    name = TextField(primary_key=True)
    value = BlobField()

    class Meta:
        table_name = "secret"


_FIND = Prepared(Secret.select(Secret.value).where(Secret.name == ANY))
_INSERT = Prepared(Secret.insert(name=ANY, value=ANY))


def secret(db: Database, name: str) -> bytes:
    """The server's secret of that name: 32 random bytes."""
    known = db.memory[SECRETS].get(name)
    if known is not None:
        return known
    row = db.row(_FIND, name)
    return db.memory[SECRETS].put(name, row[0] if row else _make(db, name))


def _make(db: Database, name: str) -> bytes:
    value = token_bytes(SECRET_BYTES)
    db.write(_INSERT, name, value)
    return value
