"""What the log says of connections that found no place: a line a minute, whoever connects how often.

Their clients see no more than a connection that is closed, and people behind one address can be many.
"""

import logging

log = logging.getLogger(__name__)

SAID_AGAIN_SECONDS = 60.0


class Refusals:
    """Those of one server."""

    def __init__(self) -> None:
        self._quiet_until = 0.0
        self._omitted = 0

    def note(self, network: str, reason: str, now: float) -> None:
        """A connection from there was closed at once, for this reason; `now` is on the monotonic clock."""
        if now < self._quiet_until:
            self._omitted += 1
            return
        more = f" ({self._omitted} more before this one)" if self._omitted else ""
        log.warning("a connection from %s was refused: %s%s", network, reason, more)
        self._quiet_until, self._omitted = now + SAID_AGAIN_SECONDS, 0
