"""The ways between servers of a test, which break: each connection goes over a relay, and all are cut after so many
bytes, wherever that is."""

from contextlib import suppress
from types import TracebackType
from typing import Self

import gevent
from gevent import socket
from gevent.server import StreamServer

from tests.harness.federated import LOOPBACK, PATIENCE, Directory


class Roads(Directory):
    """Where the servers are, and the ways to them. `cuts`: how often they were cut."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts = 0
        self._relays: dict[int, StreamServer] = {}
        self._open: set[socket.socket] = set()
        self._left: int | None = None

    def way_to(self, port: int) -> int:
        if port not in self._relays:
            relay = self._relays[port] = StreamServer((LOOPBACK, 0), lambda sock, _: self._carry_to(port, sock))
            relay.start()
        return int(self._relays[port].address[1])

    def cut_after(self, size: int) -> None:
        """Cut all connections once so many bytes more have been carried, whichever way."""
        self._left = size

    def cut_no_more(self) -> None:
        """Carry all that comes."""
        self._left = None

    def _carry_to(self, port: int, near: socket.socket) -> None:
        try:
            far = socket.create_connection((LOOPBACK, port), PATIENCE)
        except OSError:
            return  # that server is gone
        far.settimeout(None)
        both = {near, far}
        self._open |= both
        back = gevent.spawn(self._carry, far, near)
        self._carry(near, far)
        back.join()
        self._open -= both
        for sock in both:
            sock.close()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self._left is not None:
                    data = data[: self._left]
                    self._left -= len(data)
                sink.sendall(data)
                if self._left == 0:
                    self._cut()
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one of them is gone
            _end(source, sink)

    def _cut(self) -> None:
        self._left = None
        self.cuts += 1
        _end(*self._open)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for relay in self._relays.values():
            relay.stop(timeout=0)


def _end(*socks: socket.socket) -> None:
    for sock in socks:
        with suppress(OSError):  # it is not connected any more
            sock.shutdown(socket.SHUT_RDWR)
