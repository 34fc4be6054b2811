"""What administrators do to accounts."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from db import accounts as account_records
from db import archive_sizes, archives, invitations, last_activity, offline, rosters, suspensions
from db import roles as role_records
from db.suspensions import Suspension
from handlers.admin import roles
from handlers.admin.given import (
    SHOWN,
    Administrator,
    address,
    after_address,
    changeable_account,
    domains_of,
    existing_account,
    note,
    refuse_raising,
    unhurried,
)
from handlers.login import accounts
from xmpp.control import Refused
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.routing.session import Session

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

DAY_SECONDS = 86_400.0
MAX_DAYS = 3_650
KINDS = ("", "administrators", "limited", "disabled", "leaving")


class Person(NamedTuple):
    """An account in a list. Times are in seconds since 1970; `remove_at` is when it is to be removed. `role`: as it was
    given; `is_administrator`, also by the configuration."""

    account: str
    created: float
    sessions: int
    is_administrator: bool
    disabled_at: float | None
    remove_at: float | None
    role: str


class Details(NamedTuple):
    """What is told of one account. `is_configured`: it is an administrator by the configuration. `seen_at`: when it
    went offline last. `waiting`: messages that are kept until it comes. `archive_bytes`: as far as it was counted."""

    person: Person
    is_configured: bool
    seen_at: float | None
    contacts: int
    waiting: int
    waiting_bytes: int
    archive_bytes: int


# -- looking


def listing(server: "Server", by: Administrator) -> list[Person]:
    """Every account. Yields."""
    found = unhurried(account_records.in_order(server.db, domain=by.domain))
    return [_person(server, account, made) for account, made in found]


def search(
    server: "Server", by: Administrator, text: str = "", kind: str = "", after: str = "", most: int = SHOWN
) -> list[Person]:
    """At most so many accounts of a kind (one of KINDS, "" for all) that have this text in their address, in order,
    after this address. Yields."""
    found = list[Person]()
    if kind not in KINDS:
        raise Refused(f"{kind!r} is no kind of account, expected one of {', '.join(KINDS[1:])}.")
    wanted, start = text.strip().casefold(), after_address(after)
    for account, created in unhurried(_candidates(server, by, kind, start)):
        if len(found) >= most:
            break
        if wanted in account and by.may_at(account.domain):
            found.append(_person(server, account, created))
    return found


def details(server: "Server", by: Administrator, account: str) -> Details:
    """All that is told of an account. Raises Refused if there is none."""
    jid = existing_account(server, by, account)
    db, usage, seen = server.db, offline.usage(server.db, jid), last_activity.get(server.db, jid)
    archive = archives.number_of(db, jid)
    return Details(
        _person(server, jid, account_records.since(db, jid)),
        roles.is_configured(server, jid),
        seen.at if seen else None,
        len(rosters.roster(db, jid)),
        usage.messages,
        usage.bytes,
        archive_sizes.size(db, archive) if archive is not None else 0,
    )


def unsuitable(server: "Server", by: Administrator, addresses: Sequence[str]) -> list[tuple[int, str]]:
    """Return the addresses for which no account can be made: (place in the list, reason). Yields."""
    reasons = [(place, _objection(server, by, each)) for place, each in enumerate(unhurried(addresses))]
    return [(place, reason) for place, reason in reasons if reason]


# -- changing


def add(server: "Server", by: Administrator, account: str, password: str) -> None:
    """Make an account. Yields."""
    import_accounts(server, by, [(account, password)])


def import_accounts(server: "Server", by: Administrator, accounts_and_passwords: Sequence[tuple[str, str]]) -> None:
    """Make all of these accounts, or none; in place of a password there may be keys that another server has kept of it
    (RFC 5803). Yields."""
    given = [(_new_account(server, by, text), password) for text, password in accounts_and_passwords]
    try:
        accounts.import_many(server, given)
    except account_records.AccountExists as error:
        raise Refused(f"{error}.", "conflict") from error
    except ValueError as error:
        raise Refused(f"{error}.") from error
    for account, _ in given:
        note(by, "account", account, "was made")


def change_password(
    server: "Server", by: Administrator, account: str, password: str, asking: Session | None = None
) -> None:
    """Change the password of an account, which ends its sessions but the one that is `asking`, if that is its own.
    Yields."""
    jid = changeable_account(server, by, account)
    own = asking if asking is not None and asking.account == jid else None
    try:
        accounts.change_password(server, jid, password, keep=own)
    except (accounts.NoSuchAccount, accounts.Overtaken, ValueError) as error:
        raise Refused(f"{error}.") from error
    note(by, "account", jid, "was given another password")


def set_role(server: "Server", by: Administrator, account: str, role: str) -> None:
    """Give an account a role in place of the one that it has. It counts at once, for its sessions too."""
    jid = changeable_account(server, by, account)
    if role not in roles.ROLES:
        raise Refused(f"{role!r} is no role, expected {', '.join(roles.ROLES[:-1])} or {roles.ROLES[-1]}.")
    if role != roles.ADMINISTRATOR:
        _refuse_oneself(by, jid)
        if roles.is_configured(server, jid):
            raise Refused(f"{jid} is an administrator by the configuration: take it out of [server] administrators.")
    role_records.give(server.db, jid, None if role == roles.MEMBER else role)
    note(by, "account", jid, f"was given the role {role}")


def administrators(server: "Server", by: Administrator, domain: str = "") -> list[JID]:
    """The accounts at a domain, or at all, that were given the role of an administrator, in order."""
    domains = domains_of(server, by, domain)
    return [jid for jid in role_records.holders(server.db, roles.ADMINISTRATOR) if jid.domain in domains]


def appoint(server: "Server", by: Administrator, accounts: Sequence[str], domain: str) -> None:
    """Have these be the accounts at a domain with the role of an administrator: all of them, and no other."""
    wanted = {changeable_account(server, by, account) for account in accounts}
    for account in wanted:
        if account.domain != domain:
            raise Refused(f"{account} cannot be an administrator of {domain}.")
    had = set(administrators(server, by, domain))
    for dismissed in had - wanted:
        _refuse_oneself(by, dismissed)
    with server.db.change():
        for each in sorted(had - wanted):
            set_role(server, by, each, roles.MEMBER)
        for each in sorted(wanted - had):
            set_role(server, by, each, roles.ADMINISTRATOR)


def disable(server: "Server", by: Administrator, account: str) -> None:
    """Have nobody log in to an account from now on, which ends its sessions; all that it keeps stays."""
    jid = to_disable(server, by, account)
    suspensions.put(server.db, jid, _suspension(server, jid)._replace(disabled_at=time.time()))
    note(by, "account", jid, "was disabled")
    accounts.shut_out(server, jid, StreamError("not-authorized", "the account was disabled"))


def to_disable(server: "Server", by: Administrator, account: str) -> JID:
    """The account that is to be disabled. Raises Refused if it cannot be."""
    jid = changeable_account(server, by, account)
    _refuse_oneself(by, jid)
    if _suspension(server, jid).disabled_at is not None:
        raise Refused(f"{jid} is disabled already.", "conflict")
    return jid


def enable(server: "Server", by: Administrator, account: str) -> None:
    """Have the owner of an account log in again that was disabled."""
    jid = to_enable(server, by, account)
    suspensions.put(server.db, jid, _suspension(server, jid)._replace(disabled_at=None))
    note(by, "account", jid, "was enabled")


def to_enable(server: "Server", by: Administrator, account: str) -> JID:
    """The account that is to be enabled. Raises Refused if it cannot be."""
    jid = changeable_account(server, by, account)
    if _suspension(server, jid).disabled_at is None:
        raise Refused(f"{jid} is not disabled.", "conflict")
    return jid


def remove(server: "Server", by: Administrator, account: str, days: int = 0) -> None:
    """Remove an account with everything it has, which ends its sessions. For so many days it can be restored; with 0
    it is gone at once, and then this yields."""
    jid = to_remove(server, by, account)
    if not 0 <= days <= MAX_DAYS:
        raise Refused(f"An account can be kept for at most {MAX_DAYS} days.")
    if days:
        when = time.time() + days * DAY_SECONDS
        suspensions.put(server.db, jid, _suspension(server, jid)._replace(remove_at=when))
        note(by, "account", jid, f"is to be removed in {days} days, as was decided")
        accounts.shut_out(server, jid, StreamError("not-authorized", "the account was removed"))
        return
    try:
        accounts.remove(server, jid)
    except accounts.NoSuchAccount as error:
        raise Refused(f"{error}.") from error
    note(by, "account", jid, "was removed")


def to_remove(server: "Server", by: Administrator, account: str) -> JID:
    """The account that is to be removed. Raises Refused if it cannot be."""
    jid = changeable_account(server, by, account)
    _refuse_oneself(by, jid)
    return jid


def restore(server: "Server", by: Administrator, account: str) -> None:
    """Keep an account that was to be removed."""
    jid = changeable_account(server, by, account)
    was = _suspension(server, jid)
    if was.remove_at is None:
        raise Refused(f"{jid} is not to be removed.", "conflict")
    suspensions.put(server.db, jid, was._replace(remove_at=None))
    note(by, "account", jid, "was restored")


# -- parts


def _candidates(server: "Server", by: Administrator, kind: str, after: JID | None) -> Iterator[tuple[JID, float]]:
    db = server.db
    if not kind:
        return account_records.in_order(db, after, domain=by.domain)
    if kind == "administrators":
        chosen = list(roles.administrators(server))
    elif kind == "limited":
        chosen = role_records.holders(db, roles.LIMITED)
    else:
        column = "disabled_at" if kind == "disabled" else "remove_at"
        chosen = [jid for jid, found in suspensions.listing(db) if getattr(found, column) is not None]
        chosen.sort(key=lambda jid: (jid.domain, jid))
    start = (after.domain, after) if after else ("", "")
    return ((jid, account_records.since(db, jid)) for jid in chosen if (jid.domain, jid) > start)


def _person(server: "Server", account: JID, created: float) -> Person:
    return Person(
        account,
        created,
        server.online.count(account),
        roles.is_administrator(server, account),
        *_suspension(server, account),
        roles.role(server, account),
    )


def _suspension(server: "Server", account: JID) -> Suspension:
    return suspensions.suspension(server.db, account) or Suspension()


def _refuse_oneself(by: Administrator, account: JID) -> None:
    """So that no administrator is locked out by a slip; another one can do it."""
    if by.name == account:
        raise Refused("You cannot do this to the account that you are logged in as.", "not-allowed")


def _objection(server: "Server", by: Administrator, text: str) -> str:
    try:
        account = _new_account(server, by, text)
    except Refused as refused:
        return str(refused)
    return f"{account} exists." if account_records.exists(server.db, account) else ""


def _new_account(server: "Server", by: Administrator, text: str) -> JID:
    account = address(text)
    if not server.ownership.serves(account.domain) or not by.may_at(account.domain):
        domains = [domain for domain in server.domains if by.may_at(domain)]
        raise Refused(f"{account.domain} is not served here; expected NAME@{' or NAME@'.join(domains)}.")
    refuse_raising(server, by, account)
    if invitations.is_reserved(server.db, account, time.time()):
        raise Refused(f"{account}, or what looks like it, is kept for somebody who was invited.")
    return account
