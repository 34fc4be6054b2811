"""Listening: the sockets, and one greenlet for each connection that finds a place."""

import errno
import logging
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent

from xmpp.config.configuration import Configuration
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.networks import Networks, network
from xmpp.running.accepting import PatientServer, connections_possible
from xmpp.stream.admission import Admission
from xmpp.stream.client_streams import ClientStreams
from xmpp.stream.listen_settings import NO_PORT, PORTS, ListenSettings
from xmpp.stream.pace import Pace
from xmpp.stream.places import Place, Places
from xmpp.stream.proxied import NotProxied, Proxied, read_header
from xmpp.stream.refusals import Refusals
from xmpp.stream.sides import Arrival, HTTPSide, ServerSide
from xmpp.stream.tls.certificates import Certificate
from xmpp.stream.tls.contexts import HTTP, XMPP_SERVER
from xmpp.stream.tls.tls import ServerTLS, TLSSettings
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)

BACKLOG = 4096  # as long a queue as most systems allow: thousands may come back at once
HEADER_SECONDS = 10.0  # for the header of the PROXY protocol, which a proxy sends at once
TLS_RECORD = b"\x16"  # the first byte of a handshake
XML_BEGINS = b"< \t\r\n"  # what may come first in a stream


class ListenError(Exception):
    """An address that cannot be listened on. `reason` says which one, why, and what to do; `key` is the setting, in
    [listen] or another `section`, that its port comes from."""

    def __init__(self, key: str, reason: str, section: str = "listen") -> None:
        super().__init__(f"[{section}] {key}: {reason}")
        self.section = section
        self.key = key
        self.reason = reason


class Peer(NamedTuple):
    """The other end of a connection: who has connected, or for whom a proxy says so by the PROXY protocol, and whether
    it says that TLS is used. Who asks over HTTP may be behind it still (`Request.client`)."""

    address: str
    has_tls: bool = False


ServeAt = Callable[[Place, SocketTransport, Peer], None]  # yields until the connection's end


