"""The clients that have logged in to an account, by their names (`handlers/login/clients.py`): how they describe
themselves, since when they have been there, and by what they have logged in (XEP-0494)."""

from typing import NamedTuple

from peewee import BooleanField, CompositeKey, FloatField, Model, TextField

from db import fast_tokens
from db.sqlite.database import Database, Row
from db.sqlite.queries import ANY, Prepared


class ClientDevice(Model):
    account = TextField()
    client = TextField()
    software = TextField()
    device = TextField()
    first_seen = FloatField()
    last_seen = FloatField()
    by_password = BooleanField()
    by_certificate = BooleanField()

    class Meta:
        table_name = "device"
        primary_key = CompositeKey("account", "client")


class Device(NamedTuple):
    """A client. Times are in seconds since 1970. `by_password`: it has shown the password that the account has now, so
    that it may know it for good."""

    client: str
    software: str
    device: str
    first_seen: float
    last_seen: float
    by_password: bool = False
    by_certificate: bool = False


_D = ClientDevice
_COLUMNS = (_D.client, _D.software, _D.device, _D.first_seen, _D.last_seen, _D.by_password, _D.by_certificate)
_FIND = Prepared(_D.select(*_COLUMNS).where((_D.account == ANY) & (_D.client == ANY)))
_LIST = Prepared(_D.select(*_COLUMNS).where(_D.account == ANY).order_by(_D.last_seen.desc(), _D.client))
_PUT = Prepared(
    _D.replace(
        account=ANY, client=ANY, software=ANY, device=ANY, first_seen=ANY, last_seen=ANY, by_password=ANY,
        by_certificate=ANY,
    )
)  # fmt: skip
_SEEN = Prepared(_D.update(last_seen=ANY).where((_D.account == ANY) & (_D.client == ANY) & (_D.last_seen < ANY)))
_DELETE = Prepared(_D.delete().where((_D.account == ANY) & (_D.client == ANY)))
_NOT_SEEN = Prepared(_D.select(_D.account, _D.client).where(_D.last_seen < ANY).order_by(_D.last_seen).limit(ANY))


def device(db: Database, account: str, client: str) -> Device | None:
    """One client of an account; None if it has not been there, or was forgotten."""
    row = db.row(_FIND, account, client)
    return _of(row) if row else None


def listing(db: Database, account: str) -> list[Device]:
    """All of them, the one that was seen last first."""
    return [_of(row) for row in db.rows(_LIST, account)]


def put(db: Database, account: str, device: Device, most: int) -> None:
    """Keeps a client, in place of what was known of it. Of more than so many of the account, those are forgotten that
    were not seen for longest."""
    with db.change():
        db.write(_PUT, account, *device)
        for older in [each for each in listing(db, account) if each.client != device.client][most - 1 :]:
            forget(db, account, older.client)


def seen(db: Database, account: str, client: str, now: float, within: float) -> None:
    """Notes that a client is there, unless that was noted within so many seconds."""
    db.write(_SEEN, now, account, client, now - within)


def forget(db: Database, account: str, client: str) -> None:
    """Forgets a client, and makes its tokens void: whoever can log in is listed."""
    with db.change():
        fast_tokens.remove(db, account, client)
        db.write(_DELETE, account, client)


def password_changed(db: Database, account: str, client: str) -> None:
    """After the password was changed by this client, or by somebody else (""): the others know it no more, and have no
    tokens. Those that have a certificate still have access."""
    with db.change():
        fast_tokens.remove_all(db, account)
        for each in listing(db, account):
            if each.client != client and not each.by_certificate:
                db.write(_DELETE, account, each.client)
            elif each.by_password != (each.client == client):
                db.write(_PUT, account, *each._replace(by_password=each.client == client))


def not_seen_since(db: Database, then: float, most: int) -> list[tuple[str, str]]:
    """So many clients that were not seen since then, as (account, client), the one that was not seen for longest
    first."""
    return [(account, client) for account, client in db.rows(_NOT_SEEN, then, most)]


def _of(row: Row) -> Device:
    client, software, device, first_seen, last_seen, by_password, by_certificate = row
    return Device(client, software, device, first_seen, last_seen, bool(by_password), bool(by_certificate))
