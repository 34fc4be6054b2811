"""Who answers for an account: every account has one owner, a server, which handles all that it sends and receives.

The owner keeps the account's roster, blocklist, archive, nodes and sessions. While one account is handled, whatever
concerns another one is sent to it as a stanza, through the router. A server that owns both may take a shorter way with
the same effect: it asks here first.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.online import Online
    from xmpp.routing.session import Session


class Elsewhere(Protocol):
    """The accounts and services at our domains that somebody else owns, and the way to them."""

    def has(self, address: JID) -> bool:
        """True if somebody else owns this account (bare address) or service."""

    def send(self, stanza: Stanza) -> None:
        """Pass a stanza to its owner, as bytes, after all that was sent there before. Does not yield.

        Raises StanzaError if that is not possible.
        """


class Ownership:
    """Which accounts are ours, and which of those are online.

    `serves`, `is_ours` and `may_be_online` may be asked about any account. `available` is the fast path to a contact:
    what is done with it must have the same effect as a stanza to the contact.
    """

    __slots__ = ("_domains", "_online", "elsewhere")

    def __init__(self, domains: Collection[str], online: "Online", elsewhere: Elsewhere | None) -> None:
        self._domains = frozenset(domains)
        self._online = online
        self.elsewhere = elsewhere  # None if we own all accounts at our domains

    def serves(self, domain: str) -> bool:
        """True if this is one of our domains, whoever owns its accounts: for questions of what its people may do, and
        of what is said in its name."""
        return domain in self._domains

    def is_ours(self, address: JID) -> bool:
        """True if we own this account, so that all about it can be read here. Nothing is known of any other: whether it
        exists, is online, or has blocked somebody."""
        return address.domain in self._domains and (self.elsewhere is None or not self.elsewhere.has(address.bare))

    def runs(self, service: str) -> bool:
        """True if the service at this address is ours."""
        return self.elsewhere is None or not self.elsewhere.has(JID.parse(service))

    def may_be_online(self, account: str) -> bool:
        """False if we own this account and it is not online, so that a stanza that nobody keeps would reach nobody.

        It takes the text of a bare address, for callers that ask about thousands.
        """
        if account.rpartition("@")[2] not in self._domains:
            return True
        if self.elsewhere is not None and self.elsewhere.has(JID.parse(account)):
            return True
        return self._online.count(account) > 0

    def available(self, contact: JID) -> "list[Session] | None":
        """The available sessions of a contact (bare address) that is ours; None if only a stanza can reach it."""
        if contact.domain not in self._domains or (self.elsewhere is not None and self.elsewhere.has(contact.bare)):
            return None
        return self._online.available(contact)
