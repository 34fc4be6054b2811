"""How fast bytes are read from one peer, and when its turn is."""

from time import monotonic

import gevent

from xmpp.stream.admission import Admission
from xmpp.stream.turns import Turn, Turns

LOGIN_TURNS = 24
"""A login takes fewer turns, also over STARTTLS and after a wrong password. Who has had so many is served behind those
who are new: or whoever talks on and on without logging in would keep all others from beginning."""
TURNS_USED_UP = 6
"""For so many counts a turn that was used up, as a login does once or twice."""


class Pace:
    """Limits a peer to a rate of bytes, and to its turns; and makes a stranger wait until it is admitted to the next.

    `admission` is None for a peer that is no stranger; a stranger `has_begun` once it has been admitted.
    """

    __slots__ = ("turn", "admission", "_turns_had", "_bytes_per_second", "_paid_until")

    def __init__(
        self, bytes_per_second: int, turns: Turns, admission: Admission | None = None, *, has_begun: bool = False
    ) -> None:
        self.turn = Turn(turns)
        self._bytes_per_second = bytes_per_second
        self._paid_until = 0.0  # the moment at which what has been read is paid for, at that rate
        self.is_stranger(admission, has_begun=has_begun)

    def is_stranger(self, admission: Admission | None, *, has_begun: bool = False) -> None:
        """Say that the peer has to be admitted; or that it is no stranger (any more)."""
        self.admission = admission
        self._turns_had = int(has_begun)

    def queue_up(self) -> None:
        """Yield until what has come may be dealt with."""
        if self.admission is not None:
            self.admission.wait(has_begun=0 < self._turns_had < LOGIN_TURNS)
            self._turns_had += 1

    def give_way(self) -> None:
        """Yield once, however short the turn was."""
        if self.admission is None:
            self.turn.give_way()
        else:
            self.queue_up()

    def end_turn(self) -> None:
        """The turn is over: yield until it is this peer's again. A stranger's is when it is admitted to that, or each
        round of the loop would be as long as there are strangers."""
        if self.admission is None:
            self.turn.end()
        else:
            self._turns_had += TURNS_USED_UP
            self.queue_up()
            self.turn.begin()

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
            self.end_turn()
