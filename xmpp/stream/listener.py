"""Listening for clients: the sockets, and one greenlet for each connection that finds a place."""

import errno
import ipaddress
import logging
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent

from xmpp.config.configuration import Configuration, setting
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.networks import network
from xmpp.running.accepting import PatientServer, connections_possible
from xmpp.stream.client import ClientStream, Terms, stream_tags
from xmpp.stream.outbox import Flusher
from xmpp.stream.pace import Pace
from xmpp.stream.places import Place, Places
from xmpp.stream.refusals import Refusals
from xmpp.stream.tls.tls import ServerTLS, TLSSettings
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns
from xmpp.stream.xml.nameguard import ProcessNames

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)

BACKLOG = 1024
NO_PORT = -1


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


@dataclass(frozen=True)
class ListenSettings:
    """Where clients connect."""

    addresses: tuple[str, ...] = setting(("::",), "The addresses to listen on; `::` is all of them, IPv4 too.",
                                         check=_check_addresses, restart=True)  # fmt: skip
    port: int = setting(5222, "The port for clients that begin without TLS and switch to it (STARTTLS). "
                        "0: the system chooses one, -1: none.", minimum=-1, maximum=65535, restart=True)  # fmt: skip
    tls_port: int = setting(5223, "The port for TLS from the first byte (XEP-0368). 0 and -1 as above.",
                            minimum=-1, maximum=65535, restart=True)  # fmt: skip
    connections: int = setting(100_000, "How many clients may be connected. Each takes an open file, and how many a "
                               "process may have is limited too (`LimitNOFILE` of systemd).",
                               minimum=1, maximum=1_000_000)  # fmt: skip
    strangers_per_address: int = setting(100, "How many clients that have no session yet may come from one address, "
                                         "or from one IPv6 network (a /64). From a /48 ten times "
                                         "as many may come.",
                                         minimum=1, maximum=1_000_000, at_most="connections")  # fmt: skip

    def __post_init__(self) -> None:
        if self.port == self.tls_port == NO_PORT:
            raise ValueError("port and tls_port are both -1, so nobody could connect; expected one of them at least")
        if self.port == self.tls_port != 0:
            raise ValueError(f"port and tls_port are both {self.port}; expected two different ports, or -1 for none")


class ListenError(Exception):
    """An address that cannot be listened on. `reason` says which one, why, and what to do; `key` is the setting in
    [listen] that its port comes from."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"[listen] {key}: {reason}")
        self.key = key
        self.reason = reason


class ClientListener:
    """The listening sockets for clients, and the streams of their connections.

    `settings` replaces those of the server's configuration.
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
        self._terms = Terms(tls, must_be_secure, ProcessNames(), stream_tags(server.registry))
        self._flusher = Flusher()
        self._sockets: list[PatientServer] = []
        self._streams: set[ClientStream] = set()
        self._places = Places()
        self._refusals = Refusals()
        self._possible = 0  # how many connections the process has descriptors for
        self.ports: dict[str, int] = {}

    def start(self) -> Sequence[str]:
        """Listen on all addresses; returns them as text. Raises ListenError."""
        settings, tls = self._listen_settings(), self._terms.tls
        self._possible = connections_possible()
        listening = []
        for address in settings.addresses:
            if settings.port != NO_PORT:
                listening.append(self._listen(address, "port", settings.port, "STARTTLS", None))
            if settings.tls_port != NO_PORT and tls is not None:
                listening.append(self._listen(address, "tls_port", settings.tls_port, "TLS", tls))
        if settings.connections > self._possible and self._server.configuration.is_given("listen", "connections"):
            log.info("[listen] connections: %d do not fit into the number of files that this process may open "
                     "(ulimit -Hn); there can be %d", settings.connections, self._possible)  # fmt: skip
        return listening

    def reload(self, configuration: Configuration) -> None:
        """Use changed certificates. Raises CertificateError, and then nothing has changed."""
        if self._terms.tls is not None:
            self._terms.tls.reload(configuration[TLSSettings], self._server.subdomains.by_domain)

    def _listen_settings(self) -> ListenSettings:
        return self._settings or self._server.settings(ListenSettings)

    def _listen(self, address: str, key: str, port: int, what: str, tls: ServerTLS | None) -> str:
        serve = partial(self._serve, tls)
        server = PatientServer((address, port), serve, backlog=BACKLOG, make_room=self._places.make_room)
        try:
            server.start()
        except OSError as error:
            raise ListenError(key, f"cannot listen on {_shown(address, port)}: {_reason(error)}.") from None
        self._sockets.append(server)
        bound = int(server.address[1])
        self.ports[what] = bound
        return f"{_shown(address, bound)} ({what})"

    # -- one client

    def _serve(self, tls: ServerTLS | None, sock: Any, address: tuple[Any, ...]) -> None:
        """Serve one connection; `tls` if it begins with TLS from the first byte."""
        place = self._place(network(address[0]))
        if place is None:
            sock.close()
            return
        try:
            transport = SocketTransport(sock, self._server.stream_settings.dead_peer_seconds)
            self._serve_at(place, tls, transport, address[0])
        except OSError as error:
            log.debug("%s: gone before it began: %s", address[0], error)
        finally:
            sock.close()
            place.leave()

    def _place(self, origin: str) -> Place | None:
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

    def _serve_at(self, place: Place, tls: ServerTLS | None, transport: SocketTransport, peer: str) -> None:
        if tls is not None and not self._shakes_hands(tls, transport, peer):
            transport.close()
            return
        stream = ClientStream(self._server, self._terms, transport, self._flusher, peer, place)
        self._streams.add(stream)
        try:
            stream.serve()
        finally:
            self._streams.discard(stream)

    def _shakes_hands(self, tls: ServerTLS, transport: SocketTransport, peer: str) -> bool:
        settings = self._server.stream_settings
        pace = Pace(settings.bytes_per_second, self._server.state(Turns))
        try:
            with gevent.Timeout(settings.login_seconds):
                transport.start_tls(tls, pace, is_direct=True)
        except (OSError, ssl.SSLError, gevent.Timeout) as error:
            log.debug("%s: no TLS: %s", peer, error)
            return False
        return True

    def unbound_streams(self, account: JID) -> list[ClientStream]:
        """The streams that have logged in as this account and have no session yet."""
        return [stream for stream in self._streams if stream.account == account and stream.session is None]

    def close_unbound_streams(self, account: JID, error: StreamError) -> None:
        """Close the streams that have logged in as this account and have no session yet."""
        for stream in self.unbound_streams(account):
            stream.close(error)

    # -- stopping

    def stop(self) -> None:
        """Accept no more connections."""
        for server in self._sockets:
            server.stop(timeout=0)

    def close_streams(self, error: StreamError) -> None:
        """Close every stream, with or without a session."""
        for stream in tuple(self._streams):
            stream.close(error)

    def wait_until_told(self) -> None:
        """Yield until all that was written to any stream has been handed to the kernel."""
        while any(not stream.is_told for stream in self._streams):
            gevent.sleep(0.01)


def _shown(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; stop it, or set another port"
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 need special rights"
    return os.strerror(error.errno) if error.errno else str(error)
