"""One server per file: a lock beside it, held as long as the descriptor is open and never removed."""

import fcntl
import os
from pathlib import Path

from db.sqlite.errors import DatabaseInUse


def lock(database: Path) -> int:
    """Takes the lock of a database file; returns the descriptor whose closing gives it back. Raises DatabaseInUse.

    flock, since the other kind belongs to the process: a second opening in the same process would get it too.
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
