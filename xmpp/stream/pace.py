"""How fast one peer is read."""

from time import monotonic

import gevent

from xmpp.stream.turns import Turn, Turns


class Pace:
    """Holds a peer to a rate of bytes, and to its turns."""

    __slots__ = ("turn", "_bytes_per_second", "_paid_until")

    def __init__(self, bytes_per_second: int, turns: Turns) -> None:
        self.turn = Turn(turns)
        self._bytes_per_second = bytes_per_second
        self._paid_until = 0.0  # the moment at which what has been read is paid for, at that rate

    def pay(self, amount: int, seconds: float = 0.0) -> None:
        """For bytes, and for what costs so many seconds whatever their rate is. One second's worth of all is free, then
        this waits. And the turn ends here if it is over, for what was read may have led to nothing that ends it: a
        stanza that is not whole, or what TLS keeps to itself."""
        now = monotonic()
        self._paid_until = max(self._paid_until, now - 1.0) + amount / self._bytes_per_second + seconds
        if self._paid_until > now:
            gevent.sleep(self._paid_until - now)
        elif now > self.turn.ends:
            self.turn.end()
