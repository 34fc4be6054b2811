"""What the servers of one domain may take of ours: connections, bytes and stanzas a second, verifications of keys; and
what all servers behind one address may.

A domain and all beneath it count together (`registrable`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from xmpp.data.domains import registrable
from xmpp.data.errors import StanzaError

if TYPE_CHECKING:
    from xmpp.federation.settings import FederationSettings
    from xmpp.federation.stream import ServerStream

MOST_OF_DOMAIN = 40  # keys of dialback of one domain that are verified at a time


@dataclass(slots=True)
class Allowance:
    """What was taken by one domain or one network. `bytes_until`, `stanzas_until`: until when what has come is paid
    for, at the rate that is allowed, on the monotonic clock. `streams`: those that may send, by when they began."""

    bytes_until: float = 0.0
    stanzas_until: float = 0.0
    verifying: int = 0
    streams: "dict[ServerStream, None]" = field(default_factory=dict)

    def is_needless(self, now: float) -> bool:
        """True if nothing would be forgotten with it."""
        return not self.streams and not self.verifying and max(self.bytes_until, self.stanzas_until) < now


class Allowances:
    """The allowances of all domains and networks that take something; the others have none, and all is left of it."""

    def __init__(self) -> None:
        self._domains: dict[str, Allowance] = {}
        self._networks: dict[str, Allowance] = {}

    # -- connections

    def add(self, stream: "ServerStream", domain: str, most: int) -> "ServerStream | None":
        """Note that a stream may send for this domain; returns the stream that has to go if there are more than `most`:
        the one that was not used for longest. Such are often what is left of connections that broke."""
        streams = self._of_domain(domain).streams
        streams[stream] = None
        if len(streams) <= most:
            return None
        return min((each for each in streams if each is not stream), key=lambda each: each.used_at, default=None)

    def remove(self, stream: "ServerStream") -> None:
        """Note that a stream has ended."""
        for domain in {registrable(pair.theirs) for pair in stream.hears}:
            allowance = self._domains.get(domain)
            if allowance is not None:
                allowance.streams.pop(stream, None)

    # -- bytes and stanzas

    def pay(self, settings: "FederationSettings", domain: str, network: str, size: int, stanzas: int) -> float:
        """Charge a domain and a network for what was read, "" for neither; returns for how many seconds nothing more is
        to be read of them. The first second's worth is free."""
        now = monotonic()
        late = 0.0
        if network:
            around = self._of(self._networks, network)
            around.bytes_until = _later(around.bytes_until, now, size / settings.address_bytes_per_second)
            late = around.bytes_until - now
        if domain:
            theirs = self._of_domain(domain)
            theirs.bytes_until = _later(theirs.bytes_until, now, size / settings.domain_bytes_per_second)
            theirs.stanzas_until = _later(theirs.stanzas_until, now, stanzas / settings.domain_stanzas_per_second)
            late = max(late, theirs.bytes_until - now, theirs.stanzas_until - now)
        return max(0.0, late)

    # -- verifications

    @contextmanager
    def verifying(self, domain: str) -> Iterator[None]:
        """A key of this domain is being verified. Raises StanzaError if too many are."""
        theirs = self._of_domain(domain)
        if theirs.verifying >= MOST_OF_DOMAIN:
            raise StanzaError("resource-constraint", "too many keys of yours are being verified")
        theirs.verifying += 1
        try:
            yield
        finally:
            theirs.verifying -= 1

    # -- what is remembered

    def _of_domain(self, domain: str) -> Allowance:
        return self._of(self._domains, registrable(domain))

    def _of(self, known: dict[str, Allowance], key: str) -> Allowance:
        allowance = known.get(key)
        if allowance is None:
            allowance = known[key] = Allowance()
        return allowance

    def forget_needless(self, now: float) -> None:
        """Forget those of whom nothing is to be known: called often, this keeps no more than have come just now."""
        for known in (self._domains, self._networks):
            for key in [key for key, allowance in known.items() if allowance.is_needless(now)]:
                del known[key]

    def __len__(self) -> int:
        return len(self._domains) + len(self._networks)


def _later(paid_until: float, now: float, seconds: float) -> float:
    return max(paid_until, now - 1.0) + seconds
