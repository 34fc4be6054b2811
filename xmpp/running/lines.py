"""How many lines the log has of what anybody can cause: some at once, then a few in a minute. The others are counted in
the next one."""

from collections.abc import Callable
from time import monotonic

MOST_AT_ONCE = 100
LINES_PER_SECOND = 0.5  # after that: some 10 MB a day at most, however much there is to be told


class LimitedLines:
    """The lines of one kind."""

    def __init__(self) -> None:
        self._left = float(MOST_AT_ONCE)
        self._at = 0.0
        self._omitted = 0

    def next(self, now: float) -> int | None:
        """How many were not logged since the last line; None if this one is not to be logged either. `now`: on the
        monotonic clock."""
        self._left = min(self._left + (now - self._at) * LINES_PER_SECOND, float(MOST_AT_ONCE))
        self._at = now
        if self._left < 1.0:
            self._omitted += 1
            return None
        self._left -= 1.0
        omitted, self._omitted = self._omitted, 0
        return omitted

    def say(self, write: Callable[..., None], text: str, *arguments: object) -> None:
        """Write a line, if it is to be logged; `write` is that of a logger for the level, `text` is as there."""
        omitted = self.next(monotonic())
        if omitted is not None:
            more = f" ({omitted} more were not logged before this one)" if omitted else ""
            write(text + "%s", *arguments, more)
