"""Which hosts serve a domain, and in which order they are tried (RFC 6120 section 3.2, RFC 2782, XEP-0368)."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from xmpp.federation.dns.failures import LookupFailed, NoSuchServer, Unreachable
from xmpp.federation.dns.messages import SRV
from xmpp.federation.dns.names import is_address, is_host
from xmpp.federation.dns.resolver import Asked, Resolver
from xmpp.federation.dns.settings import PORT

STARTTLS, DIRECT = "_xmpp-server._tcp", "_xmpps-server._tcp"
MOST_TARGETS = 20  # a domain could have others dialled by naming them


class Target(NamedTuple):
    """A host that serves a domain. `is_direct`: its port begins with TLS. `is_set`: an administrator has named it."""

    host: str
    port: int
    is_direct: bool = False
    is_set: bool = False


def find(domain: str, resolver: Resolver) -> list[list[Target]]:
    """The targets of a domain: of each priority those to be dialled, in the order of their draw.

    Yields. Raises NoSuchServer, Unreachable.
    """
    direct_asked = resolver.ask(f"{DIRECT}.{domain}", "SRV")
    plain_asked = resolver.ask(f"{STARTTLS}.{domain}", "SRV")
    direct, plain = _records(direct_asked), _records(plain_asked)
    offered = [*_offered(direct, is_direct=True), *_offered(plain, is_direct=False)]
    if offered:
        return in_order(offered)
    # One that fails may have named hosts: to try others hides that, and may be wrong.
    for found in (direct, plain):
        if isinstance(found, LookupFailed):
            raise Unreachable(f"its name could not be looked up: {found}")
    if direct or plain:
        raise NoSuchServer("its domain has no server for this")  # a target of "."
    return [[Target(domain, PORT)]]


Found = Sequence[SRV] | LookupFailed
Offered = tuple[SRV, Target]


def _records(asked: Asked) -> Found:
    try:
        return [each for each in asked.get().records if isinstance(each, SRV)]
    except LookupFailed as failure:
        return failure


def _offered(found: Found, *, is_direct: bool) -> list[Offered]:
    if isinstance(found, LookupFailed):
        return []
    return [(each, Target(each.target, each.port, is_direct)) for each in found if _is_usable(each)]


def _is_usable(record: SRV) -> bool:
    return is_host(record.target) and not is_address(record.target) and record.port > 0


def in_order(offered: Iterable[Offered], below: Callable[[int], int] = secrets.randbelow) -> list[list[Target]]:
    """All that is offered by priority, and in each priority as drawn; MOST_TARGETS in all."""
    room, targets = MOST_TARGETS, list[list[Target]]()
    for _, group in groupby(sorted(offered, key=_priority), key=_priority):
        drawn = _drawn(list(group), below)[:room]
        room -= len(drawn)
        targets += [drawn] if drawn else []
    return targets


def _priority(offered: Offered) -> int:
    return offered[0].priority


def _drawn(offered: list[Offered], below: Callable[[int], int]) -> list[Target]:
    """Draw one after the other by weight, without putting back; those without weight stand in front, so that each has a
    small chance (RFC 2782, "Weight")."""
    left, drawn = sorted(offered, key=lambda each: each[0].weight > 0), list[Target]()
    while left:
        number = below(sum(record.weight for record, _ in left) + 1)
        for place, (record, target) in enumerate(left):
            number -= record.weight
            if number <= 0:
                drawn.append(target)
                del left[place]
                break
    return drawn
