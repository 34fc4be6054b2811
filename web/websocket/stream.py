"""A client's stream that WebSocket carries (RFC 7395). Once its messages are read it is like any other.

Browsers cannot ping, so the server does: proxies cut a connection on which nothing passes for a minute.
"""

import logging
from typing import Any

import gevent

from web.websocket import frames
from web.websocket.frames import PING, PONG
from web.websocket.framing import Hangup, Ping, WebSocketFraming, framed
from xmpp.server import Server
from xmpp.stream.client import ClientStream, Terms
from xmpp.stream.outbox import Flusher
from xmpp.stream.places import Place
from xmpp.stream.transport import SocketTransport

log = logging.getLogger(__name__)

_PING = frames.control(PING)


class WebSocketStream(ClientStream):
    """The stream of one connection, after the handshake. `early`: what came behind that."""

    carrier = "websocket"

    def __init__(
        self,
        server: Server,
        terms: Terms,
        transport: SocketTransport,
        flusher: Flusher,
        peer: str,
        place: Place,
        *,
        is_secure: bool,
        early: bytes,
        ping_seconds: int,
    ) -> None:
        framing = WebSocketFraming()
        super().__init__(server, terms, transport, flusher, peer, place, is_secure=is_secure, framing=framing)
        self._early = early
        self._pings = 0  # since anything came
        self._most_pings = max(1, server.stream_settings.dead_peer_seconds // ping_seconds)
        self._next_ping = gevent.get_hub().loop.timer(ping_seconds, ping_seconds)
        self._next_ping.start(self.ping)

    # -- what comes in

    def _read(self) -> None:
        early, self._early = self._early, b""
        if early:
            self._take(early)
        super()._read()

    def _take(self, data: bytes) -> None:
        self._pings = 0
        super()._take(data)

    def handle(self, event: Any) -> None:
        """Handle an event of the stream as any stream does, or one of its connection."""
        if event.__class__ is Ping:
            self._outbox.add_ahead(frames.control(PONG, event.content))
        elif event.__class__ is Hangup:
            self._hang_up(event.code)
        else:
            super().handle(event)

    def _hang_up(self, code: int) -> None:
        """The client closes the connection and not the stream: its session can be resumed (RFC 7395 section 3.7)."""
        self._outbox.add_ahead(frames.close(code))
        self.flush()
        self.drop(ConnectionResetError(f"the client has closed the connection: {code}"))

    # -- what goes out

    def write(self, data: bytes) -> None:
        """Enqueue an element as a message of its own."""
        super().write(framed(data))

    def write_ahead(self, data: bytes) -> None:
        """Enqueue an element that may overtake what waits for the disk."""
        super().write_ahead(framed(data))

    def ping(self) -> None:
        """Ask whether the client is there, unless it has not answered for as long as a peer may be silent."""
        if self._pings >= self._most_pings:
            self.drop(TimeoutError("no answer to a ping"))
        elif not self.is_closing:
            self._pings += 1
            self._outbox.add_ahead(_PING)

    def closed(self, *, is_lost: bool) -> None:
        """End or lose the session, and stop pinging."""
        self._next_ping.close()
        super().closed(is_lost=is_lost)
