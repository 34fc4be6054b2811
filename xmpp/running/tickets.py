"""A ticket stands for a group of writes. It is open until they are on the disk, or are known to have failed.

The storage makes tickets (db/sqlite/groups.py); what tells a client of the writes waits until their ticket is closed.
"""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Ticket:
    """What depends on a group of writes waits for its ticket.

    `failed`: why they were not stored, or None. It may be known a moment before the ticket is closed.
    """

    __slots__ = ("_waiting", "failed", "is_open")

    def __init__(self) -> None:
        self.is_open = True
        self.failed: Exception | None = None
        self._waiting: list[Callable[[], object]] = []

    def when_closed(self, act: Callable[[], object]) -> None:
        """Call act() once the ticket is closed, in the order of asking; at once if it is closed already.

        act() may not yield.
        """
        if self.is_open:
            self._waiting.append(act)
        else:
            act()

    def close(self, failed: Exception | None = None) -> None:
        """Close the ticket, and call all that waits for it. `failed`: why the writes are not on the disk."""
        self.is_open = False
        self.failed = failed
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            try:
                act()
            except Exception:  # the others that wait are called all the same
                logger.exception("What waited for a ticket failed")
