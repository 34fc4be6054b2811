"""The streams of all clients of a server, whatever carries them: TCP, WebSocket, BOSH."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import gevent

from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.stream.client import ClientStream, Terms, stream_tags
from xmpp.stream.outbox import Flusher
from xmpp.stream.places import Place
from xmpp.stream.tls.tls import ServerTLS
from xmpp.stream.transport import SocketTransport
from xmpp.stream.xml.nameguard import ProcessNames

if TYPE_CHECKING:
    from xmpp.server import Server


class ClientStreams:
    """The streams of all clients: `terms` and `flusher` are for those who make one."""

    def __init__(self, server: "Server", tls: ServerTLS | None, *, must_be_secure: bool) -> None:
        self.server = server
        self.terms = Terms(tls, must_be_secure, ProcessNames(), stream_tags(server.registry))
        self.flusher = Flusher()
        self._streams: set[ClientStream] = set()

    def serve_tcp(
        self, transport: SocketTransport, peer: str, place: Place, *, is_secure: bool = False
    ) -> None:
        """Serve a stream over TCP until it has ended. `is_secure`: TLS ends at a proxy that is trusted. Yields."""
        stream = ClientStream(self.server, self.terms, transport, self.flusher, peer, place, is_secure=is_secure)
        self.serve(stream)

    def refuse_tcp(self, transport: SocketTransport, peer: str, place: Place, error: StreamError) -> None:
        """Close a stream over TCP before anything of it is read. Yields until the client has hung up."""
        stream = ClientStream(self.server, self.terms, transport, self.flusher, peer, place)
        stream.close(error)
        self.serve(stream)

    def serve(self, stream: ClientStream) -> None:
        """Serve a stream until it has ended. Yields."""
        self._streams.add(stream)
        try:
            stream.serve()
        finally:
            self._streams.discard(stream)

    def __iter__(self) -> Iterator[ClientStream]:
        return iter(tuple(self._streams))

    def unbound(self, account: JID) -> list[ClientStream]:
        """The streams that have logged in as this account and have no session yet."""
        return [stream for stream in self._streams if stream.account == account and stream.session is None]

    def close_unbound(self, account: JID, error: StreamError) -> None:
        """Close the streams that have logged in as this account and have no session yet."""
        for stream in self.unbound(account):
            stream.close(error)

    def close(self, error: StreamError) -> None:
        """Close every stream, with or without a session."""
        for stream in tuple(self._streams):
            stream.close(error)

    def wait_until_told(self) -> None:
        """Yield until all that was written to any stream has been handed to the kernel."""
        while any(not stream.is_told for stream in self._streams):
            gevent.sleep(0.01)
