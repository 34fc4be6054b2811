"""Queries that may take long run in a thread of their own, on a connection that only reads, for a limited time.

SQLite releases the interpreter's lock meanwhile, so that the loop goes on. They see what has been committed.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from gevent.threadpool import ThreadPool

SEARCH_SECONDS = 1.0
"""How long a query may take. A million messages are looked through for thirty words in about that time."""

STEPS = 1_000
"""Of SQLite's virtual machine, between two looks at the clock: some milliseconds where words are compared."""


class SearchConnection:
    """The connection, made when it is first needed, and its thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._worker = ThreadPool(1)
        self._connection: sqlite3.Connection | None = None
        self._deadline = 0.0

    def rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """What a SELECT finds. Yields until it is done; one runs at a time. Raises sqlite3.Error, also when interrupted
        after SEARCH_SECONDS."""
        found: list[tuple[Any, ...]] = self._worker.apply(self._look, (query, values))
        return found

    def close(self) -> None:
        """Yields until no query runs, and closes the connection."""
        self._worker.join()
        self._worker.kill()
        if self._connection is not None:
            self._connection.close()

    def _look(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        connection = self._connection or self._connect()
        self._deadline = monotonic() + SEARCH_SECONDS
        return connection.execute(query, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only = ON")
        connection.set_progress_handler(lambda: monotonic() > self._deadline, STEPS)
        self._connection = connection
        return connection
