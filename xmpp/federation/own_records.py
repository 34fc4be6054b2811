"""What other servers find in DNS for our own domains and services, and which records are missing."""

from collections.abc import Iterator
from typing import NamedTuple

from xmpp.federation.dns import targets
from xmpp.federation.dns.failures import LookupFailed, NoSuchServer, Unreachable
from xmpp.federation.dns.names import in_dns
from xmpp.federation.dns.resolver import Resolver
from xmpp.federation.dns.settings import PORT
from xmpp.federation.dns.targets import STARTTLS, Target


class Found(NamedTuple):
    """What there is for one name: a sentence; `is_missing` if other servers do not find a way to it."""

    text: str
    is_missing: bool


def look_up(name: str, domain: str, port: int, resolver: Resolver) -> Found:
    """Look up a domain of ours, or a service of this domain, as other servers do. `port`: where we listen for them.
    Yields."""
    try:
        label = in_dns(name)
        offered = [target for group in targets.find(label, resolver) for target in group]
    except (NoSuchServer, Unreachable, ValueError) as error:
        return Found(f"{name}: {error}.", True)
    if offered == [Target(label, PORT)]:
        return _without_records(name, label, _machine(domain, resolver), port, resolver)
    where = ", ".join(f"{each.host}:{each.port}{' (TLS)' if each.is_direct else ''}" for each in offered)
    lost = [each.host for each in offered if not list(_addresses(each.host, resolver))]
    if lost:
        return Found(f"{name}: SRV records lead to {where}, but {', '.join(lost)} has no address.", True)
    return Found(f"{name}: SRV records lead to {where}.", False)


def _without_records(name: str, label: str, host: str, port: int, resolver: Resolver) -> Found:
    record = f"{STARTTLS}.{label}. 3600 IN SRV 0 5 {port} {host}."
    addresses = list(_addresses(label, resolver))
    if not addresses:
        return Found(f"{name}: neither SRV records nor addresses, so nobody finds it. Add to its zone:\n{record}", True)
    dialled = f"{name}: no SRV records, so its addresses ({', '.join(addresses)}) are dialled at port {PORT}"
    if port != PORT:
        return Found(f"{dialled}, and this server listens at {port}. Add to its zone:\n{record}", True)
    return Found(f"{dialled}.", False)


def _machine(domain: str, resolver: Resolver) -> str:
    """The machine that a domain's own records lead to, or the domain itself."""
    label = in_dns(domain)
    try:
        offered = [target for group in targets.find(label, resolver) for target in group]
    except (NoSuchServer, Unreachable):
        return label
    return next((each.host for each in offered if not each.is_direct), label)


def _addresses(host: str, resolver: Resolver) -> Iterator[str]:
    asked = [resolver.ask(host, type) for type in ("AAAA", "A")]
    for each in asked:
        try:
            yield from map(str, each.get().records)
        except LookupFailed:
            continue
