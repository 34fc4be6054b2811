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
    """The exchange is over: whether the client is who it says. `data` goes along with success."""

    account: JID
    is_right: bool
    data: bytes = b""


class WrongPassword(SASLFailure):
    """An attempt that came to its end. `account` and `reason` are for the log: the client is told neither."""

    def __init__(self, account: JID, reason: str) -> None:
        super().__init__("not-authorized")
        self.account = account
        self.reason = reason


class CannotBind(SASLFailure):
    """The client wants to bind to its channel in a way that this connection does not have. Nothing was said of a
    password yet, so that it is no failed attempt."""


class Exchange(Protocol):
    """One attempt to log in by one mechanism."""

    def respond(self, data: bytes) -> Challenge | Verdict:
        """Take the client's next message. Raises SASLFailure, which ends the exchange too."""


CredentialOf = Callable[[JID, str], Credential]
"""(account, hash) -> what its password is checked with: for an account that does not exist, a false one."""


def claimed_account(name: str, authzid: str, host: str) -> JID:
    """The account of this user name at our host. Raises SASLFailure.

    Nobody may act for somebody else: an authorization identity has to be the account itself (RFC 6120 section 6.3.8).
    """
    try:
        account = JID.of(name, host)
    except MalformedJID:
        raise SASLFailure("not-authorized") from None
    if authzid and not _is_same(authzid, account):
        raise SASLFailure("invalid-authzid")
    return account


def text_of(data: bytes) -> str:
    """The client's message as text. Raises SASLFailure."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SASLFailure("malformed-request", "not UTF-8") from None


def _is_same(authzid: str, account: JID) -> bool:
    try:
        return JID.parse(authzid).bare == account
    except MalformedJID:
        return False
