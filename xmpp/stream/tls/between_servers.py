"""TLS between servers, in both directions: which context is for which of our domains, and TLS as the client."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

import gevent

from xmpp.stream.tls.any_certificate import AnyCertificate
from xmpp.stream.tls.certificates import Certificate, a_label, a_labels
from xmpp.stream.tls.contexts import context_for_servers, context_towards_servers

Contexts = Mapping[str, ssl.SSLContext]  # by the name of a domain or of a service, as certificates have it


class ContextsBetweenServers:
    """The contexts of our domains. What is no domain or service of ours belongs to the domain above it, as a component
    does, else to the first domain."""

    def __init__(
        self,
        certificates: Mapping[str, Certificate],
        services: Mapping[str, Sequence[str]],
        any_certificate: AnyCertificate | None,
    ) -> None:
        """Make the contexts; other servers are asked for a certificate if any can be taken. Yields. Raises
        CertificateError."""
        incoming: dict[str, ssl.SSLContext] = {}
        starttls: dict[str, ssl.SSLContext] = {}
        direct: dict[str, ssl.SSLContext] = {}
        for domain in services:  # in this order
            own = certificates[domain]
            incoming[domain] = context_for_servers(own, any_certificate)
            starttls[domain] = context_towards_servers(own, any_certificate, is_direct=False)
            direct[domain] = context_towards_servers(own, any_certificate, is_direct=True)
            gevent.sleep(0)  # each domain takes some 10 ms
        self._incoming = _by_name(incoming, services)
        self._towards = {False: _by_name(starttls, services), True: _by_name(direct, services)}

    def for_incoming(self, domain: str) -> ssl.SSLContext:
        """The context for a server that connects to us and asks for this domain; "" if it has named none."""
        return _find(self._incoming, next(a_labels([domain]), ""))

    def towards(self, ours: str, *, is_direct: bool) -> ssl.SSLContext:
        """The context for us where we connect to another server for this domain of ours."""
        return _find(self._towards[is_direct], ours)


class ClientTLS:
    """Our side of TLS where we connect to another server. Who shows what certificate is not judged here."""

    def __init__(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, contexts: ContextsBetweenServers) -> None:
        """`incoming` and `outgoing` are those of ServerTLS. `contexts` is replaced when certificates have changed."""
        self.incoming, self.outgoing = incoming, outgoing
        self.contexts = contexts

    def layer(self, ours: str, theirs: str, *, is_direct: bool) -> ssl.SSLObject:
        """Return our side of a connection to the server of the domain `theirs`, whose handshake is still to be done.

        Raises ssl.SSLError if the domain cannot be named in a handshake.
        """
        try:
            context = self.contexts.towards(a_label(ours), is_direct=is_direct)
            return context.wrap_bio(self.incoming, self.outgoing, server_hostname=_server_name(theirs))
        except ValueError as error:  # IDNAError among them
            raise ssl.SSLError(f"{theirs} cannot be named in a TLS handshake: {error}") from error

    def shows_same(self, ours: str, other: str) -> bool:
        """True if the same certificate is shown for these two domains of ours."""
        find = self.contexts.towards
        return find(a_label(ours), is_direct=True) is find(a_label(other), is_direct=True)


def _by_name(contexts: Contexts, services: Mapping[str, Sequence[str]]) -> Contexts:
    """Keeps the order of the domains."""
    names = [(a_label(domain), context) for domain, context in contexts.items()]
    names += [(label, contexts[domain]) for domain, theirs in services.items() for label in a_labels(theirs)]
    return dict(names)


def _find(contexts: Contexts, name: str) -> ssl.SSLContext:
    return next((contexts[each] for each in _upwards(name) if each in contexts), next(iter(contexts.values())))


def _upwards(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.partition(".")[2]


def _server_name(domain: str) -> str | None:
    """What is said by SNI: never an address (RFC 6066 section 3)."""
    try:
        ip_address(domain.strip("[]"))
    except ValueError:
        return a_label(domain)
    return None
