"""How the server is: whether its storage answers, how much room there is, how long it has run."""

import os
import platform
import resource
import shutil
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from db import accounts
from handlers.admin.given import Administrator, unhurried
from xmpp import __version__

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


class Health(NamedTuple):
    """Times in seconds, sizes in bytes. `storage_seconds`: how long a query has taken; None if it has failed, with
    `storage_error`."""

    started_at: float
    storage_seconds: float | None
    storage_error: str
    storage_bytes: int
    disk_free_bytes: int
    disk_bytes: int
    most_memory_bytes: int
    accounts: int
    sessions: int
    versions: dict[str, str]


class Population(NamedTuple):
    """How many accounts there are, and how many sessions."""

    accounts: int
    sessions: int


def population(server: "Server", by: Administrator) -> Population:
    """Who is here. Yields."""
    sessions = sum(1 for session in unhurried(server.online) if by.may_at(session.account.domain))
    return Population(accounts.count(server.db, by.domain), sessions)


def health(server: "Server", by: Administrator) -> Health:
    """How the server is just now."""
    path = Path(server.db.path)
    disk = shutil.disk_usage(path.parent)
    began, error, count = time.monotonic(), "", 0
    try:
        count = accounts.count(server.db)
    except server.storage_errors as failed:
        error = str(failed)
    return Health(
        server.started_at,
        None if error else time.monotonic() - began,
        error,
        sum(_size(path.with_name(path.name + end)) for end in ("", "-wal")),
        disk.free,
        disk.total,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        count,
        len(server.online),
        {
            "xserv": __version__,
            "Python": platform.python_version(),
            "SQLite": sqlite3.sqlite_version,
            "System": f"{platform.system()} {platform.release()}",
        },
    )


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
