"""The write-ahead log (sqlite.org/wal.html): brought to the disk, and from time to time into the database file.

At synchronous=NORMAL a commit only hands the log to the system; `sync` then gives what FULL would. Both run
in a native thread, since the disk may take its time, and never two at once.
"""

import logging
import os
import sqlite3
import sys
from pathlib import Path

from db.sqlite.errors import StorageError, in_our_words

logger = logging.getLogger(__name__)

CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Each time the log has grown by this much, it is brought into the database file. Who waits for the disk waits longer
meanwhile."""

TOO_LONG_BYTES = 8 * CHECKPOINT_BYTES
"""What the log may grow to where it is written to all the time, so that a checkpoint never gets to its end."""

FAR_TOO_LONG_BYTES = 8 * TOO_LONG_BYTES
"""What it may grow to where the disk is slow, too."""

KEPT_BYTES = 2 * TOO_LONG_BYTES
"""A log that starts over is written into the file that is there: to cut it down would hold the loop for 100 ms."""

LENGTH = slice(16, 20)
"""Where the log's index has the number of its frames (sqlite.org/walformat.html, section 2.1)."""


class WalIndex:
    """What SQLite notes about the log for all its connections.

    Made before the first connection and closed after the last: to close a file takes away this process's locks on it.
    """

    def __init__(self, database: Path) -> None:
        self._path = f"{database}-shm"
        self._descriptor: int | None = None

    @property
    def frames(self) -> int:
        """How many pages the log has. Its file may have more, from earlier. While there is a connection."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDONLY)
        header = os.pread(self._descriptor, LENGTH.stop, 0)
        return int.from_bytes(header[LENGTH], sys.byteorder)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class Wal:
    """The log of a database that is open, through a descriptor and a connection of its own that stay open."""

    def __init__(self, database: Path, index: WalIndex) -> None:
        self._path = f"{database}-wal"
        self._index = index
        self._connection = sqlite3.connect(database, timeout=0, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._descriptor = os.open(self._path, os.O_RDONLY)
        self._is_doubtful = False
        self._due_at = CHECKPOINT_BYTES
        self._page_bytes = int(self._connection.execute("PRAGMA page_size").fetchone()[0])
        _sync_folder(database.parent)

    def sync(self) -> StorageError | None:
        """Brings everything committed so far to the disk, or says why that failed. Blocks; runs in the worker."""
        try:
            if self._is_doubtful:
                self._make_certain()
            else:
                os.fdatasync(self._descriptor)
        except (OSError, sqlite3.Error, StorageError) as error:
            logger.error("The write-ahead log cannot be brought to the disk: %s", error)
            self._is_doubtful = True
            return in_our_words(error)
        return None

    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        if self._bytes <= CHECKPOINT_BYTES:  # the log has started over, since all of it is in the database file
            self._due_at = CHECKPOINT_BYTES
        return self._bytes > self._due_at

    def is_too_long(self) -> bool:
        """Whether it is time for a checkpoint that nobody writes beside."""
        return self._bytes > TOO_LONG_BYTES

    def is_far_too_long(self) -> bool:
        """Whether that time cannot be chosen any more."""
        return self._bytes > FAR_TOO_LONG_BYTES

    def checkpoint(self) -> None:
        """Brings the log into the database file, without hindering reads and writes. Blocks."""
        self._due_at = self._bytes + CHECKPOINT_BYTES
        try:
            self._checkpoint()
        except sqlite3.Error as error:  # the log only gets longer; the next one tries again
            logger.warning("The write-ahead log cannot be brought into the database: %s", error)

    def close(self) -> None:
        self._connection.close()
        os.close(self._descriptor)

    @property
    def _bytes(self) -> int:
        return self._index.frames * self._page_bytes

    def _checkpoint(self) -> bool:
        """Whether nothing is left that is in the log only."""
        _busy, frames, carried = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(frames == carried)

    def _make_certain(self) -> None:
        # A failed fsync may lose pages that a later one then does not write any more, and a frame that is missing
        # makes all that follow it unreadable. So what was in the log goes into the database file.
        if not self._checkpoint():
            raise StorageError("the write-ahead log is in doubt")
        os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_RDONLY)
        self._is_doubtful = False


def _sync_folder(folder: Path) -> None:
    """Makes the names of new files last: fdatasync keeps a file's content only."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
