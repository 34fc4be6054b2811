"""Where the listener hands connections to that are not clients' streams: the HTTP side, what talks to other servers."""

from dataclasses import dataclass
from typing import Protocol

from xmpp.data.errors import StreamError
from xmpp.stream.places import Place
from xmpp.stream.transport import SocketTransport


@dataclass(frozen=True, slots=True)
class Arrival:
    """A connection that speaks HTTP. `has_tls`: TLS ends here, or at a proxy that says so by the PROXY protocol."""

    transport: SocketTransport
    peer: str
    place: Place
    has_tls: bool


class HTTPSide(Protocol):
    """What serves the connections that speak HTTP."""

    def start(self) -> None:
        """The ports are known."""

    def serve(self, arrival: Arrival) -> None:
        """Serve a connection until its end. Yields."""

    def close(self) -> None:
        """Close all connections: those that wait for a request at once, the others when they have been answered."""

    @property
    def is_told(self) -> bool:
        """True if all requests have been answered."""

    @property
    def connections(self) -> int:
        """How many connections there are."""


class ServerSide(Protocol):
    """What serves the connections that other servers make, and makes some to them."""

    def start(self) -> None:
        """Connections can come from now on."""

    def serve_connection(self, transport: SocketTransport, peer: str, place: Place, *, has_tls: bool) -> None:
        """Serve a connection until its end. `has_tls`: TLS is on, or ends at a proxy that is trusted. Yields."""

    def close(self, error: StreamError) -> None:
        """Close all streams."""

    @property
    def is_told(self) -> bool:
        """True if all that was written has been handed to the kernel."""