class ClientListener:
    """The listening sockets. What clients send over XMPP becomes one of `streams`; HTTP is for the `http_side`, other
    servers are for the `server_side`.

    `settings` replaces those of the server's configuration. The sides are set before the start, if there are any.
    """

    def __init__(
        self,
        server: "Server",
        tls: ServerTLS | None = None,
        *,
        must_be_secure: bool = True,
        settings: ListenSettings | None = None,
    ) -> None:
        self._server = server
        self._settings = settings
        self._tls = tls
        self.streams = ClientStreams(server, tls, must_be_secure=must_be_secure)
        self.http_side: HTTPSide | None = None
        self.server_side: ServerSide | None = None
        self._sockets: list[PatientServer] = []
        self._places = Places()
        self._refusals, self._no_proxies = Refusals(), Refusals()
        self._possible = 0  # how many connections the process has descriptors for
        self.ports: dict[str, int] = {}

    def start(self) -> Sequence[str]:
        """Listen on all addresses; returns them as text. Raises ListenError."""
        settings = self._listen_settings()
        self._possible = connections_possible()
        listening = []
        for key, serve in self._served().items():
            addresses = settings.http_addresses if key == "http_port" else settings.addresses
            if getattr(settings, key) != NO_PORT:
                listening += [self._listen(address, key, getattr(settings, key), serve) for address in addresses]
        if settings.connections > self._possible and self._server.configuration.is_given("listen", "connections"):
            log.info("[listen] connections: %d do not fit into the number of files that this process may open "
                     "(ulimit -Hn); there can be %d", settings.connections, self._possible)  # fmt: skip
        for side in (self.http_side, self.server_side):
            if side is not None:
                side.start()
        return listening

    def _served(self) -> dict[str, ServeAt]:
        """How each port is served, by its setting; those that cannot be are left out."""
        served = {"port": self._serve_xmpp, "tls_port": self._serve_tls}
        if self.http_side is not None:
            served |= {"https_port": self._serve_tls, "http_port": self._serve_http,
                       "single_port": self._serve_anything}  # fmt: skip
        if self.server_side is not None:
            served |= {"server_port": self._serve_server, "server_tls_port": self._serve_tls_of_server}
        only_with_tls = (self._serve_tls, self._serve_tls_of_server)
        return {key: serve for key, serve in served.items() if self._tls is not None or serve not in only_with_tls}

    def reload(self, configuration: Configuration) -> None:
        """Use changed certificates. Yields. Raises CertificateError, and then nothing has changed."""
        if self._tls is not None:
            self._tls.reload(configuration[TLSSettings], self._server.subdomains.by_domain)

    @property
    def http_addresses(self) -> Sequence[str]:
        """Where HTTP without TLS is listened for."""
        return self._listen_settings().http_addresses

    def _listen_settings(self) -> ListenSettings:
        return self._settings or self._server.settings(ListenSettings)

    def _listen(self, address: str, key: str, port: int, serve_at: ServeAt) -> str:
        serve = partial(self._serve_proxied if key in self._listen_settings().proxied else self._serve, serve_at)
        server = PatientServer(
            (address, port), serve, backlog=BACKLOG, make_room=self._places.make_room, is_crowded=self._is_crowded,
        )  # fmt: skip
        try:
            server.start()
        except OSError as error:
            raise ListenError(key, f"cannot listen on {shown(address, port)}: {reason_of(error)}.") from None
        self._sockets.append(server)
        bound = int(server.address[1])
        self.ports[PORTS[key]] = bound
        return f"{shown(address, bound)} ({PORTS[key]})"

    def _is_crowded(self) -> bool:
        """True if whoever connects now had better wait outside: very many wait already; or they have all the places, of
        which some are soon free, since what they wait for may be to be sent away."""
        admission = self._server.state(Admission)
        if not admission.waiting:
            return False
        about_to_begin = PatientServer.max_accept
        return admission.has_crowd() or self._places.are_taken(self._most_connections - about_to_begin)

    @property
    def _most_connections(self) -> int:
        return min(self._listen_settings().connections, self._possible)

    # -- one client

    def _serve(self, serve_at: ServeAt, sock: Any, address: tuple[Any, ...]) -> None:
        """Serve one connection, as its port is served."""
        self._serve_for(Peer(address[0]), serve_at, sock)

    def _serve_proxied(self, serve_at: ServeAt, sock: Any, address: tuple[Any, ...]) -> None:
        """Serve a connection that a proxy has made for somebody else, as it says first (PROXY protocol)."""
        try:
            client = self._read_header(sock, address[0])
        except OSError as error:
            log.debug("%s: gone before it began: %s", address[0], error)
            sock.close()
        except NotProxied as error:
            self._no_proxies.note(network(address[0]), str(error), monotonic())
            sock.close()
        else:
            self._serve_for(Peer(client.address or address[0], client.has_tls), serve_at, sock)

    def _read_header(self, sock: Any, address: str) -> Proxied:
        if address not in self.trusted_proxies:
            raise NotProxied("this port is for proxies ([listen] proxied), and none is trusted there (trusted_proxies)")
        return read_header(sock, HEADER_SECONDS)

    def _serve_for(self, peer: Peer, serve_at: ServeAt, sock: Any) -> None:
        place = self.place(network(peer.address))
        if place is None:
            sock.close()
            return
        try:
            transport = SocketTransport(sock, self._server.stream_settings.dead_peer_seconds)
            serve_at(place, transport, peer)
        except OSError as error:
            log.debug("%s: gone before it began: %s", peer.address, error)
        finally:
            sock.close()
            place.leave()

    @property
    def trusted_proxies(self) -> Networks:
        """The proxies whose word is taken on where clients come from."""
        return self._listen_settings().trusted

    def place(self, origin: str) -> Place | None:
        """A place for a stranger from this network; None, and the log says why, if there is none."""
        most, strangers = self._most_connections, self._listen_settings().strangers_per_address
        place = self._places.take(origin, most=most, most_strangers=strangers)
        if place is None:
            reason = (
                f"{most} are connected, which is all that can be ([listen] connections)"
                if self._places.taken >= most
                else "too many from there have not logged in yet ([listen] strangers_per_address)"
            )
            self._refusals.note(origin, reason, monotonic())
        return place

    def _serve_xmpp(self, place: Place, transport: SocketTransport, peer: Peer) -> None:
        self.streams.serve_tcp(transport, peer.address, place, is_secure=peer.has_tls)

    def _serve_http(self, place: Place, transport: SocketTransport, peer: Peer) -> None:
        assert self.http_side is not None
        if peer.address in self.trusted_proxies:
            place.known()  # or a few people behind it would take the places of all others there
        has_tls = peer.has_tls or transport.tls is not None
        self.http_side.serve(Arrival(transport, peer.address, place, has_tls))

    def _serve_tls(self, place: Place, transport: SocketTransport, peer: Peer) -> None:
        """Serve what begins with TLS: the application protocol that the client named says what comes then (RFC 7301),
        and if it named none, its first byte (XEP-0368 section 4)."""
        if not self._shakes_hands(transport, peer.address):
            transport.close()
            return
        assert transport.tls is not None
        spoken = transport.tls.selected_alpn_protocol()
        is_http = spoken == HTTP
        try:
            if spoken is None and self.http_side is not None:
                is_http = not self._begins_xml(transport)
        except StreamError as error:  # too many records for somebody who has said nothing yet
            self.streams.refuse_tcp(transport, peer.address, place, error)
            return
        if spoken == XMPP_SERVER:
            self._serve_server(place, transport, peer)
        elif is_http:
            self._serve_http(place, transport, peer)
        else:
            self._serve_xmpp(place, transport, peer)

    def _serve_server(self, place: Place, transport: SocketTransport, peer: Peer) -> None:
        assert self.server_side is not None
        has_tls = peer.has_tls or transport.tls is not None
        self.server_side.serve_connection(transport, peer.address, place, has_tls=has_tls)

    def _serve_tls_of_server(self, place: Place, transport: SocketTransport, peer: Peer) -> None:
        """Serve another server that begins with TLS; some name no application protocol."""
        if self._shakes_hands(transport, peer.address, for_servers=True):
            self._serve_server(place, transport, peer)
        else:
            transport.close()

    def _serve_anything(self, place: Place, transport: SocketTransport, peer: Peer) -> None:
        """Serve what may be TLS, XMPP with STARTTLS, or HTTP: its first byte says it."""
        first = self._first_bytes(transport)
        if first[:1] == TLS_RECORD and self._tls is not None:
            self._serve_tls(place, transport, peer)
        elif first[:1] in XML_BEGINS:
            self._serve_xmpp(place, transport, peer)
        else:
            self._serve_http(place, transport, peer)

    def _begins_xml(self, transport: SocketTransport) -> bool:
        return self._first_bytes(transport)[:1] in XML_BEGINS

    def _first_bytes(self, transport: SocketTransport) -> bytes:
        """Some bytes, which will be read all the same; b"" if none come for as long as a login may take. Yields."""
        seconds = self._server.stream_settings.login_seconds
        return gevent.with_timeout(seconds, transport.peek, timeout_value=b"")

    def _shakes_hands(self, transport: SocketTransport, peer: str, *, for_servers: bool = False) -> bool:
        settings = self._server.stream_settings
        pace = Pace(settings.bytes_per_second, self._server.state(Turns), self._server.state(Admission))
        assert self._tls is not None
        try:
            with gevent.Timeout(settings.login_seconds):
                transport.start_tls(self._tls, pace, is_direct=True, for_servers=for_servers)
        except (OSError, ssl.SSLError, gevent.Timeout) as error:
            log.debug("%s: no TLS: %s", peer, error)
            return False
        return True

    @property
    def certificates(self) -> Mapping[str, Certificate]:
        """The certificates by domain; empty without TLS."""
        return self._tls.certificates if self._tls is not None else {}

    @property
    def certificates_valid_until(self) -> datetime | None:
        """When the first of the certificates expires; None without TLS."""
        return self._tls.valid_until if self._tls is not None else None

    def close_unbound_streams(self, account: JID, error: StreamError) -> None:
        """Close the streams that have logged in as this account and have no session yet."""
        self.streams.close_unbound(account, error)

    # -- stopping

    def stop(self) -> None:
        """Accept no more connections."""
        for server in self._sockets:
            server.stop(timeout=0)

    def close_streams(self, error: StreamError) -> None:
        """Close every stream, with or without a session, and every connection that speaks HTTP."""
        self.streams.close(error)
        if self.http_side is not None:
            self.http_side.close()

    def close_others(self, error: StreamError) -> None:
        """Close every stream with another server."""
        if self.server_side is not None:
            self.server_side.close(error)

    def wait_until_told(self) -> None:
        """Yield until what was written to any stream has been handed to the kernel, and all requests are answered."""
        self.streams.wait_until_told()
        sides = [side for side in (self.http_side, self.server_side) if side is not None]
        while not all(side.is_told for side in sides):
            gevent.sleep(0.01)


def shown(address: str, port: int) -> str:
    """An address and a port, as people read them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def reason_of(error: OSError) -> str:
    """Why an address cannot be listened on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; stop it, or set another port"
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 need special rights"
    return os.strerror(error.errno) if error.errno else str(error)
