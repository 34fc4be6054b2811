"""XEP-0198 section 4, without I/O: the counters of a managed stream, and what waits to be acknowledged."""

from collections import deque
from collections.abc import Collection, Container, Iterator
from typing import NamedTuple

from xmpp.running.tickets import Ticket

COUNTS = 1 << 32  # on the wire a counter goes on from 2^32 - 1 at zero; in here it just goes on


class CountTooHigh(Exception):
    """The peer acknowledges more than it was sent."""

    def __init__(self, h: int, sent: int) -> None:
        super().__init__(f"You acknowledged {h} stanzas, but I only sent you {sent} so far.")
        self.h = h
        self.sent = sent


class Unacknowledged(NamedTuple):
    """A stanza as it was written, when that was, and which of the account's sessions it was for, by their numbers,
    where they were several.

    `ticket`: what had been stored when it was sent, and holds it back. `is_kept`: another of them is over, and it was
    kept for that one.
    """

    stanza: bytes
    at: float
    devices: Collection[int] = ()
    ticket: Ticket | None = None
    is_kept: bool = False


class Tally:
    """How many bytes wait together to be acknowledged, by several clients; and counted with others in a larger one."""

    __slots__ = ("size", "larger", "__weakref__")

    def __init__(self, larger: "Tally | None" = None) -> None:
        self.size = 0
        self.larger = larger

    def change(self, by: int) -> None:
        """So many more, or fewer."""
        self.size += by
        if self.larger is not None:
            self.larger.size += by


class Sent:
    """What the client was sent: a count, and all that it has not acknowledged, oldest first. `size` is in bytes, which
    count in a tally as well, `acknowledged` how many have arrived in all."""

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

    def add(self, stanza: bytes, at: float, devices: Collection[int] = (), ticket: Ticket | None = None) -> None:
        """One more was sent."""
        self._waiting.append(Unacknowledged(stanza, at, devices, ticket))
        self._grow(len(stanza))

    def acknowledge(self, h: int) -> None:
        """The client has handled `h`. Raises CountTooHigh; an `h` that has been passed already says nothing new."""
        arrived = (h - self.acknowledged) % COUNTS
        if arrived > len(self._waiting):
            if self.has_passed(h):
                return
            raise CountTooHigh(h, self.count)
        self.acknowledged += arrived
        self._grow(-sum(len(self._waiting.popleft().stanza) for _ in range(arrived)))

    def has_passed(self, h: int) -> bool:
        """Whether the client has acknowledged more than `h` before: what came after `h` is no longer here."""
        behind = (self.acknowledged - h) % COUNTS
        return 0 < behind <= min(self.acknowledged, COUNTS // 2)

    def note_kept(self, stanzas: Container[int]) -> None:
        """Some of what waits, by the identity of its bytes, is kept now for another session that had been sent it."""
        self._waiting = deque(
            each._replace(is_kept=True) if id(each.stanza) in stanzas else each for each in self._waiting
        )

    def forget_lost(self) -> None:
        """Forget what was held back until something was stored, and that failed: the client has seen nothing of it."""
        self._waiting = deque(each for each in self._waiting if each.ticket is None or each.ticket.failed is None)
        self._grow(sum(len(each.stanza) for each in self._waiting) - self.size)

    def take_all(self) -> list[Unacknowledged]:
        """All that waits, which is forgotten here."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._grow(-self.size)
        return taken

    def _grow(self, by: int) -> None:
        self.size += by
        self.tally.change(by)


class Received:
    """What the client has sent: how much of it was handled, and how much of that may be acknowledged.

    What a stanza stored belongs to a ticket; neither it nor anything after it is acknowledged while that is open, and
    never if it failed.
    """

    __slots__ = ("_handled", "_unsettled")

    def __init__(self, handled: int = 0) -> None:
        self._handled = handled
        self._unsettled: deque[tuple[Ticket, int]] = deque()  # with the count before its first stanza

    def add(self, ticket: Ticket | None) -> bool:
        """One more was handled, and stored under this ticket. Returns whether that is one to wait for from now on."""
        before, self._handled = self._handled, self._handled + 1
        if ticket is None or not ticket.is_open:
            return False
        if self._unsettled and self._unsettled[-1][0] is ticket:
            return False
        self._unsettled.append((ticket, before))
        return True

    @property
    def durable(self) -> int:
        """The longest prefix that may be acknowledged, as the wire counts."""
        self._forget_settled()
        return (self._unsettled[0][1] if self._unsettled else self._handled) % COUNTS

    @property
    def handled(self) -> int:
        """How many were handled, as the wire counts."""
        return self._handled % COUNTS

    @property
    def ticket(self) -> Ticket | None:
        """Once this one closes well, all that was handled so far may be acknowledged. None: it may be now."""
        self._forget_settled()
        return self._unsettled[-1][0] if self._unsettled else None

    def _forget_settled(self) -> None:
        unsettled = self._unsettled
        while unsettled and not unsettled[0][0].is_open and unsettled[0][0].failed is None:
            unsettled.popleft()
