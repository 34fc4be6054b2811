"""Listening for components, if any are configured: on loopback, unless the administrator says otherwise."""

import logging
from collections.abc import Collection, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent

from xmpp.components.domain import ComponentDomain
from xmpp.components.stream import ComponentStream
from xmpp.config.component_settings import ComponentsSettings
from xmpp.config.configuration import Configuration
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.networks import network
from xmpp.running.accepting import PatientServer
from xmpp.stream.listener import BACKLOG, ListenError, reason_of, shown
from xmpp.stream.outbox import Flusher
from xmpp.stream.places import Places
from xmpp.stream.refusals import Refusals
from xmpp.stream.transport import SocketTransport
from xmpp.stream.xml.nameguard import ProcessNames

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)


class ComponentListener:
    """The listening sockets for components, and the domain of each of these.

    Made for a server that has components; the router passes their stanzas here from then on.
    """

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.names, self.flusher = ProcessNames(), Flusher()
        self._secrets = dict(self.settings.secrets)  # those of the start: others take a restart
        self.domains = {domain: ComponentDomain(server, domain) for domain in self._secrets}
        self.port = 0
        self._sockets: list[PatientServer] = []
        self._streams: set[ComponentStream] = set()
        self._places, self._refusals = Places(), Refusals()
        for domain, destination in self.domains.items():
            server.router.add(domain, destination)

    @property
    def settings(self) -> ComponentsSettings:
        """The settings of components."""
        return self.server.settings(ComponentsSettings)

    def secret(self, domain: ComponentDomain) -> str:
        """The secret that the component of this domain has to know."""
        return self._secrets[domain.address.domain]

    def start(self) -> Sequence[str]:
        """Listen on all addresses; returns them as text. Raises ListenError."""
        for domain, service in self.server.subdomains.given_up.items():
            log.warning("%s is answered by a component, so there is no service %s there", domain, service.label)
        return [self._listen(address) for address in self.settings.addresses]

    def _listen(self, address: str) -> str:
        port = self.settings.port
        server = PatientServer((address, port), self._serve, backlog=BACKLOG, make_room=self._places.make_room)
        try:
            server.start()
        except OSError as error:
            reason = f"cannot listen on {shown(address, port)}: {reason_of(error)}."
            raise ListenError("port", reason, section="components") from None
        self._sockets.append(server)
        self.port = int(server.address[1])
        return f"{shown(address, self.port)} (components)"

    @property
    def streams(self) -> Collection[ComponentStream]:
        """All connections, attached or not."""
        return tuple(self._streams)

    # -- one component

    def _serve(self, sock: Any, address: tuple[Any, ...]) -> None:
        """Serve one connection until its end."""
        settings, peer = self.settings, address[0]
        most = settings.strangers + len(self.domains)
        place = self._places.take(network(peer), most=most, most_strangers=settings.strangers)
        if place is None:
            self.refused(peer, "too many from there have not shown a secret yet ([components] strangers)")
            sock.close()
            return
        try:
            transport = SocketTransport(sock, self.server.stream_settings.dead_peer_seconds)
            stream = ComponentStream(self, transport, peer, place)
            self._streams.add(stream)
            try:
                stream.serve()
            finally:
                self._streams.discard(stream)
        except OSError as error:
            log.debug("%s: gone before it began: %s", peer, error)
        finally:
            sock.close()
            place.leave()

    def refused(self, peer: str, reason: str) -> None:
        """Say in the log that a connection was refused, once in a while."""
        self._refusals.note(peer, reason, monotonic())

    # -- as the server reloads and stops it

    def reload(self, configuration: Configuration) -> None:
        """All that may change is read when it is needed."""

    def stop(self) -> None:
        """Accept no more connections."""
        for server in self._sockets:
            server.stop(timeout=0)

    def close_streams(self, error: StreamError) -> None:
        """No client has a stream here. Tell the senders of what waits, while they can be told."""
        for domain in self.domains.values():
            domain.give_up()

    def close_others(self, error: StreamError) -> None:
        """Close every stream."""
        for domain in self.domains.values():
            domain.close(error)
        for stream in tuple(self._streams):
            stream.close(error)

    def wait_until_told(self) -> None:
        """Yield until what was written to any stream has been handed to the kernel."""
        while any(not stream.is_told for stream in self._streams):
            gevent.sleep(0.01)

    def close_unbound_streams(self, account: JID, error: StreamError) -> None:
        """No account logs in here."""
