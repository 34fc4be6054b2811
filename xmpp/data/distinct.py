"""How many different things there were of a kind within a time."""

from collections import Counter, OrderedDict
from collections.abc import Hashable


class Distinct:
    """Different things by kind, each of which counts for so many seconds from when it was first seen.

    At most `bound` are remembered, of all kinds together; beyond it those seen first are forgotten. `now` is always on
    the monotonic clock.
    """

    def __init__(self, seconds: float, bound: int) -> None:
        self._seconds = seconds
        self._bound = bound
        self._seen: OrderedDict[tuple[Hashable, Hashable], float] = OrderedDict()
        self._counts = Counter[Hashable]()

    def admits(self, kind: Hashable, thing: Hashable, most: int, now: float) -> bool:
        """True if this thing is one of the kind's that count now, or there were fewer than `most`: then it is one from
        now on."""
        self._forget(now)
        if (kind, thing) in self._seen:
            return True
        if self._counts[kind] >= most:
            return False
        self._seen[kind, thing] = now
        self._counts[kind] += 1
        if len(self._seen) > self._bound:
            self._forget_first()
        return True

    def has(self, kind: Hashable, thing: Hashable, now: float) -> bool:
        """True if this thing is one of the kind's that count now."""
        seen = self._seen.get((kind, thing))
        return seen is not None and seen > now - self._seconds

    def _forget(self, now: float) -> None:
        while self._seen and next(iter(self._seen.values())) <= now - self._seconds:
            self._forget_first()

    def _forget_first(self) -> None:
        (kind, _), _ = self._seen.popitem(last=False)
        self._counts[kind] -= 1
        if not self._counts[kind]:
            del self._counts[kind]

    def __len__(self) -> int:
        return len(self._seen)
