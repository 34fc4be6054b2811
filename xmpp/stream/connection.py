"""One stream over one connection: the blocking read loop, and the ways in which the stream is closed.

A greenlet runs `serve`: it reads, feeds the parser, and hands each event to `handle`, which client.py implements.
Everything else only enqueues: `write` and `close` can be called from any greenlet and never yield.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import gevent

from xmpp.data.errors import StreamError
from xmpp.running.handling import Handled, handled
from xmpp.running.mypyc import mypyc_attr
from xmpp.stream.admission import Admission
from xmpp.stream.framing import Framing, Opening, Reader
from xmpp.stream.outbox import Flusher, Outbox
from xmpp.stream.pace import Pace
from xmpp.stream.turns import Turns

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)


class Transport(Protocol):
    """What carries the bytes, such as a socket."""

    def read(self) -> bytes: ...
    def try_send(self, data: bytes) -> int: ...
    def wait_writable(self) -> None: ...
    def shutdown_write(self) -> None: ...
    def close(self) -> None: ...


Carrier = TypeVar("Carrier", bound=Transport)


@mypyc_attr(allow_interpreted_subclasses=True)
class Connection(Generic[Carrier]):
    """The part of a stream that does not depend on who is at the other end."""

    feed: Reader
    framing: Framing

    def __init__(self, server: "Server", transport: Carrier, flusher: Flusher, peer: str) -> None:
        self.server = server
        self.transport = transport
        self.peer = peer
        self.is_closing = False
        self._header_is_sent = False
        self._outbox = Outbox(transport, flusher, server.stream_settings.unsent_bytes, self.drop)
        self._pace = Pace(server.stream_settings.bytes_per_second, server.state(Turns))

    # -- for client.py

    def handle(self, event: Any) -> None:
        """Handle a stream header, a top-level element, or the end of the stream."""
        raise NotImplementedError

    def closed(self, *, is_lost: bool) -> None:
        """The stream is closed, by one side or because the connection is lost. Must be safe to call twice."""
        raise NotImplementedError

    def header(self) -> Opening:
        """What our stream header says."""
        raise NotImplementedError

    # -- the read loop

    def serve(self) -> None:
        """Read until the stream is closed. Runs in a greenlet of its own."""
        try:
            self._read()
        except StreamError as error:
            self._refuse(error)
        except OSError as error:
            log.debug("%s: connection lost: %s", self.peer, error)
        except Exception:
            log.exception("%s: the stream failed", self.peer)
            self.close(StreamError("internal-server-error"))
        self._end_in_turn()
        self._linger()

    def _end_in_turn(self) -> None:
        """Yield while others end: a network may lose thousands at once. A stranger has nothing that takes time."""
        if not self.is_closing and self._pace.admission is None:
            self.server.state(Admission).wait(has_begun=True)
            self._pace.turn.begin()  # what others took meanwhile does not count

    def _read(self) -> None:
        while not self.is_closing and (data := self.transport.read()):
            if self._pace.admission is not None:
                self._pace.queue_up()
            if self.is_closing:
                break  # it was closed meanwhile: the client has been told so, and nothing more is handled
            self._take(data)
            del data  # or the last bytes would be kept for as long as the client is silent

    def _take(self, data: bytes) -> None:
        feed, turn = self.feed, self._pace.turn
        turn.begin()
        for event in feed.read(data):
            with Handled():
                try:
                    self.handle(event)
                except StreamError as error:  # caught here, so that it waits for the disk as what was sent before does
                    self._refuse(error)
            if monotonic() > turn.ends:
                self._pace.end_turn()
            if self.feed is not feed or self.is_closing:
                break  # a new stream began (after TLS or SASL): bytes that were sent too early are not read
        self._pace.pay(len(data))

    def _refuse(self, error: StreamError) -> None:
        log.debug("%s: %s", self.peer, error)
        self.close(error)

    # -- the ways out

    def write(self, data: bytes) -> None:
        """Enqueue bytes for the peer; they wait for the disk if what is being handled has stored something."""
        if not self.is_closing:
            self._outbox.add(data, handled().ticket)

    def write_ahead(self, data: bytes) -> None:
        """Enqueue bytes that may overtake what waits for the disk."""
        if not self.is_closing:
            self._outbox.add_ahead(data)

    @property
    def has_room(self) -> bool:
        """True if little waits to be written, so that more can be sent in bulk."""
        return self._outbox.has_room

    def when_room(self, act: Callable[[], None]) -> None:
        """Call act(), in place of what was given before, as soon as there is room; never if the connection is lost."""
        self._outbox.when_room(act)

    def opening(self) -> bytes:
        """Our stream header if it has not been sent yet, else nothing: it comes before an error (RFC 6120 4.9.1.2)."""
        if self._header_is_sent:
            return b""
        self._header_is_sent = True
        return self.framing.opening(self.header())

    def flush(self) -> None:
        """Hand what was written to the kernel now, before the transport changes (TLS)."""
        self._outbox.flush()

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream: send our error, if there is one, and the closing tag, then shut the connection.

        Never yields. Does nothing if the stream is closed already.
        """
        if self.is_closing:
            return
        self._tell_closed(is_lost=error is not None and error.condition == "system-shutdown")
        self.is_closing = True
        self._say_goodbye(error)
        gevent.spawn_later(self.server.stream_settings.close_seconds, self.transport.close)

    def _say_goodbye(self, error: StreamError | None) -> None:
        self._outbox.add(self.framing.ending(self.opening(), error), handled().ticket)
        self._outbox.when_empty(self.transport.shutdown_write)

    @property
    def unsent(self) -> int:
        """How many bytes wait to be written."""
        return self._outbox.size

    @property
    def is_told(self) -> bool:
        """True if everything that was written has been handed to the kernel."""
        return self._outbox.is_empty

    def drop(self, reason: Exception) -> None:
        """Drop the connection, because the peer does not read or is gone. Never yields.

        If `reason` is that something could not be stored, the peer is told: the stream is closed with an error.
        """
        log.debug("%s: dropped: %s", self.peer, reason)
        if isinstance(reason, self.server.storage_errors):
            error = StreamError("resource-constraint", "what you sent could not be stored")
            with Handled():  # this does not wait for what is lost
                # Where it is closing already, the last words were among what was held back.
                self._say_goodbye(error) if self.is_closing else self.close(error)
            return
        self.is_closing = True
        self._tell_closed(is_lost=True)
        self.transport.close()

    def _tell_closed(self, *, is_lost: bool) -> None:
        """Call `closed`. The caller may be closing many streams, or be handling something of its own, so exceptions
        stop here, and what is stored here delays only what is sent here."""
        with Handled(handled().ticket):
            try:
                self.closed(is_lost=is_lost)
            except Exception:
                log.exception("%s: ending the stream failed", self.peer)

    def _linger(self) -> None:
        """Wait for the peer to hang up: closing the socket earlier could destroy what the peer has not read yet."""
        self._tell_closed(is_lost=True)
        try:
            while self.is_closing and self.transport.read():
                pass
        except OSError:
            pass  # it hung up, or the time for that is over
        self.is_closing = True
        self.transport.close()
