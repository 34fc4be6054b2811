"""Accounts that nobody can log in to, because an administrator has disabled them, or they are to be removed."""

from typing import TYPE_CHECKING

from db import suspensions
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def is_suspended(server: "Server", account: JID) -> bool:
    """True if nobody can log in to this account."""
    return suspensions.suspension(server.db, account) is not None


def refuse_suspended(server: "Server", account: JID) -> None:
    """Raise SASLFailure for such an account (RFC 6120 section 6.5.2): only for who has shown to know its password, or
    strangers would learn of it."""
    if is_suspended(server, account):
        raise SASLFailure("account-disabled")
