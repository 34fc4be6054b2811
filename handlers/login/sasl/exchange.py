"""What the mechanisms have in common: data in, an outcome out. They touch neither a socket nor the database."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from db.accounts import Credential
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID, MalformedJID


@dataclass(frozen=True)
class Challenge:
    """The exchange goes on: the client is to answer this."""

    data: bytes


@dataclass(frozen=True)
class Verdict:
    """The exchange is over. `is_right`: the client has proven to know the account's password. `data` goes with
    <success/>."""

    account: JID
    is_right: bool
    data: bytes = b""


class WrongPassword(SASLFailure):
    """The exchange went to its end, and the client is not let in. `account` and `reason` are for the log only."""

    def __init__(self, account: JID, reason: str) -> None:
        super().__init__("not-authorized")
        self.account = account
        self.reason = reason


class NotCounted(SASLFailure):
    """The client has not shown any password yet, so this need not count as a failed attempt."""


class CannotBind(NotCounted):
    """The client wants a channel binding that this connection does not have."""


class WithoutPrejudice(NotCounted):
    """The client goes by what it was offered some other time (XEP-0509). Nobody has failed to log in."""


class Exchange(Protocol):
    """One attempt to log in by one mechanism."""

    def respond(self, data: bytes) -> Challenge | Verdict:
        """Take the client's next message. Raises SASLFailure, which ends the exchange as well. May yield."""


class Basis(Protocol):
    """What an attempt to log in rests on, such as a password: that is its `kind`. It may have changed by the end of the
    attempt."""

    kind: str

    @property
    def account(self) -> JID | None:
        """The account that was asked for; None if the client has not named one yet."""

    identity: str | None
    """Of that account; None if it does not exist."""

    def still_holds(self) -> bool:
        """True if the account is still the one that was asked for, and may be logged in to so. Raises SASLFailure where
        the client may know the reason."""

    def complete(self) -> None:
        """Keep what was learned about the account; `still_holds` has said yes in this turn."""


CredentialOf = Callable[[JID, str], Credential]
"""(account, hash) -> what a password is checked with; a false credential if there is no such account."""


def claimed_account(name: str, authzid: str, host: str) -> JID:
    """The account of this user name at our host. Raises SASLFailure if there can be none, or if the authorization
    identity is another one: nobody acts for somebody else (RFC 6120 section 6.3.8)."""
    try:
        account = JID.of(name, host)
    except MalformedJID:
        raise SASLFailure("not-authorized") from None
    if authzid and not _is_same(authzid, account):
        raise SASLFailure("invalid-authzid")
    return account


def text_of(data: bytes) -> str:
    """The client's message as text. Raises SASLFailure if it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SASLFailure("malformed-request", "not UTF-8") from None


def _is_same(authzid: str, account: JID) -> bool:
    try:
        return JID.parse(authzid).bare == account
    except MalformedJID:
        return False
