"""The roles of accounts. Who is an administrator, and of what: whoever the configuration names, of the whole server;
accounts that were given the role, of their own domain. (What limited ones may not do: limited.py.)
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from db import accounts, roles
from xmpp.config.settings import ServerSettings
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

MEMBER = "member"
"""The role of an account that was given none."""
LIMITED = "limited"
ADMINISTRATOR = "administrator"
ROLES = (MEMBER, LIMITED, ADMINISTRATOR)


def role(server: "Server", account: JID) -> str:
    """One of ROLES: what an account may do, as far as it is not the configuration that says so."""
    return roles.role(server.db, account) or MEMBER


def is_limited(server: "Server", account: JID) -> bool:
    """True for an account that talks to nobody at other servers, makes no rooms and invites nobody."""
    return role(server, account) == LIMITED and not is_configured(server, account)


def are_apart(server: "Server", one: JID, other: JID) -> bool:
    """True if one of them is a limited account, and the other is at another server."""
    is_here = server.router.has(one.domain)
    if is_here == server.router.has(other.domain):
        return False
    return is_limited(server, one.bare if is_here else other.bare)


def is_administrator(server: "Server", account: JID) -> bool:
    """True for an administrator, of whatever. (The bare address; whether it is that account that asks, the caller
    knows.)"""
    return reach(server, account) is not None


def reach(server: "Server", account: JID) -> str | None:
    """The domain of which this account is an administrator; "" for all of this server, None for nothing.

    A role is for the account's own domain, and what belongs to it. Where that is the only one there is nobody who
    would have to be kept apart.
    """
    if is_configured(server, account):
        return ""
    if roles.role(server.db, account) != ADMINISTRATOR:
        return None
    return "" if tuple(server.domains) == (account.domain,) else account.domain


def is_configured(server: "Server", account: JID) -> bool:
    """True for an account that [server] administrators names."""
    return account in server.settings(ServerSettings).administrators


def administrators(server: "Server") -> Iterator[JID]:
    """The accounts that are administrators, in order."""
    named = {JID.parse(text) for text in server.settings(ServerSettings).administrators}
    there = {account for account in named if accounts.exists(server.db, account)}
    yield from sorted({*roles.holders(server.db, ADMINISTRATOR), *there}, key=lambda jid: (jid.domain, jid))
