"""Invitations: how they are made, what a token stands for, and what becomes of one that is accepted.

An invitation is used in one transaction with what it is for, so that of two who use the last one together just one
wins, and a registration that fails uses nothing up. Nobody but who made it ever sees the token.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from db import accounts as account_records
from db import invitations as records
from db.invitations import ACCOUNT, CONTACT, RESET, AlreadySpent, Invitation
from handlers.admin import roles
from handlers.invitations import joining, links
from handlers.invitations.settings import DAY_SECONDS, EVERYBODY, InvitationSettings
from handlers.login import accounts, register
from handlers.login.suspended import is_suspended
from xmpp.data.errors import StanzaError
from xmpp.data.ids import random_token
from xmpp.data.jid import JID
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

HOUR_SECONDS = 3_600.0
MAX_TOKEN = 200  # characters; a longer one is none
SPENT_KEPT = 50  # of one inviter: those that are used up are told apart from those that never were

UNKNOWN = "unknown"  # there is no such invitation (any more), or who made it may not invite
EXPIRED = "expired"
USED = "used"
OPEN = "open"


class Link(NamedTuple):
    """An invitation that was just made, with all that is ever told of its token. `uri`: for XMPP clients, "" where
    there is none; `page`: for browsers, None where there are no pages."""

    invitation: Invitation
    token: str
    uri: str
    page: str | None


class Found(NamedTuple):
    """What a token stands for. `problem`: why it cannot be used, one of UNKNOWN, EXPIRED, USED; "" if it can be.
    `invitation` is None if it is UNKNOWN."""

    invitation: Invitation | None
    problem: str


# -- who may invite


def may_invite_contacts(server: "Server", account: JID) -> bool:
    """True if an account may invite people to become its contacts."""
    return _may(server, account, server.settings_at(account.domain, InvitationSettings).contacts)


def may_invite_newcomers(server: "Server", account: JID) -> bool:
    """True if an account may invite people who have none to make one, at its own domain."""
    return _may(server, account, server.settings_at(account.domain, InvitationSettings).newcomers)


def still_holds(server: "Server", invitation: Invitation) -> bool:
    """True if who made an invitation could make it now, too; one that was made on the command line always holds."""
    inviter = invitation.inviter
    if inviter is None:
        return True
    if is_suspended(server, inviter):
        return False
    if invitation.kind == CONTACT:
        return may_invite_contacts(server, inviter)
    may_in_all, may_there = roles.reach(server, inviter) == "", roles.reach(server, inviter) == invitation.domain
    if invitation.kind == RESET:
        is_greater = invitation.resets is not None and roles.is_administrator(server, invitation.resets)
        return may_in_all or (may_there and not is_greater)
    if invitation.reserved is not None and roles.is_configured(server, invitation.reserved):
        return may_in_all
    return may_in_all or may_there or (
        inviter.domain == invitation.domain and may_invite_newcomers(server, inviter)
    )  # fmt: skip


def _may(server: "Server", account: JID, who: str) -> bool:
    if roles.is_limited(server, account):
        return False
    return who == EVERYBODY or roles.reach(server, account) in ("", account.domain)


def lets_register(server: "Server", invitation: Invitation) -> bool:
    """True if an account can be made with an invitation: with that to become a contact only if who made it may invite
    newcomers, too."""
    if not still_holds(server, invitation):
        return False
    if invitation.kind == CONTACT:
        return invitation.inviter is not None and may_invite_newcomers(server, invitation.inviter)
    return invitation.kind == ACCOUNT


# -- making


def invite_contact(server: "Server", inviter: JID) -> Link:
    """Make an invitation to become a contact of somebody, who has asked for it (XEP-0401 section 4.1); whoever has no
    account can make one with it if the inviter may invite newcomers. Raises StanzaError if he has too many open."""
    days = server.settings(InvitationSettings).days
    return _make(server, _blank(CONTACT, inviter.domain, inviter, days * DAY_SECONDS)._replace(is_contact=True))


def invite_newcomer(
    server: "Server",
    domain: str,
    *,
    inviter: JID | None = None,
    is_contact: bool = False,
    reserved: JID | None = None,
    group: int | None = None,
    uses: int = 1,
    seconds: float = 0.0,
) -> Link:
    """Make an invitation to make an account at a domain; whether the inviter may is for the caller to say.

    `is_contact`: the newcomer and the inviter become contacts. `reserved`: the only account that can be made with it;
    nobody else gets that name, nor one that looks like it, until it expires. `group`: the id of the group that the
    newcomer joins. `seconds`: how long it holds; 0: as long as usual. Raises StanzaError: conflict if the name is
    taken or reserved, resource-constraint, not-acceptable.
    """
    settings = server.settings(InvitationSettings)
    if not 1 <= uses <= settings.max_uses:
        raise StanzaError("not-acceptable", f"an invitation can be used 1 to {settings.max_uses} times")
    if reserved is not None:
        if uses > 1:
            raise StanzaError("not-acceptable", "an invitation for one name can be used once")
        _refuse_taken(server, reserved)
    made = _blank(ACCOUNT, domain, inviter, seconds or settings.days * DAY_SECONDS)
    wanted = made._replace(is_contact=is_contact, reserved=reserved, group=group, uses_left=uses)
    return _make(server, wanted)


def offer_reset(server: "Server", account: JID, *, inviter: JID | None = None) -> Link:
    """Make a link by which the password of an account is set anew, in place of any earlier one; whether somebody may
    have it is for the caller to say. Raises StanzaError."""
    seconds = server.settings(InvitationSettings).reset_hours * HOUR_SECONDS
    with server.db.change():
        records.remove_resets(server.db, account)
        return _make(server, _blank(RESET, account.domain, inviter, seconds)._replace(resets=account))


# -- looking


def look_up(server: "Server", token: str) -> Found:
    """What a token stands for, and whether it can be used now. It changes nothing."""
    invitation = records.find(server.db, token) if 0 < len(token) <= MAX_TOKEN else None
    if invitation is None or invitation.domain not in server.domains or not still_holds(server, invitation):
        return Found(None, UNKNOWN)
    found = state(invitation)
    return Found(invitation, "" if found == OPEN else found)


def state(invitation: Invitation) -> str:
    """USED if nobody can use it any more, else EXPIRED or OPEN."""
    if not invitation.uses_left:
        return USED
    return EXPIRED if invitation.expires <= time.time() else OPEN


# -- accepting


def make_account(server: "Server", id: int, account: JID, password: str, peer: str) -> None:
    """Make the account that an invitation (by its id) is for, for somebody at this address of the network: he and the
    inviter become contacts if that is what it says, and he joins its group. Yields until the group knows him, if
    that does not take long.

    Whether it has expired is looked at when somebody comes with it, and not here (XEP-0445 section 4). Raises
    StanzaError, and then nothing is used up: not-allowed if it cannot be used (any more), not-acceptable for another
    name than the one that it is for, or for what is no good password; conflict.
    """
    invitation = records.get(server.db, id)
    if invitation is None or account.domain != invitation.domain or not lets_register(server, invitation):
        raise StanzaError("not-allowed", "no account can be made with this invitation")
    reserved = invitation.reserved
    if reserved is not None and account != reserved:
        raise StanzaError("not-acceptable", f"this invitation is for {reserved}")
    if records.is_reserved(server.db, account, time.time(), but=id):
        raise StanzaError("conflict")
    joined = joining.Joined(account)
    within = _accepting(server, invitation, joined)
    try:
        register.make_invited(server, account, password, peer, within, is_given=reserved is not None)
    except AlreadySpent:
        raise StanzaError("not-allowed", "this invitation was used meanwhile") from None
    log.info("account %s was made with invitation %d%s", one_word(account), id, _of(invitation))
    joining.tell(server, invitation, joined)


def set_password(server: "Server", token: str, password: str) -> JID:
    """Set the password of the account that a link resets: its sessions end, and no such link holds any more. Returns
    the account. Yields. Raises StanzaError: item-not-found if the link does not hold (any more), not-acceptable for
    what is no good password."""
    invitation, problem = look_up(server, token)
    if problem or invitation is None or invitation.resets is None:
        raise StanzaError("item-not-found", "this link does not hold any more")
    try:
        register.check_password(server, password)
        accounts.change_password(server, invitation.resets, password, within=_spending(server, invitation))
    except (AlreadySpent, accounts.NoSuchAccount):
        raise StanzaError("item-not-found", "this link was used meanwhile") from None
    except ValueError as error:
        raise StanzaError("not-acceptable", str(error)) from None
    log.info("account %s was given another password by link %d", one_word(invitation.resets), invitation.id)
    return invitation.resets


# -- parts


def _blank(kind: str, domain: str, inviter: JID | None, seconds: float) -> Invitation:
    now = time.time()
    return Invitation(0, kind, domain, inviter, False, None, None, None, 1, now, now + seconds)


def _make(server: "Server", wanted: Invitation) -> Link:
    _refuse_too_many(server, wanted.inviter)
    token = random_token()
    made = records.create(server.db, token, wanted)
    log.info("invitation %d (%s) was made%s", made.id, made.kind, _of(made))
    may_register = lets_register(server, made)
    return Link(made, token, links.uri(made, token, may_register=may_register), links.page(server, made, token))


def _refuse_too_many(server: "Server", inviter: JID | None) -> None:
    settings, now = server.settings(InvitationSettings), time.time()
    is_administrators = inviter is None or roles.is_administrator(server, inviter)
    most = settings.max_open * (2 if is_administrators else 1)  # or all others together could keep them from it
    if records.count_open(server.db, now) >= most:
        raise StanzaError("resource-constraint", "too many invitations are open here")
    if inviter is None or is_administrators:
        return
    if records.count_open(server.db, now, inviter) >= settings.max_open_per_account:
        raise StanzaError("resource-constraint", "too many of your invitations are open")
    records.trim_spent(server.db, inviter, SPENT_KEPT)


def _refuse_taken(server: "Server", account: JID) -> None:
    db = server.db
    if account_records.exists(db, account) or account_records.has_double(db, account):
        raise StanzaError("conflict", f"{account}, or what looks like it, exists")
    if records.is_reserved(db, account, time.time()):
        raise StanzaError("conflict", f"{account}, or what looks like it, is kept for somebody who was invited")


def _of(invitation: Invitation) -> str:
    return f" by {one_word(invitation.inviter)}" if invitation.inviter is not None else ""


@contextmanager
def _spending(server: "Server", invitation: Invitation) -> Iterator[None]:
    records.spend(server.db, invitation.id)
    yield


@contextmanager
def _accepting(server: "Server", invitation: Invitation, joined: joining.Joined) -> Iterator[None]:
    """Within the change that adds the account: first it is used, so that whoever comes too late changes nothing."""
    records.spend(server.db, invitation.id)
    yield
    joining.enter(server, invitation, joined)
