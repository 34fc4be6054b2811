"""What the log says of connections that found no place: one line a minute, however many there are.

Their clients only see that the connection is closed, and there may be many people behind one address.
"""

import logging

log = logging.getLogger(__name__)

SAID_AGAIN_SECONDS = 60.0


class Refusals:
    """The refused connections of one server."""

    def __init__(self) -> None:
        self._quiet_until = 0.0
        self._omitted = 0

    def note(self, network: str, reason: str, now: float) -> None:
        """Log that a connection from this network was closed at once, and why. `now` is on the monotonic clock."""
        if now < self._quiet_until:
            self._omitted += 1
            return
        more = f" ({self._omitted} more before this one)" if self._omitted else ""
        log.warning("a connection from %s was refused: %s%s", network, reason, more)
        self._quiet_until, self._omitted = now + SAID_AGAIN_SECONDS, 0
