"""What a connection sends, read by whoever serves it; while a request waits for its answer, so that its end shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent.event import Event

from xmpp.data.errors import StreamError
from xmpp.stream.transport import SocketTransport

AHEAD_BYTES = 65536  # what is read of later requests while one waits; then its end does not show until it is answered


class Reader:
    """Reads one connection. A client that closes its half only is taken for one that is gone, as proxies do it."""

    def __init__(self, transport: SocketTransport) -> None:
        self._transport = transport
        self._ahead = bytearray()
        self._end: Exception | None = None  # what reading raised, to be raised by whoever reads next
        self._has_ended = False
        self._on_gone: Callable[[], None] | None = None
        self._is_watching = False  # a greenlet reads: nobody else may
        self._has_come = Event()

    def read(self) -> bytes:
        """As the transport's. Yields. Raises OSError and StreamError."""
        while self._is_watching and not self._ahead:
            self._has_come.clear()
            self._has_come.wait()
        if self._ahead:
            data = bytes(self._ahead)
            self._ahead.clear()
            return data
        if self._end is not None:
            raise self._end
        return b"" if self._has_ended else self._transport.read()

    @contextmanager
    def watched(self, on_gone: Callable[[], None]) -> Iterator[None]:
        """Meanwhile, call `on_gone` once if the connection is lost. It must not yield."""
        self._on_gone = on_gone
        if self._has_ended:
            self._tell()
        elif not self._is_watching and len(self._ahead) < AHEAD_BYTES:
            self._is_watching = True
            gevent.spawn(self._watch)
        try:
            yield
        finally:
            self._on_gone = None

    def _watch(self) -> None:
        """Read until the end. A read is never broken off, or what it has decrypted would be lost: the last one lasts
        until the next request comes."""
        try:
            while len(self._ahead) < AHEAD_BYTES:
                data = self._transport.read()
                self._ahead += data
                self._has_come.set()
                if not data:
                    self._has_ended = True
                if self._has_ended or self._on_gone is None:
                    break
        except (OSError, StreamError) as error:
            self._end, self._has_ended = error, True
        finally:
            self._is_watching = False
            self._has_come.set()
        if self._has_ended:
            self._tell()

    def _tell(self) -> None:
        if self._on_gone is not None:
            on_gone, self._on_gone = self._on_gone, None
            on_gone()
