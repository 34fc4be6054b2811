"""How many stanzas streams had handled that are over and cannot be resumed (XEP-0198 section 5): for a while."""

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
    """Keeps the count of a stream that is over, in place of what is outdated or too much for one account."""
    with db.change():
        db.write(_INSERT, account, stream, handled, until)
        db.write(_DELETE_OLDER, account, account)
        db.write(_DELETE_OUTDATED, now)


def handled(db: Database, account: str, stream: str, now: float) -> int | None:
    """How many stanzas this stream of this account had handled, or None where nothing is known of it."""
    row = db.row(_FIND, account, stream, now)
    return row[0] if row else None
