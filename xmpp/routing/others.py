"""What routing and administrators know of other servers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from xmpp.data.stanza import Stanza


class LinkShown(NamedTuple):
    """What there is between a domain of ours and one elsewhere.

    `state`: "connected", "dialling", "failed" while it is not tried again, or "idle". `since`: in seconds since 1970.
    `peer`: where it is connected to, for the log. `waiting`: how many stanzas are to be sent, or are not confirmed.
    `problem`: why it could not be reached, as senders are told.
    """

    ours: str
    theirs: str
    state: str
    since: float
    peer: str
    waiting: int
    problem: str


class OtherDomains(Protocol):
    """The destination of what is sent to domains that are not served here."""

    def send(self, stanza: "Stanza") -> None:
        """Pass a stanza on. Does not yield. Raises StanzaError for what the sender has to be told."""

    def links(self) -> Iterator[LinkShown]:
        """What there is between our domains and others, in no order."""
