"""Who may dial: so many at once, and of those who wait one of each kind in turn, for one sender after the other."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

from xmpp.federation.dns.failures import Unreachable


class Places:
    """So many places, of which one kind has `most_of_kind` at most.

    Senders take turns, and of each sender the kinds; who waits is served as it came among its kind. So a crowd of one
    kind, or one that a single sender has made up, does not keep the others waiting. More than `most_waiting`, or of one
    kind `most_waiting_of_kind`, are refused.
    """

    def __init__(self, most: int, most_of_kind: int, most_waiting: int, most_waiting_of_kind: int) -> None:
        self._most, self._most_of_kind = most, most_of_kind
        self._most_waiting, self._most_waiting_of_kind = most_waiting, most_waiting_of_kind
        self._taken = Counter[str]()
        # By sender and kind; both in the order of their turns.
        self._waiting = OrderedDict[str, OrderedDict[str, dict[Event, None]]]()
        self._waiting_of_kind = Counter[str]()
        self._count_waiting = 0

    @property
    def taken(self) -> int:
        """How many places are taken now."""
        return self._taken.total()

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return self._count_waiting

    @contextmanager
    def place(self, kind: str, sender: str = "") -> Iterator[None]:
        """Wait for a place, and have it for the block. Yields. Raises Unreachable if too many wait."""
        self._take(kind, sender)
        try:
            yield
        finally:
            self._give_back(kind)

    def _take(self, kind: str, sender: str) -> None:
        if self._has_room(kind):  # then nobody of this kind waits
            self._taken[kind] += 1
            return
        if self._is_full(kind):
            raise Unreachable("too many servers are being dialled")
        given = Event()
        self._waiting.setdefault(sender, OrderedDict()).setdefault(kind, {})[given] = None
        self._waiting_of_kind[kind] += 1
        self._count_waiting += 1
        try:
            given.wait()
        except BaseException:
            if given.is_set():
                self._give_back(kind)
            else:
                self._waits_no_more(sender, kind, given)
            raise

    def _is_full(self, kind: str) -> bool:
        return (
            self._count_waiting >= self._most_waiting or self._waiting_of_kind[kind] >= self._most_waiting_of_kind
        )

    def _has_room(self, kind: str) -> bool:
        return self.taken < self._most and self._taken[kind] < self._most_of_kind

    def _give_back(self, kind: str) -> None:
        self._taken[kind] -= 1
        if not self._taken[kind]:
            del self._taken[kind]
        found = self._next()
        if found is None:
            return
        sender, next_kind = found
        self._waiting.move_to_end(sender)
        self._waiting[sender].move_to_end(next_kind)
        self._taken[next_kind] += 1
        given = next(iter(self._waiting[sender][next_kind]))
        self._waits_no_more(sender, next_kind, given)
        given.set()

    def _next(self) -> tuple[str, str] | None:
        """The sender and the kind whose turn it is. Few kinds can have all the places that one may have."""
        turns = ((sender, kind) for sender, kinds in self._waiting.items() for kind in kinds)
        return next((turn for turn in turns if self._has_room(turn[1])), None)

    def _waits_no_more(self, sender: str, kind: str, given: Event) -> None:
        kinds = self._waiting[sender]
        del kinds[kind][given]
        if not kinds[kind]:
            del kinds[kind]
        if not kinds:
            del self._waiting[sender]
        self._count_waiting -= 1
        self._waiting_of_kind[kind] -= 1
        if not self._waiting_of_kind[kind]:
            del self._waiting_of_kind[kind]
