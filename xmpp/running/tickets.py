"""A ticket stands for a group of writes: it is open until they are on the disk, or known not to be. Who tells of what
was stored waits for its ticket; the storage makes them (db/sqlite/groups.py)."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Ticket:
    """What depends on a group of writes waits for its ticket. `failed` says why the group was lost, or is None."""

    __slots__ = ("_waiting", "failed", "is_open")

    def __init__(self) -> None:
        self.is_open = True
        self.failed: Exception | None = None
        self._waiting: list[Callable[[], object]] = []

    def when_closed(self, act: Callable[[], object]) -> None:
        """Calls act() once, in the order of asking; at once where the ticket is closed already. It may not yield."""
        if self.is_open:
            self._waiting.append(act)
        else:
            act()

    def close(self, failed: Exception | None = None) -> None:
        self.is_open = False
        self.failed = failed
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            try:
                act()
            except Exception:  # one that fails takes nothing from those that wait behind it
                logger.exception("What waited for a ticket failed")
