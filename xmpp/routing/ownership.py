"""Who answers for an account: every account has one owner, a server, which handles all that it sends and receives.

The owner keeps the account's roster, blocklist, archive, nodes and sessions. Whatever is to happen to another account
than the one that is being handled goes to it as a stanza, through the router. A server that owns both may go a shorter
way, which has to come to the same: it asks here first.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.online import Online
    from xmpp.routing.session import Session


class Elsewhere(Protocol):
    """The accounts and services at our domains that somebody else owns, and the destination of what is for them."""

    def has(self, address: JID) -> bool:
        """Whether somebody else owns this account (bare address) or service."""

    def send(self, stanza: Stanza) -> None:
        """Pass a stanza on to its owner, as bytes, after all that went there before. Raises StanzaError if it cannot.
        Does not yield."""


class Ownership:
    """Which accounts are ours, and which of those are online.

    `serves`, `is_ours` and `may_be_online` may be asked for any account. `available` is the fast path to a contact:
    what is done with it has to come to the same as a stanza to the contact does.
    """

    __slots__ = ("_domains", "_online", "elsewhere")

    def __init__(self, domains: Collection[str], online: "Online", elsewhere: Elsewhere | None) -> None:
        self._domains = frozenset(domains)
        self._online = online
        self.elsewhere = elsewhere  # None where all at our domains is ours

    def serves(self, domain: str) -> bool:
        """Whether this is one of our domains, at which accounts are ours or somebody else's: for what its people may
        do, and for what is said in its name."""
        return domain in self._domains

    def is_ours(self, address: JID) -> bool:
        """Whether all that is known of this account is known here. Of any other nothing is: it may exist or not, be
        online, or have blocked somebody."""
        return address.domain in self._domains and (self.elsewhere is None or not self.elsewhere.has(address.bare))

    def runs(self, service: str) -> bool:
        """Whether a service, by its address, is ours."""
        return self.elsewhere is None or not self.elsewhere.has(JID.parse(service))

    def may_be_online(self, account: str) -> bool:
        """Whether what nobody keeps may reach anybody there, by the text of a bare address, for who looks at thousands.
        A contact who is ours and not online is to cost nothing."""
        if account.rpartition("@")[2] not in self._domains:
            return True
        if self.elsewhere is not None and self.elsewhere.has(JID.parse(account)):
            return True
        return self._online.count(account) > 0

    def available(self, contact: JID) -> "list[Session] | None":
        """The available sessions of a contact (bare address) who is ours; None where only a stanza reaches it."""
        if contact.domain not in self._domains or (self.elsewhere is not None and self.elsewhere.has(contact.bare)):
            return None
        return self._online.available(contact)
