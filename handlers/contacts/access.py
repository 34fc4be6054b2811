"""Who may reach an account, or learn anything about it, be it only that it exists (RFC 6120 section 13.11)."""

from typing import TYPE_CHECKING, NoReturn

from db import accounts, blocklists, rosters
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def sees_presence(server: "Server", account: JID, asker: JID) -> bool:
    """Whether the account shows its presence to the asker: its owner, or a contact subscribed to it."""
    if asker.bare == account:
        return True
    item = rosters.item(server.db, account, asker.bare)
    return item is not None and item.is_subscriber


def is_at_home(server: "Server", jid: JID) -> bool:
    """Whether an address is of the people of our domains: for what they may do. (What is known of an account is another
    question: `server.ownership.is_ours`.)"""
    return bool(jid.local) and server.ownership.serves(jid.domain)


def refuse_strangers(server: "Server", account: JID, asker: JID) -> None:
    """Raises what an account that does not exist is answered with (RFC 6121 section 8.5.1), for those who may not see
    the account's presence: whether there is one is not theirs to know either."""
    if not sees_presence(server, account, asker):
        raise StanzaError("service-unavailable")


def shows_itself(server: "Server", account: JID, asker: JID) -> bool:
    """Whether somebody may know of an address that an account is there: it is, shows them its presence, and has not
    blocked them, to whom it looks offline."""
    return (
        accounts.exists(server.db, account)  # first: made-up addresses are not to push others out of what is remembered
        and sees_presence(server, account, asker)
        and not is_blocked(server, account, asker)
    )


def forbid(server: "Server", iq: Stanza) -> NoReturn:
    """Answers all but the owner, at any address: whether there is an account makes no difference."""
    raise StanzaError("forbidden")


def is_blocked_in_part(server: "Server", account: JID, jid: JID) -> bool:
    """Whether the account has blocked a bare address, or a resource of it: for what one of its resources has said, and
    nobody knows any more which."""
    return blocklists.blocks_any_resource(server.db, account, jid) and jid not in (account, account.domain)


def is_blocked(server: "Server", account: JID, jid: JID) -> bool:
    """Whether the account has blocked this address, by itself or by a pattern. No query, and quick for an empty list.

    Whatever is on the list, an account's own resources and its own server are never blocked (XEP-0191 section 5).
    """
    return blocklists.is_blocked(server.db, account, jid) and jid.bare not in (account, account.domain)
