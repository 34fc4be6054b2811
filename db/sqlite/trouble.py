"""Logs that nothing can be stored: once when that begins and once when it is over, however many writes fail."""

import logging
import time

from db.sqlite.errors import StorageBusy, StorageError

logger = logging.getLogger(__name__)

CALM_SECONDS = 60
"""Trouble is over so long after the last failure: a disk that is nearly full still takes small writes in between."""


class Trouble:
    """The lasting trouble (`StorageError.lasts`) that there is with the file at the moment."""

    def __init__(self) -> None:
        self._now: StorageError | None = None
        self._noticed_at = 0.0

    def notice(self, reason: StorageError) -> None:
        """Something could not be stored."""
        if not reason.lasts:
            return
        self._noticed_at = time.monotonic()
        if type(self._now) is not type(reason):
            self._now = reason
            logger.error("Nothing can be stored: %s", reason)

    def notice_unlocked(self) -> None:
        """A transaction could be begun."""
        if isinstance(self._now, StorageBusy):
            self._end()

    def notice_stored(self) -> None:
        """A group is on the disk."""
        if self._now is not None and time.monotonic() - self._noticed_at > CALM_SECONDS:
            self._end()

    def _end(self) -> None:
        logger.warning("What comes now is stored again; what kept it from that was: %s", self._now)
        self._now = None
