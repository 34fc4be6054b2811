"""Listening for clients: the sockets, and one greenlet for each connection that finds a place."""

import errno
import ipaddress
import logging
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import gevent

from xmpp.config.configuration import Configuration, setting
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.networks import Networks, network
from xmpp.running.accepting import PatientServer, connections_possible
from xmpp.stream.client_streams import ClientStreams
from xmpp.stream.pace import Pace
from xmpp.stream.places import Place, Places
from xmpp.stream.proxied import NotProxied, Proxied, read_header
from xmpp.stream.refusals import Refusals
from xmpp.stream.tls.certificates import Certificate
from xmpp.stream.tls.tls import HTTP, ServerTLS, TLSSettings
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)

BACKLOG = 1024
NO_PORT = -1
HEADER_SECONDS = 10.0  # for the header of the PROXY protocol, which a proxy sends at once
# The settings that name a port, and what is spoken there, as people read it.
PORTS = {"port": "STARTTLS", "tls_port": "TLS", "https_port": "HTTPS", "http_port": "HTTP", "single_port": "everything"}
TLS_RECORD = b"\x16"  # the first byte of a handshake
XML_BEGINS = b"< \t\r\n"  # what may come first in a stream


def _check_addresses(addresses: tuple[str, ...]) -> None:
    if not addresses:
        raise ValueError("expected at least one address, or nobody could connect")
    try:
        parsed = [ipaddress.ip_address(address) for address in addresses]
    except ValueError:
        raise ValueError("expected IP addresses, such as 127.0.0.1, ::1, or :: for all") from None
    if len(set(parsed)) < len(parsed):
        raise ValueError("expected each address once")
    for one in parsed:
        covered = [each for each in parsed if each != one and (each.version == 4 or one.version == 6)]
        if one.is_unspecified and covered:
            raise ValueError(f"expected no {covered[0]} beside {one}, which is all addresses and so has it already")


def _check_networks(networks: tuple[str, ...]) -> None:
    for each in networks:
        try:
            Networks([each])
        except ValueError:
            raise ValueError("expected addresses or networks, such as 127.0.0.1 or 10.0.0.0/8") from None


@dataclass(frozen=True)
class ListenSettings:
    """Where clients connect."""

    addresses: tuple[str, ...] = setting(("::",), "The addresses to listen on; `::` is all of them, IPv4 too.",
                                         check=_check_addresses, restart=True)  # fmt: skip
    port: int = setting(5222, "The port for clients that begin without TLS and switch to it (STARTTLS). "
                        "0: the system chooses one, -1: none.", minimum=-1, maximum=65535, restart=True)  # fmt: skip
    tls_port: int = setting(5223, "The port for TLS from the first byte (XEP-0368). 0 and -1 as above. What is spoken "
                            "over TLS decides: XMPP or HTTP, here and on `https_port`.",
                            minimum=-1, maximum=65535, restart=True)  # fmt: skip
    https_port: int = setting(5281, "The port that browsers are shown. 0 and -1 as above.",
                              minimum=-1, maximum=65535, restart=True)  # fmt: skip
    http_port: int = setting(5280, "The port for HTTP without TLS, for proxies and for browsers on this machine. "
                             "0 and -1 as above.", minimum=-1, maximum=65535, restart=True)  # fmt: skip
    http_addresses: tuple[str, ...] = setting(("127.0.0.1",), "The addresses for HTTP without TLS.",
                                              check=_check_addresses, restart=True)  # fmt: skip
    single_port: int = setting(-1, "A port for everything, such as 443: the first bytes decide between STARTTLS, TLS "
                               "and HTTP. 0 and -1 as above.", minimum=-1, maximum=65535, restart=True)  # fmt: skip
    trusted_proxies: tuple[str, ...] = setting(("127.0.0.1", "::1"), "The addresses or networks of proxies whose word "
                                               "is taken on where a client comes from, and that it came over TLS.",
                                               check=_check_networks)  # fmt: skip
    proxied: tuple[str, ...] = setting((), "The ports, by the names of their settings, where each connection begins "
                                       "with a header of the PROXY protocol.",
                                       choices=PORTS,
                                       restart=True)  # fmt: skip
    connections: int = setting(100_000, "How many clients may be connected. Each takes an open file, and how many a "
                               "process may have is limited too (`LimitNOFILE` of systemd).",
                               minimum=1, maximum=1_000_000)  # fmt: skip
    strangers_per_address: int = setting(100, "How many clients that have no session yet may come from one address, "
                                         "or from one IPv6 network (a /64). From a /48 ten times "
                                         "as many may come.",
                                         minimum=1, maximum=1_000_000, at_most="connections")  # fmt: skip

    @cached_property
    def trusted(self) -> Networks:
        """The proxies that are trusted."""
        return Networks(self.trusted_proxies)

    def __post_init__(self) -> None:
        numbers = {key: getattr(self, key) for key in PORTS if getattr(self, key) != NO_PORT}
        if not numbers.keys() - {"http_port"}:
            raise ValueError("all ports for XMPP are -1, so nobody could connect; expected one of them at least")
        if self.proxied and not self.trusted_proxies:
            raise ValueError("proxied names ports, and there are no trusted_proxies, so nobody could connect there")
        fixed = [number for number in numbers.values() if number]
        for number in fixed:
            if fixed.count(number) > 1:
                same = " and ".join(key for key in numbers if numbers[key] == number)
                raise ValueError(f"{same} are both {number}; expected different ports, or -1 for none")


