"""One server per file: a lock file beside it, locked as long as a descriptor is open, and never removed."""

import fcntl
import os
from pathlib import Path

from db.sqlite.errors import DatabaseInUse


def lock(database: Path) -> int:
    """Takes the lock of a database file; to close the returned descriptor gives it back. Raises DatabaseInUse.

    It is flock, since the locks of fcntl belong to the process: a second Database in it would get the lock too.
    """
    descriptor = os.open(database.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20)
        os.close(descriptor)
        raise DatabaseInUse(str(database), int(holder) if holder.strip().isdigit() else None) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())
    return descriptor
