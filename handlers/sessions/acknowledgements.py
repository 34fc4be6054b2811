"""XEP-0198 section 4, without I/O: the counters of a managed stream, and what waits to be acknowledged."""

from collections import deque
from collections.abc import Collection, Container, Iterator
from typing import NamedTuple

from xmpp.data.wire import Written
from xmpp.running.tickets import Ticket

COUNTS = 1 << 32  # on the wire a counter goes on from 2^32 - 1 at zero; in here it just goes on


class CountTooHigh(Exception):
    """The peer acknowledges more than it was sent."""

    def __init__(self, h: int, sent: int) -> None:
        super().__init__(f"You acknowledged {h} stanzas, but I only sent you {sent} so far.")
        self.h = h
        self.sent = sent


class Unacknowledged(NamedTuple):
    """A stanza as it was written, and when (in seconds since 1970).

    `devices`: the numbers of the sessions it was sent to; empty if it was this one alone. `ticket`: the stanza leaves
    only once this has closed. `is_kept`: another of those sessions ended, and offline storage has the stanza for it.
    """

    stanza: Written
    at: float
    devices: Collection[int] = ()
    ticket: Ticket | None = None
    is_kept: bool = False


class Tally:
    """How many bytes wait to be acknowledged by several clients together. They count in the `larger` tally as well."""

    __slots__ = ("size", "larger", "__weakref__")

    def __init__(self, larger: "Tally | None" = None) -> None:
        self.size = 0
        self.larger = larger


class Sent:
    """What the client was sent: how many stanzas, and those that it has not acknowledged, oldest first.

    `size`: the bytes of the latter, which count in `tally` as well. `acknowledged`: how many have arrived, ever.
    """

    __slots__ = ("size", "acknowledged", "tally", "_waiting")

    def __init__(self, acknowledged: int = 0, tally: Tally | None = None) -> None:
        self.size = 0
        self.tally = tally or Tally()
        self.acknowledged = acknowledged
        self._waiting: deque[Unacknowledged] = deque()

    @property
    def count(self) -> int:
        """How many stanzas were sent, as the wire counts."""
        return self.total % COUNTS

    @property
    def total(self) -> int:
        """How many were sent, ever."""
        return self.acknowledged + len(self._waiting)

    def __len__(self) -> int:
        """How many wait to be acknowledged."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Unacknowledged]:
        return iter(self._waiting)

    def add(self, stanza: Written, at: float, devices: Collection[int] = (), ticket: Ticket | None = None) -> None:
        """Count and keep a stanza that is sent."""
        self._waiting.append(Unacknowledged(stanza, at, devices, ticket))
        self._grow(len(stanza))

    def acknowledge(self, h: int) -> None:
        """Forget what the client says it has handled. An `h` that it has passed already is ignored; raises CountTooHigh
        if fewer stanzas were sent."""
        arrived = (h - self.acknowledged) % COUNTS
        if arrived > len(self._waiting):
            if self.has_passed(h):
                return
            raise CountTooHigh(h, self.count)
        self.acknowledged += arrived
        self._grow(-sum(len(self._waiting.popleft().stanza) for _ in range(arrived)))

    def has_passed(self, h: int) -> bool:
        """True if the client has acknowledged more than `h` before: what followed `h` cannot be sent again."""
        behind = (self.acknowledged - h) % COUNTS
        return 0 < behind <= min(self.acknowledged, COUNTS // 2)

    def note_kept(self, stanzas: Container[int]) -> None:
        """Mark stanzas, given by the `id()` of what was written, as kept for another session that was sent them too."""
        self._waiting = deque(
            each._replace(is_kept=True) if id(each.stanza) in stanzas else each for each in self._waiting
        )

    def forget_lost(self) -> None:
        """Forget the stanzas whose ticket has failed: they were never written to the client."""
        self._waiting = deque(each for each in self._waiting if each.ticket is None or each.ticket.failed is None)
        self._grow(sum(len(each.stanza) for each in self._waiting) - self.size)

    def take_all(self) -> list[Unacknowledged]:
        """Return all that waits, and forget it."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._grow(-self.size)
        return taken

    def _grow(self, by: int) -> None:
        self.size += by
        tally: Tally | None = self.tally
        while tally is not None:
            tally.size += by
            tally = tally.larger


class Received:
    """How many stanzas of the client were handled, and how many of those may be acknowledged.

    A stanza that stored something waits for its ticket, and all later ones wait with it. If the ticket fails, none of
    them is ever acknowledged.
    """

    __slots__ = ("_handled", "_unsettled")

    def __init__(self, handled: int = 0) -> None:
        self._handled = handled
        self._unsettled: deque[tuple[Ticket, int]] = deque()  # with the count before its first stanza

    def add(self, ticket: Ticket | None) -> bool:
        """Count a stanza that was handled, and stored something under this ticket. Returns whether the stanza waits
        for the ticket, and none before it does."""
        before, self._handled = self._handled, self._handled + 1
        if ticket is None or not (ticket.is_open or ticket.failed is not None):
            return False
        if self._unsettled and self._unsettled[-1][0] is ticket:
            return False
        self._unsettled.append((ticket, before))
        return True

    @property
    def durable(self) -> int:
        """The `h` that may be acknowledged now: all stanzas up to it are on the disk."""
        self._forget_settled()
        return (self._unsettled[0][1] if self._unsettled else self._handled) % COUNTS

    @property
    def handled(self) -> int:
        """How many were handled, as the wire counts."""
        return self._handled % COUNTS

    @property
    def ticket(self) -> Ticket | None:
        """The ticket to wait for until all that was handled so far may be acknowledged; None if it may be now."""
        self._forget_settled()
        return self._unsettled[-1][0] if self._unsettled else None

    def _forget_settled(self) -> None:
        unsettled = self._unsettled
        while unsettled and not unsettled[0][0].is_open and unsettled[0][0].failed is None:
            unsettled.popleft()
