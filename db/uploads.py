"""Files that people have uploaded (XEP-0363), and the slots for those that they may upload. The bytes are in db/files/.

A slot is open until its file is there, or until its time is over; the file is stored until it expires or is deleted.
What was deleted on the day on which it was uploaded stays as a row, and counts for what may be uploaded in a day.
"""

from collections.abc import Iterable
from typing import NamedTuple

from peewee import SQL, AutoField, FloatField, IntegerField, Model, TextField, fn

from db.accounts import Account
from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID

OPEN, STORED, DELETED, COUNTED = "open", "stored", "deleted", "counted"
"""The states: nothing is there yet; the file is there; its bytes are still to be deleted; nothing is left of it but
that it counts for its day."""
DAY = 86_400.0
TOTAL = Remembered[int](bound=1)
"""The bytes of all files and open slots, at the key "". """


class UploadOwner(Model):
    number = AutoField()
    account = TextField(null=True)  # None: it was removed, and its files are being deleted

    class Meta:
        table_name = "upload_owner"


class Upload(Model):
    id = AutoField()
    slot = TextField(unique=True)
    owner = IntegerField()
    name = TextField()
    type = TextField()
    size = IntegerField()
    purpose = TextField()
    state = TextField()
    created = FloatField()
    stored = FloatField(null=True)
    expires = FloatField(null=True)
    due = FloatField(null=True)  # when something has to be done about it: the slot is over, or the file expires

    class Meta:
        table_name = "upload"


class File(NamedTuple):
    """A file, or the slot for one. Times are in seconds since 1970; `expires` is None for what is kept for good, and
    `due` is when an open slot is over. `type` is what the client has called it, "" if it has not."""

    id: int
    slot: str
    account: JID
    name: str
    type: str
    size: int
    purpose: str
    state: str
    created: float
    stored: float | None
    expires: float | None
    due: float | None


class Usage(NamedTuple):
    """How much there is of something: files with their bytes; and open slots."""

    files: int = 0
    bytes: int = 0
    slots: int = 0
    slot_bytes: int = 0


class Removal(NamedTuple):
    """A file or slot whose bytes, if there are any, are to be deleted."""

    id: int
    slot: str
    size: int
    state: str
    created: float


_U, _O = Upload, UploadOwner
_COLUMNS = (_U.id, _U.slot, _O.account, _U.name, _U.type, _U.size, _U.purpose, _U.state, _U.created, _U.stored,
            _U.expires, _U.due)  # fmt: skip
