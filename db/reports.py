"""What people have reported of others (XEP-0377), until an administrator removes it."""

from typing import NamedTuple

from peewee import AutoField, BlobField, FloatField, Model, TextField, fn

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class AbuseReport(Model):
    id = AutoField()
    account = TextField()
    at = FloatField()
    reported = TextField()
    reason = TextField()
    text = TextField()
    messages = BlobField()

    class Meta:
        table_name = "abuse_report"


class Report(NamedTuple):
    """What `account` has reported of an address; `at` in seconds since 1970."""

    id: int
    account: str
    at: float
    reported: str
    reason: str
    text: str


_R = AbuseReport
_ALL = (_R.id, _R.account, _R.at, _R.reported, _R.reason, _R.text)
_PUT = Prepared(_R.insert(account=ANY, at=ANY, reported=ANY, reason=ANY, text=ANY, messages=ANY))
_COUNT = Prepared(_R.select(fn.COUNT(_R.id)).where((_R.account == ANY) & (_R.at > ANY)))
_TRIM = Prepared(_R.delete().where(_R.id.not_in(_R.select(_R.id).order_by(_R.id.desc()).limit(ANY))))
_NEXT = Prepared(_R.select(*_ALL).where(_R.id > ANY).order_by(_R.id).limit(ANY))
_FIND = Prepared(_R.select(*_ALL).where(_R.id == ANY))
_MESSAGES = Prepared(_R.select(_R.messages).where(_R.id == ANY))
_DELETE = Prepared(_R.delete().where(_R.id == ANY))


def keep(
    db: Database, account: JID, at: float, reported: JID, reason: str, text: str, messages: bytes, most: int
) -> None:
    """Keeps a report, with the messages that were named, one after the other as they came; the oldest reports go if
    there are more than `most` then."""
    with db.change():
        db.write(_PUT, account, at, reported, reason, text, messages)
        db.write(_TRIM, most)


def count_since(db: Database, account: JID, moment: float) -> int:
    """How many reports of an account that were made after this moment are kept."""
    return int(db.rows(_COUNT, account, moment)[0][0])


def after(db: Database, id: int, most: int) -> list[Report]:
    """The reports that came after the one of this id, the oldest first; 0 for all."""
    return [Report(*row) for row in db.rows(_NEXT, id, most)]


def get(db: Database, id: int) -> Report | None:
    """The report of this id; None if there is none."""
    row = db.row(_FIND, id)
    return None if row is None else Report(*row)


def messages(db: Database, id: int) -> bytes:
    """The messages of the report of this id."""
    row = db.row(_MESSAGES, id)
    return bytes(row[0]) if row else b""


def remove(db: Database, id: int) -> None:
    """Removes a report."""
    db.write(_DELETE, id)
