"""Turns: a client that has used the loop for long enough lets all others go first.

It works as in schedulers of processes: all turns are equally long, and shorter when so many clients are busy that a
round would take too long.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic, thread_time
from typing import Any

import gevent

TURN_SECONDS = 0.002  # short for those who wait, long compared with what a change of turns costs
# A message that is archived takes several rounds: to be read, to be committed, to hear from the disk, to be written.
ROUND_SECONDS = 0.003
LEAST_SECONDS = 0.0002  # a turn, however many clients are busy: a round takes longer then
# A stanza cannot be interrupted and may take the time of many turns; its client then misses as many rounds, but no more
# than these, which a client would notice that sends something large while nobody else is busy.
MOST_ROUNDS = 50
# A sleep of so many seconds returns after all sockets have been looked at. gevent.sleep(0) would only run the callbacks
# that wait, and those that they add.
ONE_ROUND = 1e-6


class Turns:
    """How long a turn lasts at present, in `seconds`, and how many clients wait for theirs."""

    def __init__(self) -> None:
        self.seconds = TURN_SECONDS
        self._waiting = 0

    def wait(self) -> None:
        """Yield until all others have had a chance to go on."""
        self._count(+1)
        try:
            gevent.sleep(ONE_ROUND)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._waiting += change
        self.seconds = max(LEAST_SECONDS, min(TURN_SECONDS, ROUND_SECONDS / (1 + self._waiting)))


class Turn:
    """One client's turn. Its owner calls `end` once `monotonic()` is past `ends`."""

    __slots__ = ("ends", "_turns", "_begun")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.begin()

    def begin(self) -> None:
        """Begin a new turn now."""
        self.ends = monotonic() + self._turns.seconds
        self._begun = thread_time()

    def give_way(self) -> None:
        """Yield once, however short the turn was."""
        self._turns.wait()
        self.begin()

    def end(self) -> None:
        """Yield until it is this client's turn again.

        Other processes may have had the processor for a part of the turn, on a busy machine for most of it: then the
        turn is only made longer by that part, and this does not yield.
        """
        used = thread_time() - self._begun
        left = self._turns.seconds - used
        if left > 0:
            self.ends = monotonic() + left
            return
        for _ in range(min(MOST_ROUNDS, int(used / self._turns.seconds))):
            self._turns.wait()
        self.begin()


class Rounds:
    """What is done for many a little at a time, in callbacks of the loop: a part of it in each round.

    The loop itself looks at nothing else until fifty callbacks have run, however long they take.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._next: Any = None

    def soon(self, act: Callable[[], None]) -> None:
        """Call act() in one of the next rounds, behind what waits already. It must not yield."""
        self._waiting.append(act)
        self._arrange()

    def _arrange(self) -> None:
        if self._next is None and self._waiting:
            self._next = gevent.get_hub().loop.timer(0.0)
            self._next.start(self._go_on)

    def _go_on(self) -> None:
        self._next.close()
        self._next, ends = None, monotonic() + ROUND_SECONDS
        try:
            while self._waiting:
                self._waiting.popleft()()
                if monotonic() > ends:
                    break
        finally:
            self._arrange()