_FILES = _U.select(*_COLUMNS).join(_O, on=_O.number == _U.owner)
_IS_STORED = SQL("state = 'stored'")
_TAKES_ROOM = SQL("state IN ('open', 'stored', 'deleted')")
_FIND = Prepared(_FILES.where(_U.slot == ANY, _O.account.is_null(False)))
_LIST = Prepared(
    _FILES.where(_O.account == ANY, _IS_STORED, (_U.created < ANY) | ((_U.created == ANY) & (_U.id < ANY)))
    .order_by(_U.created.desc(), _U.id.desc())
    .limit(ANY)
)
_LIST_ALL = Prepared(_FILES.where(_O.account.is_null(False), _IS_STORED, _U.id < ANY).order_by(_U.id.desc()).limit(ANY))
_OWNER = Prepared(_O.select(_O.number).where(_O.account == ANY))
_INSERT_OWNER = Prepared(_O.insert(account=ANY))
_INSERT = Prepared(
    _U.insert(
        slot=ANY,
        owner=ANY,
        name=ANY,
        type=ANY,
        size=ANY,
        purpose=ANY,
        state=ANY,
        created=ANY,
        stored=ANY,
        expires=ANY,
        due=ANY,
    )
)
_COMPLETE = Prepared(_U.update(type=ANY, state=ANY, stored=ANY, due=_U.expires).where(_U.id == ANY, _U.state == ANY))
_HAS_OWNER = Prepared(
    _U.select(_U.id).join(_O, on=_O.number == _U.owner).where(_U.id == ANY, _O.account.is_null(False))
)
_MARK = Prepared(_U.update(state=ANY, due=ANY).where(_U.id == ANY, _U.state.in_([ANY, ANY])))
_COUNT_ONLY = Prepared(_U.update(state=ANY, due=ANY).where(_U.id == ANY, _U.state == ANY))
_DELETE = Prepared(_U.delete().where(_U.id == ANY))
_DUE = Prepared(
    _U.select(_U.id, _U.slot, _U.size, _U.state, _U.created).where(_U.due <= ANY).order_by(_U.due).limit(ANY)
)
_OF_NOBODY = Prepared(
    _U.select(_U.id, _U.slot, _U.size, _U.state, _U.created)
    .join(_O, on=_O.number == _U.owner)
    .where(_O.account.is_null())
    .limit(ANY)
)
_DELETE_EMPTY_OWNERS = Prepared(
    _O.delete().where(_O.account.is_null(), ~fn.EXISTS(_U.select(_U.id).where(_U.owner == _O.number)))
)
_USAGE = Prepared(
    _U.select(_U.purpose, _U.state, fn.COUNT(_U.id), fn.SUM(_U.size))
    .join(_O, on=_O.number == _U.owner)
    .where(_O.account == ANY)
    .group_by(_U.purpose, _U.state)
)
_IN_ALL = Prepared(_U.select(_U.state, fn.COUNT(_U.id), fn.SUM(_U.size)).group_by(_U.state))
_IN_ALL_AT = Prepared(
    _U.select(_U.state, fn.COUNT(_U.id), fn.SUM(_U.size))
    .join(_O, on=_O.number == _U.owner)
    .join(Account, on=Account.jid == _O.account)
    .where(Account.domain == ANY)
    .group_by(_U.state)
)
_TOTAL = Prepared(_U.select(fn.SUM(_U.size)).where(_TAKES_ROOM))
_SINCE = Prepared(
    _U.select(_U.created, _U.size)
    .join(_O, on=_O.number == _U.owner)
    .where(_O.account == ANY, _U.created > ANY)
    .order_by(_U.created)
)
_NEXT_TO_GO = Prepared(
    _U.select(_U.due, _U.size)
    .join(_O, on=_O.number == _U.owner)
    .where(_O.account == ANY, _TAKES_ROOM, _U.due.is_null(False), _U.purpose != ANY)
    .order_by(_U.due)
)
_OLDEST = Prepared(
    _U.select(_U.id, _U.size)
    .join(_O, on=_O.number == _U.owner)
    .where(_O.account == ANY, _IS_STORED, _U.purpose == ANY, _U.id != ANY)
    .order_by(_U.stored, _U.id)
)
NEWEST = (float(1 << 60), 1 << 62)
"""Comes before all files of an account, where the newest is the first."""


def find(db: Database, slot: str) -> File | None:
    """The file or slot; None if there is none, or its owner is gone."""
    row = db.row(_FIND, slot)
    return _file(row) if row else None


def open_slot(
    db: Database, slot: str, account: str, name: str, type: str, size: int, purpose: str,
    *, now: float, until: float, expires: float | None,
) -> None:  # fmt: skip
    """Keeps a slot, which is open until then, for a file that will be there until it expires."""
    with db.change():
        owner = db.row(_OWNER, account)
        if owner is None:
            db.write(_INSERT_OWNER, account)
            owner = db.row(_OWNER, account)
            assert owner is not None
        before = total(db)
        db.write(_INSERT, slot, owner[0], name, type, size, purpose, OPEN, now, None, expires, until)
        db.memory[TOTAL].put("", before + size)


def complete(db: Database, file: File, type: str, now: float) -> bool:
    """Notes that the file of an open slot is there. False, and nothing is noted, if the slot is gone, or its owner."""
    if db.row(_HAS_OWNER, file.id) is None:
        return False
    return db.write(_COMPLETE, type, STORED, now, file.id, OPEN) > 0


