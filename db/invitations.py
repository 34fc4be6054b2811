"""Invitations: to make an account, to become somebody's contact, or to set another password of an account.

Of a token only the SHA-256 is kept. A row stays for a while when its invitation is used up or expired, so that whoever
follows the link is told that. An invitation belongs to who made it, to the account whose password it resets, and to the
group it leads into: it goes with each of them.
"""

from hashlib import sha256
from typing import NamedTuple

from peewee import SQL, AutoField, BlobField, FloatField, IntegerField, Model, TextField, fn

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared
from xmpp.data.confusables import look
from xmpp.data.jid import JID

ACCOUNT = "account"  # to make an account
CONTACT = "contact"  # to become a contact of the inviter
RESET = "password-reset"  # to set another password
KINDS = (ACCOUNT, CONTACT, RESET)


class InvitationRow(Model):
    id = AutoField()
    token_hash = BlobField()
    kind = TextField()
    domain = TextField()
    inviter = TextField(null=True)
    is_contact = IntegerField()
    reserved = TextField(null=True)
    reserved_look = TextField(null=True)
    resets = TextField(null=True)
    group_id = IntegerField(null=True)
    uses_left = IntegerField()
    created = FloatField()
    expires = FloatField()

    class Meta:
        table_name = "invitation"


class Invitation(NamedTuple):
    """What is kept of an invitation; times in seconds since 1970.

    `inviter`: the account that made it, None if it was made on the command line. `is_contact`: who accepts it and the
    inviter become each other's contacts. `reserved`: the only account that can be made with it. `resets`: the account
    whose password it resets. `group`: the id of the group that whoever makes an account joins.
    """

    id: int
    kind: str
    domain: str
    inviter: JID | None
    is_contact: bool
    reserved: JID | None
    resets: JID | None
    group: int | None
    uses_left: int
    created: float
    expires: float


_I = InvitationRow
_ALL = (
    _I.id, _I.kind, _I.domain, _I.inviter, _I.is_contact, _I.reserved, _I.resets, _I.group_id, _I.uses_left,
    _I.created, _I.expires,
)  # fmt: skip
_INSERT = Prepared(
    _I.insert(
        token_hash=ANY, kind=ANY, domain=ANY, inviter=ANY, is_contact=ANY, reserved=ANY, reserved_look=ANY, resets=ANY,
        group_id=ANY, uses_left=ANY, created=ANY, expires=ANY,
    )
)  # fmt: skip
_FIND = Prepared(_I.select(*_ALL).where(_I.token_hash == ANY))
_GET = Prepared(_I.select(*_ALL).where(_I.id == ANY))
_NEXT = Prepared(_I.select(*_ALL).where(_I.id > ANY).order_by(_I.id).limit(ANY))
_OF_INVITER = Prepared(_I.select(*_ALL).where(_I.inviter == ANY).order_by(_I.id.desc()).limit(ANY))
_SPEND = Prepared(_I.update(uses_left=_I.uses_left - SQL("1")).where((_I.id == ANY) & (_I.uses_left > SQL("0"))))
_IS_OPEN = (_I.uses_left > SQL("0")) & (_I.expires > ANY)
_COUNT = Prepared(_I.select(fn.COUNT(_I.id)).where(_IS_OPEN))
_COUNT_OF = Prepared(_I.select(fn.COUNT(_I.id)).where((_I.inviter == ANY) & _IS_OPEN))
_RESERVING = Prepared(
    _I.select(_I.id)
    .where((_I.reserved_look == ANY) & (_I.domain == ANY) & _IS_OPEN & (_I.id != ANY))
    .limit(SQL("1"))
)  # fmt: skip
_DELETE = Prepared(_I.delete().where(_I.id == ANY))
_DELETE_RESETS = Prepared(_I.delete().where(_I.resets == ANY))
_DELETE_EXPIRED = Prepared(
    _I.delete().where(_I.id.in_(_I.select(_I.id).where(_I.expires <= ANY).order_by(_I.expires).limit(ANY)))
)
_IS_SPENT_OF = (_I.inviter == ANY) & (_I.uses_left <= SQL("0"))
_TRIM_SPENT = Prepared(
    _I.delete().where(
        _IS_SPENT_OF & _I.id.not_in(_I.select(_I.id).where(_IS_SPENT_OF).order_by(_I.id.desc()).limit(ANY))
    )
)


