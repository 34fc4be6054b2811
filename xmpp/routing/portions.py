"""Work that concerns many is done in portions, and between two portions all others have their turn.

To notify ten thousand subscribers, or to end their subscriptions, takes longer than one may keep the event loop. So
such a work is an iterator of small steps, which checks for itself whether things are still as they were. The works of
one line are done in order; lines take turns. A small work is done at once.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
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

STEPS = 500  # at most in one portion
SECONDS = 0.004  # at most for one portion, since some steps take longer than others
# Between two portions; as long as a portion, so that all works together get half of the loop's time at most. It is not
# 0, because the loop does not look at its sockets then.
PAUSE_SECONDS = 0.004

END = object()


def leave_undone() -> bool:
    """For works that only tell of what was stored (`if_lost`)."""
    return False


def go_on() -> bool:
    """For works that look for themselves, in each step, at how things are now (`if_lost`)."""
    return True


class _Work:
    """One work, and what has begun it, if that waits for it. `before`: the ticket of what had been stored by then.
    `ticket`: that of what has been stored since then, too, which the work tells others of."""

    __slots__ = ("steps", "before", "ticket", "if_lost", "begun_by", "done", "size")

    def __init__(
        self,
        steps: Iterator[object],
        begun_by: Handled | None,
        before: Ticket | None,
        if_lost: Callable[[], bool],
        size: int,
    ) -> None:
        self.steps = steps
        self.size = size
        self.begun_by = begun_by
        self.before = self.ticket = before
        self.if_lost = if_lost
        self.done: Event | None = None  # made for the first who waits: nobody waits for most works

    def note_loss(self) -> None:
        """Look whether something is lost: nobody waits for that any more, and the work may have to end."""
        if self.before is not None and self.before.failed is not None:
            self.before, self.steps = None, _only_if(self.if_lost, self.steps)
        if self.ticket is not None and self.ticket.failed is not None:
            self.ticket = None

    def wait(self, seconds: float | None = None) -> None:
        """Yield until the work is done, or for so many seconds."""
        if self.done is None:
            self.done = Event()
        self.done.wait(seconds)


class Portions:
    """All works that are not done yet, by line.

    The first portion of a work belongs to the `Handled` that begins it, unless the work is not of what is stored; each
    later portion has one of its own. `seconds`: how long a portion may take.
    """

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.seconds = SECONDS
        self._lines: dict[Hashable, deque[_Work]] = {}
        self._held = Counter[Hashable]()
        self._worker: gevent.Greenlet[[], None] | None = None

    def begin(
        self,
        line: Hashable,
        steps: Iterator[object],
        *,
        at_once: bool = True,
        is_of_stored: bool = True,
        if_lost: Callable[[], bool] = leave_undone,
        is_waited_for: bool = True,
        size: int = 0,
    ) -> None:
        """Add a work of these steps to a line, which holds so many bytes of memory. Never raises, and does not yield.

        If the line is empty, a first portion is done before this returns. `at_once=False` leaves all of it for later:
        for callers that begin many small works at a time. Nothing more is read from a client until the works are done
        that it has begun, but for those that are not waited for: then the caller has to limit how much there is.

        What the work tells waits until all that has been stored before is on the disk, unless nothing stored has to do
        with it (`is_of_stored=False`). If that does not get there, `if_lost` is asked, once, whether the work goes on.
        The failed ticket alone does not say: what was stored is undone if its group was rolled back, but is still there
        for all to see if the disk has failed after the commit.
        """
        works = self._lines.get(line)
        if works is None and at_once and self._do_first(steps, is_of_stored):
            return
        begun_by = handled() if is_waited_for else None
        before = handled().ticket if is_of_stored else None
        work = _Work(steps, begun_by, before, if_lost, size)
        if size:
            self._held[line] += size
        self._lines.setdefault(line, deque()).append(work)
        if begun_by is not None:
            begun_by.works_left += 1
        if self._worker is None:
            self._worker = gevent.spawn(self._work)

    @property
    def are_left(self) -> bool:
        """True if any work is not done yet."""
        return bool(self._lines)

    def length(self, line: Hashable) -> int:
        """How many works of a line are not done yet."""
        return len(self._lines.get(line, ()))

    def held(self, line: Hashable) -> int:
        """How many bytes of memory these hold, as far as it was said."""
        return self._held[line]

    def note_size(self, line: Hashable, more: int) -> None:
        """The last work of a line holds so many bytes more."""
        self._lines[line][-1].size += more
        self._held[line] += more

    def wait(self, line: Hashable, seconds: float | None = None) -> None:
        """Yield until all works are done that are in this line now, or for so many seconds."""
        works = self._lines.get(line)
        if works:
            works[-1].wait(seconds)

    def wait_for_own(self) -> None:
        """Yield until all works are done that were begun by what is being handled."""
        own = handled()
        while own.works_left:
            next(work for works in self._lines.values() for work in works if work.begun_by is own).wait()

    def stop(self, seconds: float = 0.0) -> None:
        """Leave undone what takes longer than so many seconds. Yields."""
        if self._worker is not None:
            self._worker.join(max(0.0, seconds))
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
        """Go on with the first work of the line whose turn it is, and put that line behind all others."""
        line = next(iter(self._lines))
        works = self._lines[line] = self._lines.pop(line)
        work = works[0]
        work.note_loss()
        with Handled(work.ticket) as one_portion:
            if not self._do_some(work.steps, portion):
                work.ticket = one_portion.ticket
                return
        works.popleft()
        if work.begun_by is not None:
            work.begun_by.works_left -= 1
        if work.done is not None:
            work.done.set()
        if work.size:
            self._held[line] -= work.size
        if not works:
            del self._lines[line]
            self._held.pop(line, None)

    def _do_first(self, steps: Iterator[object], is_of_stored: bool) -> bool:
        if is_of_stored:
            return self._do_some(steps, _Portion(self.seconds))
        with Handled():
            return self._do_some(steps, _Portion(self.seconds))

    def _do_some(self, steps: Iterator[object], portion: "_Portion") -> bool:
        """Do as many steps as the portion has room for; True if the work is done."""
        try:
            while not portion.is_over:
                portion.steps += 1
                if next(steps, END) is END:
                    return True
        except self._server.storage_errors as error:
            log_refusal(log, error, "what was being done for many is left undone")
            return True
        except Exception:  # the works behind it go on
            log.exception("what was being done for many is left undone")
            return True
        return False


def _only_if(is_so: Callable[[], bool], steps: Iterator[object]) -> Iterator[object]:
    if is_so():
        yield from steps


class _Portion:
    """What is done in one go."""

    def __init__(self, seconds: float) -> None:
        self.steps = 0
        self._ends = monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """True if others have their turn now; never before the first step."""
        return self.steps >= STEPS or (self.steps > 0 and monotonic() >= self._ends)
