"""For how long there may be no request of a session (XEP-0124 section 10)."""

from collections.abc import Callable
from typing import Any

import gevent


class Inactivity:
    """A timer that runs while no request waits for an answer. `end` must not yield."""

    def __init__(self, seconds: int, end: Callable[[], None]) -> None:
        self.seconds = seconds
        self._end = end
        self._timer: Any = None

    def begin(self) -> None:
        """Count the time, if that has not begun yet."""
        if self._timer is None:
            self._timer = gevent.get_hub().loop.timer(self.seconds)
            self._timer.start(self._is_over)

    def stop(self) -> None:
        """A request has come."""
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _is_over(self) -> None:
        self.stop()
        self._end()
