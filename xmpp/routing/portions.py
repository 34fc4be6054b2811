"""What is done for many, one after the other, is done in portions: between them all others have their turn.

To tell ten thousand subscribers of something, or to end their subscriptions, takes longer than the loop may be held. So
it comes as an iterator, each step of which is little, and which looks for itself whether things are still as they were.
What is begun in one line is done in order, one after the other; lines take turns. What is little is done at once.
"""

import logging
from collections import deque
from collections.abc import Hashable, Iterator
from time import monotonic
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from xmpp.running.handling import Handled, handled
from xmpp.running.logs import log_refusal
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

STEPS = 500  # in one portion,
SECONDS = 0.004  # at most: some steps take longer than others
# Before a portion, which takes about as long: all together get half of the loop's time at most. Not 0, after which the
# loop would not look at its sockets.
PAUSE_SECONDS = 0.004

END = object()


class _Work:
    """What was begun, and by what; `ticket`: what it tells of is stored once that closes."""

    __slots__ = ("steps", "ticket", "begun_by", "done")

    def __init__(self, steps: Iterator[object], begun_by: Handled) -> None:
        self.steps = steps
        self.begun_by = begun_by
        self.ticket: Ticket | None = begun_by.ticket
        self.done: Event | None = None  # there may be a thousand for which nobody waits

    def wait(self) -> None:
        """Yield until it is done."""
        if self.done is None:
            self.done = Event()
        self.done.wait()


class Portions:
    """All that is left to be done for many, by line.

    What is done when it is begun is done within what has begun it; each portion of the rest is handled by itself.
    `seconds`: how long a portion may take.
    """

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.seconds = SECONDS
        self._lines: dict[Hashable, deque[_Work]] = {}
        self._worker: gevent.Greenlet[[], None] | None = None

    def begin(self, line: Hashable, steps: Iterator[object], *, at_once: bool = True) -> None:
        """Have these steps done after all others of the line; the first ones now, where nothing is before them. Never
        fails. Who begins many at a time, each of which is little, says that none of them is done at once."""
        works = self._lines.get(line)
        if works is None and at_once and self._do_some(steps, _Portion(self.seconds)):
            return
        work = _Work(steps, handled())
        self._lines.setdefault(line, deque()).append(work)
        work.begun_by.works_left += 1
        if self._worker is None:
            self._worker = gevent.spawn(self._work)

    @property
    def are_left(self) -> bool:
        """Whether anything is left to be done."""
        return bool(self._lines)

    def length(self, line: Hashable) -> int:
        """How many works of a line are left to be done."""
        return len(self._lines.get(line, ()))

    def wait(self, line: Hashable) -> None:
        """Yield until all is done that has been begun in a line until now."""
        works = self._lines.get(line)
        if works:
            works[-1].wait()

    def wait_for_own(self) -> None:
        """Yield until all is done that was begun by what is being handled."""
        own = handled()
        while own.works_left:
            next(work for works in self._lines.values() for work in works if work.begun_by is own).wait()

    def stop(self) -> None:
        """Leave the rest undone."""
        if self._worker is not None:
            self._worker.kill(block=False)

    def _work(self) -> None:
        try:
            while self._lines:
                gevent.sleep(PAUSE_SECONDS)
                portion = _Portion(self.seconds)
                while self._lines and not portion.is_over:
                    self._go_on(portion)
        finally:
            self._worker = None

    def _go_on(self, portion: "_Portion") -> None:
        """Do what is next of the line whose turn it is, and let it stand behind all others then."""
        line = next(iter(self._lines))
        works = self._lines.pop(line)
        self._lines[line] = works
        self._do_first(works, portion)
        if not works:
            del self._lines[line]

    def _do_first(self, works: deque[_Work], portion: "_Portion") -> None:
        work = works[0]
        if not self._is_lost(work):
            with Handled(work.ticket) as one_portion:
                if not self._do_some(work.steps, portion):
                    work.ticket = one_portion.ticket
                    return
        works.popleft()
        work.begun_by.works_left -= 1
        if work.done is not None:
            work.done.set()

    def _is_lost(self, work: _Work) -> bool:
        """Whether what is being told of has not been stored: then nothing has happened."""
        return work.ticket is not None and work.ticket.failed is not None

    def _do_some(self, steps: Iterator[object], portion: "_Portion") -> bool:
        """Do what a portion has room for; returns whether that was all."""
        try:
            while not portion.is_over:
                portion.steps += 1
                if next(steps, END) is END:
                    return True
        except self._server.storage_errors as error:
            log_refusal(log, error, "what was being done for many is left undone")
            return True
        except Exception:  # whoever comes after it is not to suffer
            log.exception("what was being done for many is left undone")
            return True
        return False


class _Portion:
    """What is done in one go."""

    def __init__(self, seconds: float) -> None:
        self.steps = 0
        self._ends = monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether others have their turn now; never before the first step."""
        return self.steps >= STEPS or (self.steps > 0 and monotonic() >= self._ends)
