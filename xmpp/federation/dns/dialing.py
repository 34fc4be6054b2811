"""Connections to the servers of a domain, one after the other (RFC 6120 section 3.2, RFC 8305)."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import NamedTuple

import gevent
from gevent import socket

from xmpp.federation.dns import names, targets
from xmpp.federation.dns.failures import NoSuchServer as NoSuchServer
from xmpp.federation.dns.failures import Unreachable as Unreachable
from xmpp.federation.dns.places import Places
from xmpp.federation.dns.race import Connected, Race, Tried
from xmpp.federation.dns.resolver import Resolver
from xmpp.federation.dns.settings import DialSettings
from xmpp.federation.dns.targets import Target

log = logging.getLogger(__name__)

# Each takes up to 4 questions and 8 attempts to connect at once.
MOST_AT_ONCE = 128
MOST_OF_KIND = MOST_AT_ONCE // 4
MOST_WAITING, MOST_WAITING_OF_KIND = 5_000, 500


class Dialled(NamedTuple):
    """A connection. `is_direct`: it begins with TLS. `where`: the other end, for the log."""

    sock: socket.socket
    is_direct: bool
    where: str


class Dialer:
    """Finds and dials the servers of domains. `settings` is asked each time, since a reload changes them.

    So many domains are dialled at once; what lies beneath one domain, which somebody may have made up without end, does
    not keep others waiting.
    """

    def __init__(self, settings: Callable[[], DialSettings]) -> None:
        self._settings = settings
        self._resolver = Resolver(lambda: settings().name_servers)
        self._places = Places(MOST_AT_ONCE, MOST_OF_KIND, MOST_WAITING, MOST_WAITING_OF_KIND)

    @property
    def under_way(self) -> int:
        """How many domains are being dialled now."""
        return self._places.taken

    def dial(self, domain: str, sender: str = "") -> Iterator[Dialled]:
        """Connections to its servers, one after the other as long as somebody asks, to no address twice. `sender`: who
        is the cause of it; where many wait, senders take turns.

        Raises NoSuchServer or Unreachable if there is none at all; after the first one it just ends. Yields to other
        greenlets, for `dial_seconds` in all: the time in which the caller has a connection does not count. No more than
        half of that is spent waiting for others: who has its turn has time to dial.
        """
        settings = self._settings()
        search = _Search(domain, settings, self._resolver)
        seconds, has_any = float(settings.dial_seconds), False
        while True:
            begun = monotonic()
            try:
                with gevent.Timeout(seconds) as timer, ExitStack() as place:
                    with gevent.Timeout(seconds / 2, Unreachable("too many servers are being dialled")):
                        place.enter_context(self._places.place(_kind(search.domain), sender))
                    found = search.next()
            except gevent.Timeout as timeout:
                if timeout is not timer:
                    raise
                found = None
            if found is None:
                break
            seconds -= monotonic() - begun
            has_any = True
            yield Dialled(found.sock, found.end_point.is_direct, str(found.end_point))
        if not has_any:
            raise search.reason()


class _Search:
    """How far it has come with one domain. Raises NoSuchServer for what is no name to be looked for."""

    def __init__(self, domain: str, settings: DialSettings, resolver: Resolver) -> None:
        self.domain = _in_dns(domain)
        self._resolver = resolver
        self._tried = Tried(settings.private_networks)
        self._races: list[Race] | None = None
        route = settings.route(self.domain)
        if route is not None:
            self._begin([[Target(*route, is_set=True)]])
        elif names.is_address(self.domain):
            raise NoSuchServer("an address instead of a domain is not dialled")
        elif not names.is_host(f"{targets.DIRECT}.{self.domain}"):
            raise NoSuchServer("its name is too long")
        elif self.domain.rpartition(".")[2] in names.NOT_IN_DNS:
            raise NoSuchServer("its name is not one that DNS knows")

    def next(self) -> Connected | None:
        """The next connection, or None if there is no other. Yields. Raises NoSuchServer, Unreachable."""
        if self._races is None:
            self._begin(targets.find(self.domain, self._resolver))
        assert self._races is not None
        while self._races:
            connected = self._races[0].connect()
            if connected is not None:
                return connected
            del self._races[0]
        return None

    def reason(self) -> NoSuchServer | Unreachable:
        """Why there was no connection."""
        if self._races is None:
            return Unreachable("its name could not be looked up in time")
        if self._races:
            return Unreachable("its server does not answer")
        return self._tried.reason()

    def _begin(self, found: list[list[Target]]) -> None:
        self._races = [Race(each, self._resolver, self._tried) for each in found]


def _in_dns(domain: str) -> str:
    try:
        return names.in_dns(domain)
    except ValueError:  # idna's errors are of that kind
        raise NoSuchServer("its name cannot be one of DNS") from None


def _kind(domain: str) -> str:
    """Who has made that name up: somebody who has the domain above it."""
    return ".".join(domain.split(".")[-2:])
