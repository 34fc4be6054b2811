"""What was written to a component and may not have been read. XEP-0114 has no acknowledgements, so the answer to a ping
stands for one: who has answered it has read all that was written before."""

from collections import deque
from typing import NamedTuple

from xmpp.data.stanza import Stanza
from xmpp.running.tickets import Ticket


class Waiting(NamedTuple):
    """A stanza for a component. `ticket` is that of what had been stored when it was sent, `since` when that was, on
    the monotonic clock. `goes_back`: its sender is told if it does not arrive."""

    stanza: Stanza
    size: int
    ticket: Ticket | None
    since: float
    goes_back: bool


class Left(NamedTuple):
    """What is left when a connection has ended: what the component may have read or not, and what it cannot have
    read."""

    doubtful: list[Waiting]
    unsent: list[Waiting]


class Unconfirmed:
    """The stanzas written on one connection that the component has not confirmed, oldest first.

    So many stanzas and bytes are remembered; if there are more, the oldest are believed to have been read.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._written = 0  # bytes, from the beginning of the connection on
        self._bytes = 0
        self._stanzas: deque[tuple[Waiting, int]] = deque()  # with the place where each one ends

    def __len__(self) -> int:
        return len(self._stanzas)

    @property
    def mark(self) -> int:
        """Stands for all that has been written by now."""
        return self._written

    def add(self, waiting: Waiting) -> None:
        """A stanza was written."""
        self._written += waiting.size
        self._bytes += waiting.size
        self._stanzas.append((waiting, self._written))
        while len(self._stanzas) > self._most or self._bytes > self._most_bytes:
            self._forget_first()

    def confirm(self, mark: int) -> None:
        """All that was written before the mark has been read."""
        while self._stanzas and self._stanzas[0][1] <= mark:
            self._forget_first()

    def left(self, unsent: int) -> Left:
        """What is left now that the connection has ended; so many bytes never left this process."""
        sent = self._written - unsent
        doubtful = [waiting for waiting, end in self._stanzas if end <= sent]
        return Left(doubtful, [waiting for waiting, end in self._stanzas if end > sent])

    def _forget_first(self) -> None:
        waiting, _ = self._stanzas.popleft()
        self._bytes -= waiting.size
