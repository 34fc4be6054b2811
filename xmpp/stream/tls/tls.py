"""TLS on the server's side: a certificate for each domain, chosen by SNI; channel bindings; direct TLS (XEP-0368).
Other servers are asked for theirs.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakKeyDictionary

import idna

from xmpp.config.configuration import setting
from xmpp.stream.tls.abilities import any_certificate, exporter
from xmpp.stream.tls.any_certificate import AnyCertificate
from xmpp.stream.tls.between_servers import ClientTLS, ContextsBetweenServers
from xmpp.stream.tls.certificates import (
    Certificate,
    CertificateError,
    a_label,
    doubts,
    read_certificate,
    self_signed_certificate,
)
from xmpp.stream.tls.client_certificates import ClientAuthorities, read_authorities
from xmpp.stream.tls.client_hello import ClientHello
from xmpp.stream.tls.contexts import XMPP, XMPP_SERVER
from xmpp.stream.tls.for_clients import ContextsForClients, Presented

log = logging.getLogger(__name__)

NO_APPLICATION_PROTOCOL = bytes.fromhex("15 0303 0002 02 78")  # a fatal alert, RFC 7301 section 3.2
DAYS_TO_RENEW = 14  # certbot renews 30 days before the end, so with fewer days than this something is wrong
NO_SERVERS_CERTIFICATES = (
    "other servers cannot be asked for their certificates with this Python, so that those which connect here have to "
    "use dialback"
)
NO_CLIENTS_CERTIFICATES = (
    "clients cannot be asked for their certificates with this Python, so that none can log in with one"
)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def _check_domains(files: Mapping[str, Path]) -> None:
    try:
        _by_domain(files)
    except idna.IDNAError as error:
        raise ValueError("expected the names of domains in front of the paths") from error
    if len(_by_domain(files)) < len(files):
        raise ValueError("expected each domain once, however it is written")


def _by_domain(files: Mapping[str, Path]) -> dict[str, Path]:
    return {a_label(domain): path for domain, path in files.items()}


@dataclass(frozen=True)
class TLSSettings:
    """Encryption of connections. A domain without a certificate here gets a self-signed one at the first start."""

    minimum_version: str = setting("1.2", "The oldest version of TLS that clients may use.", choices=VERSIONS)
    certificates: dict[str, Path] = setting(
        {},
        "Where the certificate of a domain is: a PEM file that holds the certificate with its chain, or a folder with "
        "fullchain.pem and privkey.pem, as certbot makes it.\n"
        'For example {"example.org" = "/etc/letsencrypt/live/example.org"}.',
        check=_check_domains,
    )
    keys: dict[str, Path] = setting(
        {},
        "Where the key of a domain is, a PEM file without a password. "
        "It may be left out if the certificate's file or folder holds the key too.",
        check=_check_domains,
    )
    client_authorities: dict[str, Path] = setting(
        {},
        "Who may issue certificates by which people of a domain log in without a password: a PEM file with the "
        "certificates of these authorities, and with the lists of what they have revoked (CRL), if they publish any.\n"
        'For example {"example.org" = "/etc/xserv/people.pem"}. A domain without one here asks no client for a '
        "certificate.",
        check=_check_domains,
    )


def read_certificates(
    settings: TLSSettings, services: Mapping[str, Sequence[str]], folder: Path
) -> dict[str, Certificate]:
    """Read the certificate of each domain; self-signed ones are kept in the folder. Raises CertificateError.

    `services`: for each domain the addresses of its services, which a self-signed certificate names too.
    """
    domains = [*services]
    chains, keys = _by_domain(settings.certificates), _by_domain(settings.keys)
    _refuse_unknown("certificates", chains, domains)
    _refuse_unknown("keys", keys, [domain for domain in domains if a_label(domain) in chains])
    certificates = {}
    for domain in domains:
        label = a_label(domain)
        if own := chains.get(label):
            certificates[domain] = read_certificate(own, keys.get(label))
        else:
            certificates[domain] = self_signed_certificate(folder, domain, services[domain])
    return certificates


def read_client_authorities(settings: TLSSettings, domains: Sequence[str]) -> dict[str, ClientAuthorities]:
    """Who may issue certificates for clients, by domain. Raises CertificateError."""
    files = _by_domain(settings.client_authorities)
    _refuse_unknown("client_authorities", files, domains)
    return {domain: read_authorities(files[a_label(domain)]) for domain in domains if a_label(domain) in files}


class ServerTLS:
    """The server's side of TLS. A client that asks for none of our domains is shown the first one's certificate.

    `certificates`: by domain; `valid_until`: when the first expires. `as_client`: our side of TLS where we connect to
    other servers, if we do. `incoming` and `outgoing` are the buffers between OpenSSL and the sockets, shared by all
    connections: whoever uses them must empty them before yielding.
    """

    def __init__(
        self,
        settings: TLSSettings,
        services: Mapping[str, Sequence[str]],
        folder: Path,
        protocols: Sequence[str] = (XMPP,),
        *,
        with_servers: bool = False,
    ) -> None:
        """Load the certificates; self-signed ones are kept in the folder. Raises CertificateError.

        `services`: for each served domain the addresses of its services. `protocols`: what may be spoken over TLS that
        comes first. `with_servers`: other servers connect to us, and we to them; whether they can be asked for a
        certificate is tried out first.
        """
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._folder = folder
        self._protocols = tuple(protocols)
        self._presented: WeakKeyDictionary[ssl.SSLContext, Presented] = WeakKeyDictionary()
        self._any_certificate: AnyCertificate | None = None
        self.as_client: ClientTLS | None = None
        self.reload(settings, services)
        self._exporter = exporter(self.certificates[next(iter(services))])
        if with_servers:
            self._begin_with_servers(services)

    def _begin_with_servers(self, services: Mapping[str, Sequence[str]]) -> None:
        first = self.certificates[next(iter(services))]
        self._any_certificate = self._any_certificate or any_certificate(first, NO_SERVERS_CERTIFICATES)
        contexts = ContextsBetweenServers(self.certificates, services, self._any_certificate)
        self.as_client = ClientTLS(self.incoming, self.outgoing, contexts)

    def reload(self, settings: TLSSettings, services: Mapping[str, Sequence[str]]) -> None:
        """Use these settings from the next handshake on; existing connections are not touched.

        Yields between domains, and nothing has changed until all is done. Raises CertificateError, and then nothing
        has changed.
        """
        certificates = read_certificates(settings, services, self._folder)
        first = certificates[next(iter(services))]
        authorities = read_client_authorities(settings, [*services])
        if authorities and self._any_certificate is None:
            self._any_certificate = any_certificate(first, NO_CLIENTS_CERTIFICATES)
        for_clients = ContextsForClients(
            certificates,
            services,
            VERSIONS[settings.minimum_version],
            self._protocols,
            authorities,
            self._any_certificate,
        )
        if self.as_client is not None:
            self.as_client.contexts = ContextsBetweenServers(certificates, services, self._any_certificate)
        self._presented.update(for_clients.presented)  # the old ones stay for as long as a connection has them
        self._for_clients = for_clients
        self.certificates: Mapping[str, Certificate] = certificates
        self.valid_until = min(each.x509.not_valid_after_utc for each in certificates.values())
        for domain, certificate in certificates.items():
            _tell(certificate, domain, datetime.now(UTC))
        for each in authorities.values():
            for doubt in each.doubts(datetime.now(UTC)):
                log.warning(doubt)

    @property
    def asks_servers(self) -> bool:
        """True if other servers are asked for their certificates."""
        return self._any_certificate is not None

    def speaks_with(self, hello: ClientHello, *, for_servers: bool = False) -> bool:
        """True if the peer offers one of our application protocols, or offers none at all. On a port `for_servers`
        there is one only."""
        ours = () if for_servers else self._protocols
        if self.as_client is not None:
            ours = (*ours, XMPP_SERVER)
        return not hello.protocols or any(each.encode() in hello.protocols for each in ours)

    def layer(self, hello: ClientHello, *, for_servers: bool = False, asked_for: str = "") -> ssl.SSLObject:
        """Return our side of a connection with this client, whose handshake is still to be done. If it is another
        server, it is asked for a certificate.

        Not all name the domain in the handshake if their stream has named it before (`asked_for`), which counts then:
        Prosody 0.12 does so only where TLS comes first, clients name the host of an SRV record instead, or, of a domain
        that is not ASCII, what no host can be called.
        """
        if for_servers and self.as_client is not None:
            context = self.as_client.contexts.for_incoming(hello.server_name or asked_for)
        else:
            # Browsers would ask their people which certificate they want to show; they say that they speak HTTP.
            asks = not hello.protocols or XMPP.encode() in hello.protocols
            context = self._for_clients.find(hello.server_name or "", asked_for, asks=asks)
        return context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def requested_domain(self, secured: ssl.SSLObject) -> str | None:
        """Return the domain that the client named by SNI, itself or a service of it; None if it named none of ours, or
        is another server, which names it in its stream."""
        seen = self._presented.get(secured.context)
        return seen.domain if seen else None

    def client_authorities(self, domain: str) -> ClientAuthorities | None:
        """Who may issue certificates for the clients of this domain; None if they are asked for none."""
        return self._for_clients.authorities.get(domain)

    def channel_bindings(self, secured: ssl.SSLObject) -> dict[str, bytes]:
        """Return the channel binding data of the connection by type (RFC 5929, RFC 9266), the strongest first."""
        bindings = {
            "tls-exporter": self._exporter.exported(secured) if self._exporter else None,
            "tls-unique": secured.get_channel_binding("tls-unique") if _is_unique(secured) else None,
            "tls-server-end-point": self._presented[secured.context].end_point_hash,
        }
        return {kind: data for kind, data in bindings.items() if data}


def _is_unique(secured: ssl.SSLObject) -> bool:
    """True if tls-unique means something. Where TLS 1.3 is used it is undefined (RFC 8446 appendix C.5); where a
    session goes on from an earlier one, somebody in between may have the same on both sides (RFC 7627 section 1)."""
    return secured.version() == "TLSv1.2" and not secured.session_reused


def _tell(certificate: Certificate, domain: str, now: datetime) -> None:
    """Log how long the certificate is valid, and why clients may refuse it."""
    days = (certificate.x509.not_valid_after_utc - now).days
    for doubt in doubts(certificate, domain, now):
        log.warning(doubt)
    log.log(
        logging.INFO if days >= DAYS_TO_RENEW else logging.WARNING,
        "certificate for %s: %s, valid until %s, %d days left",
        domain,
        certificate.chain_file,
        f"{certificate.x509.not_valid_after_utc:%Y-%m-%d}",
        max(days, 0),
    )


def _refuse_unknown(key: str, given: Mapping[str, Path], domains: Sequence[str]) -> None:
    for domain in given.keys() - {a_label(domain) for domain in domains}:
        expected = f"expected one of {', '.join(domains)}" if domains else "there is no certificate to go with it"
        raise CertificateError(f"[tls] {key}: {domain} is not known here; {expected}.")
