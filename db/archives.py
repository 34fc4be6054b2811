"""The archives of accounts and rooms: the number that stands for each in its messages, and what is to be archived
(XEP-0441)."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from peewee import AutoField, BooleanField, CompositeKey, IntegerField, Model, TextField

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from db.sqlite.queries import ANY, Prepared
from xmpp.data.jid import JID


class ArchiveOwner(Model):
    number = AutoField()
    account = TextField(null=True)
    by_default = TextField()
    bytes = IntegerField()  # see db/archive_sizes.py
    room = IntegerField(null=True)  # neither an account nor a room: it is gone, and the messages are being deleted

    class Meta:
        table_name = "archive"


class ArchiveRule(Model):
    archive = IntegerField()
    jid = TextField()
    is_archived = BooleanField()

    class Meta:
        table_name = "archive_rule"
        primary_key = CompositeKey("archive", "jid", "is_archived")


HAS_OWNER = ArchiveOwner.account.is_null(False) | ArchiveOwner.room.is_null(False)
HAS_NO_OWNER = ArchiveOwner.account.is_null() & ArchiveOwner.room.is_null()

_FIND = Prepared(ArchiveOwner.select(ArchiveOwner.number, ArchiveOwner.by_default).where(ArchiveOwner.account == ANY))
_INSERT = Prepared(ArchiveOwner.insert(account=ANY, by_default=ANY))
_FIND_OF_ROOM = Prepared(ArchiveOwner.select(ArchiveOwner.number).where(ArchiveOwner.room == ANY))
_INSERT_OF_ROOM = Prepared(ArchiveOwner.insert(room=ANY, by_default=ANY))
_UPDATE = Prepared(ArchiveOwner.update(by_default=ANY).where(ArchiveOwner.number == ANY))
_FIND_RULES = Prepared(ArchiveRule.select(ArchiveRule.jid, ArchiveRule.is_archived).where(ArchiveRule.archive == ANY))
_INSERT_RULE = Prepared(ArchiveRule.insert(archive=ANY, jid=ANY, is_archived=ANY))
_DELETE_RULES = Prepared(ArchiveRule.delete().where(ArchiveRule.archive == ANY))


class Archive(NamedTuple):
    """An archive, and the preferences of the account whose it is; a room has none."""

    number: int
    by_default: str = "always"
    """always, never or roster: what is done with messages of contacts that are in neither list."""
    always: frozenset[JID] = frozenset()
    never: frozenset[JID] = frozenset()


def _weight(archive: Archive) -> int:
    """About how many bytes of memory it takes."""
    listed = archive.always | archive.never
    return ARCHIVE_BYTES * (1 + len(listed)) + sum(map(len, listed))


ARCHIVE_BYTES = 200  # and as much for each address in its lists, beside their texts
ARCHIVES = Remembered[Archive](bound=50_000_000, weigh=_weight)
ROOM_ARCHIVES = Remembered[Archive](bound=100_000)


def of(db: Database, account: str) -> Archive:
    """The archive of an account; made when it is first asked for. Raises ConstraintViolated if there is no such
    account."""
    known = db.memory[ARCHIVES].get(account)
    if known is not None:
        return known
    found = db.row(_FIND, account)
    if found is None:
        db.write(_INSERT, account, Archive(0).by_default)
        found = db.row(_FIND, account)
        assert found is not None
    number, by_default = found
    return db.memory[ARCHIVES].put(account, Archive(number, by_default, *_rules(db, number)))


def number_of(db: Database, account: str) -> int | None:
    """The number of an account's archive; None if it has none yet."""
    row = db.row(_FIND, account)
    return row[0] if row else None


def of_room(db: Database, room: int) -> Archive:
    """The archive of a room, by its id, as `of` gives that of an account."""
    known = db.memory[ROOM_ARCHIVES].get(room)
    if known is not None:
        return known
    found = db.row(_FIND_OF_ROOM, room)
    if found is None:
        db.write(_INSERT_OF_ROOM, Archive(0).by_default, room)
        found = db.row(_FIND_OF_ROOM, room)
        assert found is not None
    return db.memory[ROOM_ARCHIVES].put(room, Archive(found[0]))


def set_preferences(
    db: Database, account: str, by_default: str, always: Collection[JID], never: Collection[JID]
) -> Archive:
    """Replaces an account's preferences. The caller limits their number."""
    changed = of(db, account)._replace(by_default=by_default, always=frozenset(always), never=frozenset(never))
    with db.change():
        db.write(_UPDATE, by_default, changed.number)
        db.write(_DELETE_RULES, changed.number)
        db.write_many(_INSERT_RULE, _rows(changed))
    return db.memory[ARCHIVES].put(account, changed)


def _rules(db: Database, number: int) -> tuple[frozenset[JID], frozenset[JID]]:
    rows = db.rows(_FIND_RULES, number)
    always = frozenset(JID.parse(jid) for jid, is_archived in rows if is_archived)
    return always, frozenset(JID.parse(jid) for jid, is_archived in rows if not is_archived)


def _rows(archive: Archive) -> Iterator[tuple[object, ...]]:
    for jids, is_archived in ((archive.always, True), (archive.never, False)):
        yield from ((archive.number, jid, is_archived) for jid in sorted(jids))
