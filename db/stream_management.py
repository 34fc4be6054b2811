"""The number of handled stanzas of streams that cannot be resumed any more, kept for a while (XEP-0198 section 5)."""

from peewee import SQL, AutoField, FloatField, IntegerField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

PER_ACCOUNT = 20


class EndedStream(Model):
    id = AutoField()
    account = TextField()
    stream = TextField()
    handled = IntegerField()
    until = FloatField()

    class Meta:
        table_name = "ended_stream"


_FIND = Prepared(
    EndedStream.select(EndedStream.handled).where(
        (EndedStream.account == ANY) & (EndedStream.stream == ANY) & (EndedStream.until > ANY)
    )
)
_INSERT = Prepared(EndedStream.insert(account=ANY, stream=ANY, handled=ANY, until=ANY))
_NEWEST = (
    EndedStream.select(EndedStream.id)
    .where(EndedStream.account == ANY)
    .order_by(EndedStream.id.desc())
    .limit(SQL(str(PER_ACCOUNT)))
)
_DELETE_OLDER = Prepared(EndedStream.delete().where((EndedStream.account == ANY) & EndedStream.id.not_in(_NEWEST)))
_DELETE_OUTDATED = Prepared(EndedStream.delete().where(EndedStream.until <= ANY))


def remember(db: Database, account: str, stream: str, handled: int, now: float, until: float) -> None:
    """Keeps the count of a stream that has ended, until `until`. Removes counts that are outdated, and the oldest of
    this account beyond PER_ACCOUNT. Times are in seconds since 1970."""
    with db.change():
        db.write(_INSERT, account, stream, handled, until)
        db.write(_DELETE_OLDER, account, account)
        db.write(_DELETE_OUTDATED, now)


def handled(db: Database, account: str, stream: str, now: float) -> int | None:
    """How many stanzas of this stream of this account had been handled, or None if that is not known any more."""
    row = db.row(_FIND, account, stream, now)
    return row[0] if row else None