def mark_deleted(db: Database, ids: Iterable[int], now: float) -> None:
    """From now on these files and slots are gone for everybody; their bytes are to be deleted."""
    db.write_many(_MARK, ((DELETED, now, id, OPEN, STORED) for id in ids))


def due(db: Database, now: float, most: int) -> list[Removal]:
    """So many of what is to be removed because it has expired or was deleted."""
    return [Removal(*row) for row in db.rows(_DUE, now, most)]


def of_nobody(db: Database, most: int) -> list[Removal]:
    """So many of what accounts that were removed have left behind."""
    return [Removal(*row) for row in db.rows(_OF_NOBODY, most)]


def removed(db: Database, gone: Iterable[Removal], now: float) -> None:
    """Notes that the bytes of these are deleted."""
    with db.change():
        left = total(db)
        for each in gone:
            if each.state == DELETED and each.created + DAY > now:
                changed = db.write(_COUNT_ONLY, COUNTED, each.created + DAY, each.id, DELETED)
            else:
                changed = db.write(_DELETE, each.id)
            if changed and each.state != COUNTED:  # somebody else may have been as quick
                left -= each.size
        db.memory[TOTAL].put("", left)


def forget_owners(db: Database) -> None:
    """Deletes what is left of accounts that were removed and have no files any more."""
    db.write(_DELETE_EMPTY_OWNERS)


# -- lists and sums


def listing(db: Database, account: str, most: int, before: tuple[float, int] = NEWEST) -> list[File]:
    """The files of an account, the newest first: so many of those before this moment and id."""
    created, id = before
    return [_file(row) for row in db.rows(_LIST, account, created, created, id, most)]


def listing_of_all(db: Database, most: int, before: int = NEWEST[1]) -> list[File]:
    """The files of everybody, the newest first: so many of those before this id."""
    return [_file(row) for row in db.rows(_LIST_ALL, before, most)]


def usage(db: Database, account: str) -> dict[str, Usage]:
    """How much an account has, by purpose."""
    found = dict[str, Usage]()
    for purpose, state, count, size in db.rows(_USAGE, account):
        found[purpose] = _added(found.get(purpose, Usage()), state, count, size)
    return found


def usage_in_all(db: Database, domain: str = "") -> Usage:
    """How much everybody has together, or all at one domain. Reads all of it."""
    found = Usage()
    for row in db.rows(_IN_ALL_AT, domain) if domain else db.rows(_IN_ALL):
        found = _added(found, *row)
    return found


def total(db: Database) -> int:
    """The bytes of all files and open slots, and of what is not deleted yet."""
    known = db.memory[TOTAL].get("")
    return known if known is not None else db.memory[TOTAL].put("", int(db.rows(_TOTAL)[0][0] or 0))


def since(db: Database, account: str, moment: float) -> list[tuple[float, int]]:
    """When slots were given to an account since then, and for how many bytes, the first one first."""
    return [(created, size) for created, size in db.rows(_SINCE, account, moment)]


def next_to_go(db: Database, account: str, but: str) -> list[tuple[float, int]]:
    """When an account's files expire, and open slots are over, with their bytes, but for those of one purpose."""
    return [(due, size) for due, size in db.rows(_NEXT_TO_GO, account, but)]


def oldest(db: Database, account: str, purpose: str, but: int) -> list[tuple[int, int]]:
    """The ids and bytes of an account's files for a purpose, the oldest first, but for this id."""
    return [(id, size) for id, size in db.rows(_OLDEST, account, purpose, but)]


def _added(usage: Usage, state: str, count: int, size: int) -> Usage:
    if state == STORED:
        return usage._replace(files=usage.files + count, bytes=usage.bytes + size)
    if state == OPEN:
        return usage._replace(slots=usage.slots + count, slot_bytes=usage.slot_bytes + size)
    return usage


def _file(row: tuple[object, ...]) -> File:
    id, slot, account, *others = row
    return File(id, slot, JID.parse(str(account)), *others)  # type: ignore[arg-type]
