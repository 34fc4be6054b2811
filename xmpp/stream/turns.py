"""No client holds the loop: who has had it for long enough lets all others go first.

As schedulers of processes do it: everybody's turn is equally long, and where many have so much to do that a round would
take too long, turns are shorter.
"""

from time import monotonic, thread_time

import gevent

TURN_SECONDS = 0.002  # of the processor's time: short for whoever waits, long beside what a change of turns costs
# A message that is archived takes several rounds: to be read, to be committed, to hear from the disk, to be written.
ROUND_SECONDS = 0.003
LEAST_SECONDS = 0.0002  # however many they are: then a round takes longer
# What cannot be interrupted may take many turns' time: then as many are left out. More would be felt by whoever has
# something large to say and is alone.
MOST_ROUNDS = 50
# Seconds of sleep, after which all sockets have been looked at. gevent.sleep(0) only runs what waits to be called back,
# and what that adds.
ONE_ROUND = 1e-6


class Turns:
    """How long a turn lasts at present, in `seconds`."""

    def __init__(self) -> None:
        self.seconds = TURN_SECONDS
        self._waiting = 0

    def wait(self) -> None:
        """Yield until all others had the chance to go on."""
        self._count(+1)
        try:
            gevent.sleep(ONE_ROUND)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._waiting += change
        self.seconds = max(LEAST_SECONDS, min(TURN_SECONDS, ROUND_SECONDS / (1 + self._waiting)))


class Turn:
    """One client's turn. From `ends` on, by `monotonic`, it is to be told to end."""

    __slots__ = ("ends", "_turns", "_begun")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.begin()

    def begin(self) -> None:
        """It is this client's turn from now on."""
        self.ends = monotonic() + self._turns.seconds
        self._begun = thread_time()

    def give_way(self) -> None:
        """Yield once, however short the turn was."""
        self._turns.wait()
        self.begin()

    def end(self) -> None:
        """Yield until it is this client's turn again, or go on for as long as others have had the processor: on a busy
        machine that may be most of the time, and clients whose stanzas come and go in bundles would lose them."""
        used = thread_time() - self._begun
        left = self._turns.seconds - used
        if left > 0:
            self.ends = monotonic() + left
            return
        for _ in range(min(MOST_ROUNDS, int(used / self._turns.seconds))):
            self._turns.wait()
        self.begin()
