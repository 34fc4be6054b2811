"""What is told waits for what is stored: the promise that binds them, as whoever waits for it sees it.

The storage makes tickets (db/sqlite/tickets.py). Sessions, outboxes and features only hold them.
"""

from collections.abc import Callable
from typing import Protocol


class Ticket(Protocol):
    """The promise that a group of rows reaches the disk."""

    @property
    def is_open(self) -> bool: ...
    @property
    def failed(self) -> Exception | None: ...
    def when_closed(self, act: Callable[[], None]) -> None: ...
