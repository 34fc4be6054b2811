"""Who may dial: so many at once, and of those who wait one of each kind in turn."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

from xmpp.federation.dns.failures import Unreachable


class Places:
    """So many places, of which one kind has `most_of_kind` at most.

    Who waits is served as it came among its kind, and kinds take turns: a crowd of one kind does not keep the others
    waiting. More than `most_waiting`, or of one kind `most_waiting_of_kind`, are refused.
    """

    def __init__(self, most: int, most_of_kind: int, most_waiting: int, most_waiting_of_kind: int) -> None:
        self._most, self._most_of_kind = most, most_of_kind
        self._most_waiting, self._most_waiting_of_kind = most_waiting, most_waiting_of_kind
        self._taken = Counter[str]()
        self._waiting = OrderedDict[str, dict[Event, None]]()  # in the order in which they came
        self._count_waiting = 0

    @property
    def taken(self) -> int:
        """How many places are taken now."""
        return self._taken.total()

    @contextmanager
    def place(self, kind: str) -> Iterator[None]:
        """Wait for a place, and have it for the block. Yields. Raises Unreachable if too many wait."""
        self._take(kind)
        try:
            yield
        finally:
            self._give_back(kind)

    def _take(self, kind: str) -> None:
        if self._has_room(kind):  # then nobody of this kind waits
            self._taken[kind] += 1
            return
        if self._is_full(kind):
            raise Unreachable("too many servers are being dialled")
        given = Event()
        self._waiting.setdefault(kind, {})[given] = None
        self._count_waiting += 1
        try:
            given.wait()
        except BaseException:
            if given.is_set():
                self._give_back(kind)
            else:
                self._waits_no_more(kind, given)
            raise

    def _is_full(self, kind: str) -> bool:
        return (
            self._count_waiting >= self._most_waiting or len(self._waiting.get(kind, ())) >= self._most_waiting_of_kind
        )

    def _has_room(self, kind: str) -> bool:
        return self.taken < self._most and self._taken[kind] < self._most_of_kind

    def _give_back(self, kind: str) -> None:
        self._taken[kind] -= 1
        if not self._taken[kind]:
            del self._taken[kind]
        for waiting in self._waiting:
            if self._has_room(waiting):
                self._waiting.move_to_end(waiting)
                self._taken[waiting] += 1
                given = next(iter(self._waiting[waiting]))
                self._waits_no_more(waiting, given)
                given.set()
                return

    def _waits_no_more(self, kind: str, given: Event) -> None:
        del self._waiting[kind][given]
        self._count_waiting -= 1
        if not self._waiting[kind]:
            del self._waiting[kind]
