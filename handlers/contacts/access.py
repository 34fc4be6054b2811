"""Who may reach an account, or learn anything about it, be it only that it exists (RFC 6120 section 13.11)."""

from typing import TYPE_CHECKING, NoReturn

from db import accounts, blocklists, rosters
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def sees_presence(server: "Server", account: JID, asker: JID) -> bool:
    """True if the account shows its presence to the asker: to its owner, and to contacts subscribed to it."""
    if asker.bare == account:
        return True
    item = rosters.item(server.db, account, asker.bare)
    return item is not None and item.is_subscriber


def is_at_home(server: "Server", jid: JID) -> bool:
    """True for an address of somebody at our domains: it decides what they may do. (Whether their state is known in
    this process is another question: `server.ownership.is_ours`.)"""
    return bool(jid.local) and server.ownership.serves(jid.domain)


def refuse_strangers(server: "Server", account: JID, asker: JID) -> None:
    """Raises StanzaError for an asker who may not see the account's presence, with the same answer as for an account
    that does not exist (RFC 6121 section 8.5.1)."""
    if not sees_presence(server, account, asker):
        raise StanzaError("service-unavailable")


def shows_itself(server: "Server", account: JID, asker: JID) -> bool:
    """True if the asker may know that the account exists: it does, shows its presence to the asker, and has not blocked
    the asker."""
    return (
        accounts.exists(server.db, account)  # first, so that made-up addresses push no roster out of the cache
        and sees_presence(server, account, asker)
        and not is_blocked(server, account, asker)
    )


def forbid(server: "Server", iq: Stanza) -> NoReturn:
    """Handles a request that only an account's owner may make: all others get this answer, be there an account or
    not."""
    raise StanzaError("forbidden")


def is_blocked_in_part(server: "Server", account: JID, jid: JID) -> bool:
    """True if the account has blocked this bare address, or any resource of it: for what came from one of the
    resources, when it is not known any more from which."""
    return blocklists.blocks_any_resource(server.db, account, jid) and jid not in (account, account.domain)


def is_blocked(server: "Server", account: JID, jid: JID) -> bool:
    """True if the account has blocked this address, its bare address or its domain. No query, and quick for an empty
    list.

    An account's own resources and its server are never blocked, whatever is on the list (XEP-0191 section 5).
    """
    return blocklists.is_blocked(server.db, account, jid) and jid.bare not in (account, account.domain)
