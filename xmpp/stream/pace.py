"""How fast bytes are read from one peer."""

from time import monotonic

import gevent

from xmpp.stream.admission import Admission
from xmpp.stream.turns import Turn, Turns


class Pace:
    """Limits a peer to a rate of bytes, and to its turns; and makes a stranger wait until it is admitted to the next.

    `admission` is None for a peer that is no stranger; a stranger `has_begun` once it has been admitted.
    """

    __slots__ = ("turn", "admission", "has_begun", "_bytes_per_second", "_paid_until")

    def __init__(
        self, bytes_per_second: int, turns: Turns, admission: Admission | None = None, *, has_begun: bool = False
    ) -> None:
        self.turn = Turn(turns)
        self.admission, self.has_begun = admission, has_begun
        self._bytes_per_second = bytes_per_second
        self._paid_until = 0.0  # the moment at which what has been read is paid for, at that rate

    def queue_up(self) -> None:
        """Yield until what has come may be dealt with."""
        if self.admission is not None:
            self.admission.wait(has_begun=self.has_begun)
            self.has_begun = True

    def pay(self, amount: int, seconds: float = 0.0) -> None:
        """Charge the peer for bytes that were read, and for work that counts as so many seconds. Yields if it is late.

        The first second's worth is free; beyond that this waits until all is paid for. It also ends the turn if its
        time is over: an unfinished stanza, or TLS records without data, would not end it otherwise.
        """
        now = monotonic()
        self._paid_until = max(self._paid_until, now - 1.0) + amount / self._bytes_per_second + seconds
        if self._paid_until > now:
            gevent.sleep(self._paid_until - now)
        elif now > self.turn.ends:
            self.turn.end()
