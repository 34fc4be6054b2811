"""Who may reach an account, or learn anything about it, be it only that it exists (RFC 6120 section 13.11)."""

from typing import TYPE_CHECKING

from db import blocklists, rosters
from xmpp.errors import StanzaError
from xmpp.jid import JID

if TYPE_CHECKING:
    from xmpp.server import Server


def sees_presence(server: "Server", account: JID, asker: JID) -> bool:
    """Whether the account shows its presence to the asker: its owner, or a contact subscribed to it."""
    if asker.bare == account:
        return True
    item = rosters.item(server.db, account, asker.bare)
    return item is not None and item.is_subscriber


def is_at_home(server: "Server", jid: JID) -> bool:
    """Whether an address is one of this server's people."""
    return bool(jid.local) and jid.domain in server.domains


def refuse_strangers(server: "Server", account: JID, asker: JID) -> None:
    """Raises what an account that does not exist is answered with (RFC 6121 section 8.5.1), for those who may not see
    the account's presence: whether there is one is not theirs to know either."""
    if not sees_presence(server, account, asker):
        raise StanzaError("service-unavailable")


def is_blocked(server: "Server", account: JID, jid: JID) -> bool:
    """Whether the account has blocked this address, by itself or by a pattern. No query, and quick for an empty list.

    Whatever is on the list, an account's own resources and its own server are never blocked (XEP-0191 section 5).
    """
    return blocklists.is_blocked(server.db, account, jid) and jid.bare not in (account, account.domain)
