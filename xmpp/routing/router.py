"""Where stanzas go: by the domain of their address to a destination, and within a local domain to an account, to one
of its resources, or to the server itself (RFC 6120 section 10, RFC 6121 section 8)."""

import logging
from typing import TYPE_CHECKING, Any, Protocol

from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.errors_told import ErrorsTold
from xmpp.routing.feature import ADDRESS, Subdomain
from xmpp.routing.iq_dispatch import dispatch
from xmpp.routing.others import OtherDomains

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)


class Destination(Protocol):
    """What takes the stanzas for a domain."""

    def send(self, stanza: Stanza) -> None:
        """Deliver a stanza. Raises StanzaError for what the sender has to be told."""


class Router:
    """The destinations of stanzas, by domain."""

    def __init__(self, server: "Server") -> None:
        local, elsewhere = LocalDomain(server), server.ownership.elsewhere
        self._server = server
        self._destinations: dict[str, Destination] = {
            address: elsewhere
            if elsewhere is not None and not server.ownership.runs(address)
            else LocalService(server, subdomain)
            for address, subdomain in server.subdomains.by_address.items()
        }
        self._destinations.update(dict.fromkeys(server.domains, local))
        self.others: OtherDomains | None = None  # set by what talks to other servers

    def add(self, domain: str, destination: Destination) -> None:
        """Pass the stanzas for this domain to that destination from now on, in place of any that was there."""
        self._destinations[domain] = destination

    def has(self, domain: str) -> bool:
        """True if what is sent to this domain stays here: it is served here, or by something that is attached here."""
        return domain in self._destinations

    def route(self, stanza: Stanza) -> None:
        """Pass a stanza to its addressee; if that fails, its sender is told. `stanza.to` may not be None."""
        try:
            assert stanza.to is not None
            destination = self._destinations.get(stanza.to.domain, self.others)
            if destination is None:
                raise StanzaError("remote-server-not-found", "this server does not talk to others")
            destination.send(stanza)
        except StanzaError as error:
            self.refuse(stanza, error)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Send the sender an error, wherever it is. Answers and errors are never answered (RFC 6120 section 8.3.1)."""
        if stanza.type == "error" or stanza.type == "result":
            return
        self._server.state(ErrorsTold)[error.condition] += 1
        reply = stanza.error_reply(error)
        if stanza.origin is not None:
            stanza.origin.send(reply)
        elif reply.to is not None:
            self.route(reply)


class LocalDomain:
    """A domain that is served here: its accounts, their resources, and the server's own address. Stanzas for accounts
    that somebody else owns are passed to their owner."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._elsewhere = server.ownership.elsewhere

    def send(self, stanza: Stanza) -> None:
        """Deliver a stanza. Raises StanzaError for what the sender has to be told."""
        assert stanza.to is not None
        if not stanza.to.local:
            self._to_server(stanza)
            return
        if self._elsewhere is not None and self._elsewhere.has(stanza.to.bare):
            self._elsewhere.send(stanza)
            return
        server = self._server
        if stanza.kind == "iq" and self._is_answered_alike(stanza):
            dispatch(server, stanza, (ADDRESS,))
            return
        delivery = Delivery(server, stanza.to.bare, stanza)
        if not server.tables.received[stanza.kind].run(delivery):
            return
        stanza = delivery.stanza
        if stanza.kind == "iq" and not delivery.chosen:
            dispatch(server, stanza)
            return
        if len(delivery.chosen) > 1 or delivery.copied:
            stanza.devices = [session.number for session in (*delivery.chosen, *delivery.copied)]
        for session in delivery.chosen:
            session.send(stanza)

    def _is_answered_alike(self, iq: Stanza) -> bool:
        """True if the asker must get the same answer whether the account exists or not, and whomever it has blocked."""
        to, sender, payload = iq.to, iq.sender, iq.payload
        if not iq.is_request or payload is None or to is None or not to.is_bare or (sender and sender.bare == to):
            return False
        tag: Any = payload.tag
        assert iq.type is not None
        return (iq.type, tag, ADDRESS) in self._server.registry.iqs

    def _to_server(self, stanza: Stanza) -> None:
        if stanza.kind == "iq":
            dispatch(self._server, stanza)
        elif stanza.kind == "message":
            raise StanzaError("service-unavailable")


class LocalService:
    """A service of ours with an address of its own, such as pubsub.DOMAIN."""

    def __init__(self, server: "Server", subdomain: Subdomain) -> None:
        self._server = server
        self._subdomain = subdomain

    def send(self, stanza: Stanza) -> None:
        """Deliver a stanza. Raises StanzaError for what the sender has to be told."""
        assert stanza.to is not None
        server, to = self._server, stanza.to
        if not server.tables.steps(self._subdomain.received).run(Delivery(server, to.bare, stanza)):
            return
        if stanza.is_request:
            dispatch(server, stanza, self._subdomain.addressees(to))
        elif stanza.kind == "iq":
            server.requests.answered(stanza)
        elif stanza.kind == "message":
            raise StanzaError("service-unavailable")
