"""Accepting connections; when the process runs out of descriptors, it waits until there are some, and says so once.

gevent's own server logs a traceback for each connection that it cannot accept.
"""

import errno
import logging
import os
import resource
from collections.abc import Callable
from time import monotonic
from typing import Any

from gevent.server import StreamServer

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.1
CROWDED_SECONDS = 0.01
SAID_AGAIN_SECONDS = 60.0  # descriptors may run out many times in a second
# For the server's own files, and for connections that wait to be refused or whose descriptor is not free again yet.
RESERVED_FILES = 128


class PatientServer(StreamServer):
    """A listening socket. `make_room` is called when there is no descriptor for a connection; while `is_crowded()`,
    connections wait in the kernel's queue."""

    max_accept = 32  # connections at once, before others have their turn: each takes a descriptor

    def __init__(
        self, listener: Any, handle: Callable[..., object], *, backlog: int | None = None,
        make_room: Callable[[], object] = lambda: None, is_crowded: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        super().__init__(listener, handle, backlog=backlog)
        self._make_room = make_room
        self._is_crowded = is_crowded
        self._quiet_until = 0.0
        self._is_short = False

    def do_read(self) -> Any:
        """Accept a connection; None if none can be accepted now."""
        if self._is_crowded():
            self._wait(CROWDED_SECONDS)
            return None
        try:
            accepted = super().do_read()
        except OSError as error:
            if self.is_fatal_error(error):
                raise
            if error.errno != errno.ECONNABORTED:
                self._pause(error)
            return None
        if accepted and self._is_short:
            self._is_short = False
            log.info("connections are accepted again")
        return accepted

    def _pause(self, error: OSError) -> None:
        """Accept nothing for RETRY_SECONDS."""
        self._wait(RETRY_SECONDS)
        now = monotonic()
        if now >= self._quiet_until:
            self._is_short = True
            log.warning("no connection can be accepted at present: %s", os.strerror(error.errno or 0))
        self._quiet_until = now + SAID_AGAIN_SECONDS
        self._make_room()

    def _wait(self, seconds: float) -> None:
        """Accept nothing: new connections wait in the kernel's queue meanwhile."""
        self.stop_accepting()
        self._timer: Any = self.loop.timer(seconds)  # stop() knows it by this name
        self._timer.start(self._resume)

    def _resume(self) -> None:
        if self.started:
            self.start_accepting()


def connections_possible() -> int:
    """Raise this process's limit of open files as far as allowed; returns how many can be connections of clients."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        limit = most
    except (OSError, ValueError):
        pass  # some systems allow less than they say
    if limit == resource.RLIM_INFINITY:
        return int(1e9)
    return max(1, limit - min(RESERVED_FILES, limit // 2))
