"""The write-ahead log (sqlite.org/wal.html): brought to the disk, and from time to time into the database file.

With synchronous=NORMAL a commit only hands the log to the system; followed by `sync` it is as safe as with FULL. `sync`
and `checkpoint` run in a native thread, since the disk may be slow, and one at a time.
"""

import logging
import os
import sqlite3
import sys
from pathlib import Path

from db.sqlite.errors import StorageError, in_our_words

logger = logging.getLogger(__name__)

CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Each time the log has grown by this much, it is brought into the database file; groups wait longer meanwhile."""

TOO_LONG_BYTES = 8 * CHECKPOINT_BYTES
"""How long the log may become when it is written to all the time, so that no checkpoint reaches its end."""

FAR_TOO_LONG_BYTES = 8 * TOO_LONG_BYTES
"""How long it may become when the disk is slow as well."""

KEPT_BYTES = 2 * TOO_LONG_BYTES
"""A log that starts over keeps a file of this size: to cut the file down would stop the loop for 100 ms."""

LENGTH = slice(16, 20)
"""Where the number of frames stands in the log's index (sqlite.org/walformat.html, section 2.1)."""


class WalIndex:
    """The log's index, a file that all connections share.

    Made before the first connection and closed after the last, because closing any descriptor of a file drops all locks
    of this process on it.
    """

    def __init__(self, database: Path) -> None:
        self._path = f"{database}-shm"
        self._descriptor: int | None = None

    @property
    def frames(self) -> int:
        """How many pages the log has; its file may be longer. Only while there is a connection."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDONLY)
        header = os.pread(self._descriptor, LENGTH.stop, 0)
        return int.from_bytes(header[LENGTH], sys.byteorder)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class Wal:
    """The log of an open database, with a descriptor and a connection of its own."""

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
        """Brings everything committed so far to the disk; returns why that failed, or None. Blocks, so it runs in a
        thread."""
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
        """True if it is time for a checkpoint."""
        if self._bytes <= CHECKPOINT_BYTES:  # the log has started over, since all of it is in the database file
            self._due_at = CHECKPOINT_BYTES
        return self._bytes > self._due_at

    def is_too_long(self) -> bool:
        """True if it is time for a checkpoint during which nobody writes."""
        return self._bytes > TOO_LONG_BYTES

    def is_far_too_long(self) -> bool:
        """True if that checkpoint cannot wait any longer for a moment when the disk is quick."""
        return self._bytes > FAR_TOO_LONG_BYTES

    def checkpoint(self) -> None:
        """Brings the log into the database file; others can read and write meanwhile. Blocks."""
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
        """Runs a checkpoint; True if everything in the log is in the database file now."""
        _busy, frames, carried = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(frames == carried)

    def _make_certain(self) -> None:
        # After a failed fsync the system may never write the pages that it failed for, and a frame that is missing
        # makes all frames after it unreadable. So everything in the log is brought into the database file instead.
        if not self._checkpoint():
            raise StorageError("the write-ahead log is in doubt")
        os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_RDONLY)
        self._is_doubtful = False


def _sync_folder(folder: Path) -> None:
    """Brings the names of new files to the disk: fdatasync of a file covers its content only."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
