"""How long the loop lets others wait: once a second a timer looks how late it is called.

A single long delay is often missed. Over hours the classes show how much of the time the loop was how far behind.
"""

from collections.abc import Callable
from time import monotonic

import gevent

from xmpp.running.durations import Durations

EVERY_SECONDS = 1.0


class HubDelay:
    """Measures the delays of the loop that it is made on."""

    def __init__(self) -> None:
        self.durations = Durations()
        self._due = 0.0
        # `ref`: a loop that has nothing else to do does not wait for this
        self._timer = gevent.get_hub().loop.timer(EVERY_SECONDS, EVERY_SECONDS, ref=False)

    def start(self, until: Callable[[], bool]) -> None:
        """Begin to measure, until until() is true."""
        self._due = monotonic() + EVERY_SECONDS
        # `update`: from now, and not from when the loop has last looked at its clock. `again`: a timer that has expired
        # and is started would expire at once.
        self._timer.again(self._called, until, update=True)

    def _called(self, until: Callable[[], bool]) -> None:
        if until():
            self._timer.close()
        else:
            self.durations.note(max(0.0, monotonic() - self._due))
            self.start(until)
