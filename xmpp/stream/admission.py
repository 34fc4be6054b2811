"""Strangers at the door: what is done for connections that have no session yet, all together, leaves the loop to those
who have one.

After a restart thousands come back at once, and each handshake and login takes a millisecond or more. Each connection
has turns of its own (turns.py), but a round of thousands would take seconds. So strangers share a part of each round of
the loop, and those who are further on go first: whoever has begun gets in, and the rest waits. But some of the rest
begin all the same, or whoever begins and goes on for ever, without logging in, would keep everybody out.
"""

from collections import deque
from time import monotonic
from typing import Any

import gevent

ROUND_SECONDS = 0.005  # for strangers, in each round: what people have to wait for them
BEGUN_FIRST = 8  # so many of them go before one who is new: about as many turns as a login takes
MOST_WAITING = 1_000  # then new connections wait in the kernel's queue, where they cost nothing


class Admission:
    """The queue of a server's strangers."""

    def __init__(self) -> None:
        self._new: deque[_Entry] = deque()
        self._begun: deque[_Entry] = deque()
        self._begun_in_a_row = 0
        self._ends = 0.0  # what strangers have of this round
        self._timer: Any = None  # fires in the next round; None in a round in which nobody has come yet

    def has_crowd(self) -> bool:
        """True if so many wait that no more should come."""
        return self.waiting >= MOST_WAITING

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._new) + len(self._begun)

    def wait(self, *, has_begun: bool) -> None:
        """Yield until it is this stranger's turn to have done for it what comes next, a short piece of work. Does not
        yield where few are about. `has_begun`: it has had turns before."""
        if not (self._begun or self._new) and self._has_time():
            return
        entry = _Entry(gevent.getcurrent())
        (self._begun if has_begun else self._new).append(entry)
        try:
            gevent.get_hub().switch()
        finally:
            entry.greenlet = None  # a timeout may have ended the wait

    def _has_time(self) -> bool:
        """Whether there is some left of this round."""
        if self._timer is None:
            self._begin_round()
        return monotonic() < self._ends

    def _begin_round(self) -> None:
        # The loop's own time does not tell rounds apart: whoever starts a timer sets it anew.
        self._ends = monotonic() + ROUND_SECONDS
        self._timer = gevent.get_hub().loop.timer(0.0)
        self._timer.start(self._go_on)

    def _go_on(self) -> None:
        """Called by the loop, once in each round: let some go on, each until it waits for something."""
        self._timer.close()
        self._timer = None
        if self._begun or self._new:
            self._begin_round()
        while self._begun or self._new:
            greenlet = self._next().greenlet
            if greenlet is not None:
                greenlet.switch()
            if monotonic() >= self._ends:
                break

    def _next(self) -> "_Entry":
        if self._begun and (not self._new or self._begun_in_a_row < BEGUN_FIRST):
            self._begun_in_a_row += 1
            return self._begun.popleft()
        self._begun_in_a_row = 0
        return self._new.popleft()


class _Entry:
    __slots__ = ("greenlet",)

    def __init__(self, greenlet: Any) -> None:
        self.greenlet = greenlet
