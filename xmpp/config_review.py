"""What is wrong or unwise in a configuration as a whole, which no single setting shows."""

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from xmpp.config.component_settings import SAFE_SECRET, ComponentsSettings, home
from xmpp.config.configuration import Configuration, Entry, entries_of
from xmpp.config.contradictions import contradictions
from xmpp.config.settings import ServerSettings
from xmpp.data.jid import JID
from xmpp.federation.own_certificates import refused_by_others
from xmpp.federation.roots import read_roots
from xmpp.federation.settings import FederationSettings, talks_to_others
from xmpp.routing.feature import Feature, Subdomains, those_on
from xmpp.stream.tls.certificates import doubts, notes
from xmpp.stream.tls.contexts import context_for_clients
from xmpp.stream.tls.tls import VERSIONS, TLSSettings, read_certificates, read_client_authorities


class ClashError(Exception):
    """Two things have the same name; the text says where, and what to do."""


def refuse_clashes(configuration: Configuration, features: Iterable[Feature]) -> None:
    """Raise ClashError if a served domain is also the address of another domain's service, or of a component."""
    served = services_of(configuration, features)
    for component in configuration[ComponentsSettings].secrets.keys() & served.keys():
        raise ClashError(
            f"[components] secrets: expected domains that have no accounts, found {component}, which is among the "
            f"[server] domains; a component has a domain of its own, such as bridge.{component}."
        )
    for domain, services in served.items():
        for service in services:
            if service in served:
                raise ClashError(
                    f"[server] domains: expected domains that are no services, found {service}, where a service of "
                    f"{domain} answers; leave it out."
                )


def unwise(configuration: Configuration, file: Path | None) -> list[str]:
    """What a server can run with, but was hardly meant: a sentence for each such thing."""
    found = [*contradictions(configuration), *_doubts_about_domains(configuration)]
    found += _doubts_about_components(configuration[ComponentsSettings])
    if file and file.stat().st_mode & stat.S_IROTH and _has_secret(configuration):
        found.append("everybody on this machine can read this file, and it holds a secret; chmod 600 closes it.")
    return found


def notes_on_components(configuration: Configuration, features: Iterable[Feature]) -> Iterator[str]:
    """A sentence for each component: where it connects, and whose place it takes."""
    settings, given_up = configuration[ComponentsSettings], _subdomains(configuration, features).given_up
    for domain in settings.secrets:
        instead = f", in place of the service {given_up[domain].label} of this server" if domain in given_up else ""
        where = " and ".join(settings.addresses)
        yield f"{domain}: a component, which connects to port {settings.port} of {where}, answers there{instead}."


def notes_on_domains(configuration: Configuration) -> Iterator[str]:
    """A sentence for each domain for which something is set that may differ."""
    for domain, differing in configuration.differing.items():
        if differing and domain in configuration[ServerSettings].domains:
            yield f'{domain}: has its own {", ".join(differing)}, by [domains."{domain}"].'


class CertificateReview(NamedTuple):
    """What there is to say about certificates: why clients will refuse them, and what else is worth knowing."""

    doubts: list[str]
    notes: list[str]


def review_certificates(configuration: Configuration, features: Iterable[Feature]) -> CertificateReview:
    """Review the certificates that the configuration names. Raises CertificateError if one cannot be used at all."""
    settings, now, served = configuration[TLSSettings], datetime.now(UTC), services_of(configuration, features)
    federation = configuration[FederationSettings]
    review, roots = CertificateReview([], []), read_roots(federation.authorities)
    for authorities in read_client_authorities(settings, [*served]).values():
        review.doubts.extend(authorities.doubts(now))
    with TemporaryDirectory() as self_signed:
        for domain, certificate in read_certificates(settings, served, Path(self_signed)).items():
            context_for_clients(certificate, VERSIONS[settings.minimum_version])
            is_for_servers = configuration.is_enabled("federation") and talks_to_others(federation, [domain])
            if certificate.chain_file.parent == Path(self_signed):
                review.notes.append(
                    f"{domain}: no certificate in [tls] certificates, so the server makes a self-signed one, "
                    "and clients ask their people whether to trust it"
                    + ("; other servers refuse it." if is_for_servers else ".")
                )
                continue
            review.doubts.extend(doubts(certificate, domain, now))
            review.notes.extend(notes(certificate, domain, now, () if is_for_servers else served[domain]))
            if is_for_servers:
                review.notes.extend(refused_by_others(certificate, [domain, *served[domain]], roots))
    return review


def services_of(configuration: Configuration, features: Iterable[Feature]) -> Mapping[str, Sequence[str]]:
    """What is shown the certificate of each domain: the addresses of its services, and the components beneath it. The
    first domain's is shown for components that are beneath none."""
    components = configuration[ComponentsSettings].secrets
    services = _subdomains(configuration, features).by_domain
    homes = {each: home(each, services) or next(iter(services)) for each in components}
    return {domain: [*found, *(each for each in components if homes[each] == domain)]
            for domain, found in services.items()}  # fmt: skip


def _subdomains(configuration: Configuration, features: Iterable[Feature]) -> Subdomains:
    on, domains = those_on(features, configuration.is_enabled), configuration[ServerSettings].domains
    return Subdomains(on, configuration.__getitem__, domains, configuration[ComponentsSettings].secrets)


def _doubts_about_domains(configuration: Configuration) -> Iterator[str]:
    settings = configuration[ServerSettings]
    for domain in configuration.differing:
        if domain not in settings.domains:
            yield (
                f'[domains."{domain}"] has no effect: expected one of the [server] domains, '
                f"{', '.join(settings.domains)}."
            )
    for account in settings.administrators:
        if JID.parse(account).domain not in settings.domains:
            yield f"[server] administrators: {account} is at none of the [server] domains, so nobody can log in as it."


def _doubts_about_components(settings: ComponentsSettings) -> Iterator[str]:
    for domain, secret in settings.secrets.items():
        if len(secret) < SAFE_SECRET:
            yield (
                f"[components] secrets: that of {domain} is short, so it could be guessed; expected {SAFE_SECRET} "
                "characters at least, as `openssl rand -hex 20` makes them."
            )
    if settings.secrets and settings.is_open_to_others:
        yield (
            "[components] addresses: other machines can reach this port, and components have no TLS, so whoever is on "
            "the way can read and change all; expected loopback addresses, and a tunnel to other machines."
        )


def _has_secret(configuration: Configuration) -> bool:
    return any(
        any(_secrets_in(getattr(configuration[section.settings], key), entry))
        for section in configuration.sections.values()
        if section.settings
        for key, entry in entries_of(section.settings).items()
    )


def _secrets_in(value: Any, entry: Entry) -> Iterator[bool]:
    yield entry.rule.secret and bool(value)
    if entry.table:
        for table in value:
            for key, inner in entries_of(entry.table).items():
                yield from _secrets_in(getattr(table, key), inner)