class AlreadySpent(Exception):
    """Somebody else has used the invitation up, or it was revoked; nothing was changed."""


def create(db: Database, token: str, invitation: Invitation) -> Invitation:
    """Keeps an invitation, and returns it with the id that it has got; the one that it came with does not count."""
    made, reserved = invitation, invitation.reserved
    with db.change():
        db.write(
            _INSERT, _hash(token), made.kind, made.domain, made.inviter, made.is_contact, reserved,
            look(reserved.local or "") if reserved else None, made.resets, made.group, made.uses_left, made.created,
            made.expires,
        )  # fmt: skip
        kept = find(db, token)
    assert kept is not None
    return kept


def find(db: Database, token: str) -> Invitation | None:
    """The invitation that has this token, be it expired or used up; None if there is none."""
    row = db.row(_FIND, _hash(token))
    return _invitation(*row) if row else None


def get(db: Database, id: int) -> Invitation | None:
    """The invitation of this id, be it expired or used up; None if there is none."""
    row = db.row(_GET, id)
    return _invitation(*row) if row else None


def after(db: Database, id: int, most: int) -> list[Invitation]:
    """So many invitations that came after the one of this id, the oldest first; 0 for the first of all."""
    return [_invitation(*row) for row in db.rows(_NEXT, id, most)]


def of_inviter(db: Database, inviter: str, most: int) -> list[Invitation]:
    """So many invitations that an account has made, the newest first; those that are used up or have expired not long
    ago among them."""
    return [_invitation(*row) for row in db.rows(_OF_INVITER, inviter, most)]


def spend(db: Database, id: int) -> None:
    """Counts one use of an invitation, in the change in which what it is for is stored. Raises AlreadySpent.

    Whether it has expired is not looked at (XEP-0445 section 4).
    """
    if not db.write(_SPEND, id):
        raise AlreadySpent


def count_open(db: Database, now: float, inviter: str | None = None) -> int:
    """How many invitations can still be used: all, or those of one inviter."""
    values = (now,) if inviter is None else (inviter, now)
    return int(db.rows(_COUNT if inviter is None else _COUNT_OF, *values)[0][0])


def is_reserved(db: Database, account: JID, now: float, but: int = 0) -> bool:
    """True if the name of an account, or one that looks like it (UTS #39), waits for somebody who was invited; by
    another invitation than `but`."""
    return db.row(_RESERVING, look(account.local or ""), account.domain, now, but) is not None


def remove(db: Database, id: int) -> bool:
    """Removes an invitation; returns whether it was there."""
    return db.write(_DELETE, id) > 0


def remove_resets(db: Database, account: str) -> None:
    """Removes what could reset the password of an account."""
    db.write(_DELETE_RESETS, account)


def remove_expired(db: Database, before: float, most: int) -> int:
    """Removes so many invitations that expired before this moment; returns how many it were."""
    return db.write(_DELETE_EXPIRED, before, most)


def trim_spent(db: Database, inviter: str, most: int) -> None:
    """Removes the oldest invitations of an inviter that are used up, so that `most` of them stay."""
    db.write(_TRIM_SPENT, inviter, inviter, most)


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _invitation(
    id: int, kind: str, domain: str, inviter: str | None, is_contact: int, reserved: str | None, resets: str | None,
    group: int | None, uses_left: int, created: float, expires: float,
) -> Invitation:  # fmt: skip
    return Invitation(
        id, kind, domain, _jid(inviter), bool(is_contact), _jid(reserved), _jid(resets), group, uses_left, created,
        expires,
    )  # fmt: skip


def _jid(text: str | None) -> JID | None:
    return JID.parse(text) if text is not None else None
