"""TLS towards clients: which context is for which of our domains, and which clients are asked for a certificate."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gevent

from xmpp.stream.tls.any_certificate import AnyCertificate
from xmpp.stream.tls.certificates import Certificate, a_label, a_labels, end_point_hash
from xmpp.stream.tls.client_certificates import ClientAuthorities
from xmpp.stream.tls.contexts import acknowledge_name, ask_for_certificates, context_for_clients


@dataclass(frozen=True)
class Presented:
    """What clients of one context are shown, and the domain that they asked for, or whose service, by SNI."""

    end_point_hash: bytes | None
    domain: str | None


class ContextsForClients:
    """The contexts of our domains, by the name that a client asks for. One that asks for none is shown the certificate
    of the first domain."""

    def __init__(
        self,
        certificates: Mapping[str, Certificate],
        services: Mapping[str, Sequence[str]],
        minimum_version: ssl.TLSVersion,
        protocols: Sequence[str],
        authorities: Mapping[str, ClientAuthorities],
        any_certificate: AnyCertificate | None,
    ) -> None:
        """Make the contexts. `authorities`: by domain, of those whose clients are asked for a certificate if any can be
        taken. Yields. Raises CertificateError."""
        self.authorities = authorities if any_certificate is not None else {}
        self.presented: dict[ssl.SSLContext, Presented] = {}
        self._minimum_version, self._protocols, self._any_certificate = minimum_version, protocols, any_certificate
        self._plain: dict[str, ssl.SSLContext] = {}
        self._asking: dict[str, ssl.SSLContext] = {}
        for domain, certificate in certificates.items():
            names = (*a_labels(services[domain]), a_label(domain))
            self._plain.update(dict.fromkeys(names, self._context(certificate, domain, asks=False)))
            if domain in self.authorities:
                self._asking.update(dict.fromkeys(names, self._context(certificate, domain, asks=True)))
            gevent.sleep(0)  # each takes some milliseconds
        first = certificates[next(iter(services))]
        self._default = self._context(first, None, asks=False)
        self._asking_default = self._context(first, None, asks=True) if self.authorities else self._default

    def find(self, *names: str, asks: bool) -> ssl.SSLContext:
        """The context for a client that asks for the first of these names that is ours. `asks`: it may be asked for a
        certificate."""
        for name in names:
            if name in self._plain:
                return (asks and self._asking.get(name)) or self._plain[name]
        return self._asking_default if asks else self._default

    def _context(self, certificate: Certificate, domain: str | None, *, asks: bool) -> ssl.SSLContext:
        context = context_for_clients(certificate, self._minimum_version, self._protocols)
        if domain is not None:
            context.sni_callback = acknowledge_name
        if asks and self._any_certificate is not None:
            ask_for_certificates(context, self._any_certificate)
        self.presented[context] = Presented(end_point_hash(certificate.x509), domain)
        return context