class ListenError(Exception):
    """An address that cannot be listened on. `reason` says which one, why, and what to do; `key` is the setting in
    [listen] that its port comes from."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"[listen] {key}: {reason}")
        self.key = key
        self.reason = reason


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


class Peer(NamedTuple):
    """Who has connected, or for whom a proxy says that it has, and whether that says that the client uses TLS."""

    address: str
    has_tls: bool = False


ServeAt = Callable[[Place, SocketTransport, Peer], None]  # yields until the connection's end


class ClientListener:
    """The listening sockets for clients. Whatever speaks XMPP becomes one of `streams`; HTTP is for the `http_side`.

    `settings` replaces those of the server's configuration. `http_side` is set before the start, if there is one.
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
        if self.http_side is not None:
            self.http_side.start()
        return listening

    def _served(self) -> dict[str, ServeAt]:
        """How each port is served, by its setting; those that cannot be are left out."""
        served = {"port": self._serve_xmpp, "tls_port": self._serve_tls}
        if self.http_side is not None:
            served |= {"https_port": self._serve_tls, "http_port": self._serve_http,
                       "single_port": self._serve_anything}  # fmt: skip
        return {key: serve for key, serve in served.items() if self._tls is not None or serve != self._serve_tls}

    def reload(self, configuration: Configuration) -> None:
        """Use changed certificates. Raises CertificateError, and then nothing has changed."""
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
        server = PatientServer((address, port), serve, backlog=BACKLOG, make_room=self._places.make_room)
        try:
            server.start()
        except OSError as error:
            raise ListenError(key, f"cannot listen on {_shown(address, port)}: {_reason(error)}.") from None
        self._sockets.append(server)
        bound = int(server.address[1])
        self.ports[PORTS[key]] = bound
        return f"{_shown(address, bound)} ({PORTS[key]})"

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
        settings = self._listen_settings()
        most, strangers = min(settings.connections, self._possible), settings.strangers_per_address
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
        if is_http:
            self._serve_http(place, transport, peer)
        else:
            self._serve_xmpp(place, transport, peer)

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

    def _shakes_hands(self, transport: SocketTransport, peer: str) -> bool:
        settings = self._server.stream_settings
        pace = Pace(settings.bytes_per_second, self._server.state(Turns))
        assert self._tls is not None
        try:
            with gevent.Timeout(settings.login_seconds):
                transport.start_tls(self._tls, pace, is_direct=True)
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

    def wait_until_told(self) -> None:
        """Yield until what was written to any stream has been handed to the kernel, and all requests are answered."""
        self.streams.wait_until_told()
        while self.http_side is not None and not self.http_side.is_told:
            gevent.sleep(0.01)


def _shown(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; stop it, or set another port"
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 need special rights"
    return os.strerror(error.errno) if error.errno else str(error)
