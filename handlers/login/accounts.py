"""Making and removing accounts and changing passwords, for in-band registration and the command line; and stanzas to
accounts that do not exist."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from db import accounts as account_records
from db import devices, fast_tokens
from db import invitations as invitation_records
from handlers.contacts import partings
from handlers.login.clients import Access
from handlers.login.sasl import passwords
from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.jid import JID
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import Feature
from xmpp.routing.session import Session
from xmpp.routing.tables import AccountStep, Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

feature = Feature("accounts", rfc="6121", optional=False, needs=["sasl"])

ACCOUNT_REMOVED = Table[AccountStep]("ACCOUNT_REMOVED")  # f(server, account), before its rows are


class NoSuchAccount(Exception):
    """There is no account at that address; nothing was changed."""

    def __init__(self, account: JID) -> None:
        super().__init__(f"{account} does not exist")


class Overtaken(Exception):
    """The password was changed by somebody else while this one was being salted; this one was not kept."""

    def __init__(self, account: JID) -> None:
        super().__init__(f"the password of {account} was changed meanwhile")


def create(
    server: "Server", account: JID, password: str, within: AbstractContextManager[None] | None = None
) -> None:
    """Make an account. Yields; raises as create_many does."""
    create_many(server, [(account, password)], within)


def create_many(
    server: "Server", given: Sequence[tuple[JID, str]], within: AbstractContextManager[None] | None = None
) -> None:
    """Make all of these accounts, or none. Yields.

    `within`: entered within the change that adds them; whatever it raises undoes all of that. Raises
    db.accounts.AccountExists, and ValueError for an address that cannot be an account here or a password that is not
    allowed.
    """
    _create(server, given, passwords.salted, within)


def import_many(server: "Server", given: Sequence[tuple[JID, str]]) -> None:
    """Make all of these accounts, or none, with passwords or with what another server has kept of them. Yields; raises
    as create_many does."""
    _create(server, given, passwords.salted_or_kept)


def _create(
    server: "Server",
    given: Sequence[tuple[JID, str]],
    credentials_of: Callable[["Server", Sequence[str]], Sequence[account_records.Credentials]],
    within: AbstractContextManager[None] | None = None,
) -> None:
    for account, _ in given:
        _refuse_unsuitable(server, account)
        if account_records.exists(server.db, account):  # looked at again when they are stored; this saves the hashing
            raise account_records.AccountExists(account)
    credentials = credentials_of(server, [password for _, password in given])
    accounts = [account for account, _ in given]
    partings.wait_until_told(server, accounts)
    with server.db.change(), within or nullcontext():
        account_records.create_many(server.db, zip(accounts, credentials, strict=True), time.time())


def _refuse_unsuitable(server: "Server", account: JID) -> None:
    if not account.local or account.resource or not server.ownership.is_ours(account):
        raise ValueError(f"{account} cannot be an account here; expected NAME@DOMAIN, with a domain that is served")


def change_password(
    server: "Server",
    account: JID,
    password: str,
    keep: Session | None = None,
    within: AbstractContextManager[None] | None = None,
) -> None:
    """Change the password and end all sessions of the account but `keep`, the one that asked, if one did. Nobody can
    reset it any more by a link of before, and no token is good any more. Yields.

    `within`: entered within the change; whatever it raises undoes all of that.
    Raises NoSuchAccount, also if the account was removed meanwhile, even if another has its name now; ValueError for a
    password that is not allowed; Overtaken if a session asked, and the password was changed meanwhile.
    """
    identity = account_records.identity(server.db, account) if keep is None else keep.identity
    before = account_records.credential(server.db, account, passwords.PLAIN_HASH)
    [credentials] = passwords.salted(server, [password])
    if identity is None or account_records.identity(server.db, account) != identity:
        raise NoSuchAccount(account)
    # The other change was to end this session, perhaps to shut somebody out: they must not have the last word.
    if keep is not None and account_records.credential(server.db, account, passwords.PLAIN_HASH) != before:
        raise Overtaken(account)
    with server.db.change(), within or nullcontext():
        account_records.set_credentials(server.db, account, credentials)
        invitation_records.remove_resets(server.db, account)
        devices.password_changed(server.db, account, _client_of(keep))
    # RFC 6120 section 4.9.3.16: what secured the stream has been revoked, the client is to log in anew.
    end_sessions(server, account, StreamError("reset", "the password was changed"), keep)


def _client_of(session: Session | None) -> str:
    access = session.state(Access) if session is not None else None
    return access.client if access is not None else ""


def remove(server: "Server", account: JID) -> None:
    """Remove an account with all it keeps, and end its sessions. Raises NoSuchAccount. Yields until its contacts have
    been told."""
    erase(server, account)
    end_removed(server, account)
    server.portions.wait_for_own()


def erase(server: "Server", account: JID) -> None:
    """The first half of `remove`: delete the account. Its sessions go on, so that they can be answered. Raises
    NoSuchAccount."""
    if not account_records.exists(server.db, account):
        raise NoSuchAccount(account)
    with server.db.change():
        for step in server.tables[ACCOUNT_REMOVED]:
            step(server, account)
        account_records.remove(server.db, account)


def end_removed(server: "Server", account: JID) -> None:
    """The second half of `remove`: end the sessions (XEP-0077 section 3.2)."""
    end_sessions(server, account, StreamError("not-authorized", "the account was removed"))


def shut_out(server: "Server", account: JID, error: StreamError) -> None:
    """End whatever somebody who has logged in to an account has of that: its sessions, and what clients log in with in
    place of the password. Who may log in is another matter."""
    fast_tokens.remove_all(server.db, account)
    end_sessions(server, account, error)


def end_sessions(server: "Server", account: JID, error: StreamError, keep: Session | None = None) -> None:
    """End all sessions of an account but `keep`, and its streams that have not bound a resource yet."""
    for session in server.online.sessions(account):
        if session is not keep:
            session.close(error)
    server.close_unbound_streams(account, error)


@feature.step
def refuse_unknown(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED, IQ_RECEIVED and others: refuse what is for no account (RFC 6121 section 8.5.1)."""
    if not account_records.exists(delivery.server.db, delivery.account):
        raise StanzaError("service-unavailable")


@feature.step
def ignore_unknown(delivery: Delivery) -> Literal["stop"] | None:
    """PRESENCE_RECEIVED: presence for no account vanishes, and the sender is not told."""
    return None if account_records.exists(delivery.server.db, delivery.account) else STOP
