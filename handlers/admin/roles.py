"""Who is an administrator: whoever the configuration names, and accounts that were given the role."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from db import accounts, roles
from xmpp.config.settings import ServerSettings
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ADMINISTRATOR = "administrator"
NONE = "none"
ROLES = (ADMINISTRATOR, NONE)


def is_administrator(server: "Server", account: JID) -> bool:
    """True for an administrator of this server, all of its domains. (The bare address; whether it is that account that
    asks, the caller knows.)"""
    return is_configured(server, account) or roles.role(server.db, account) == ADMINISTRATOR


def is_configured(server: "Server", account: JID) -> bool:
    """True for an account that [server] administrators names."""
    return account in server.settings(ServerSettings).administrators


def administrators(server: "Server") -> Iterator[JID]:
    """The accounts that are administrators, in order."""
    named = {JID.parse(text) for text in server.settings(ServerSettings).administrators}
    there = {account for account in named if accounts.exists(server.db, account)}
    yield from sorted({*roles.holders(server.db, ADMINISTRATOR), *there}, key=lambda jid: (jid.domain, jid))
