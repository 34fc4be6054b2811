"""Where the servers of other domains are looked for, as an administrator may set it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from ipaddress import ip_address
from typing import NamedTuple

from xmpp.config.configuration import setting
from xmpp.data.networks import Networks, check_networks
from xmpp.federation.dns.names import in_dns

DNS_PORT = 53
PORT, DIRECT_PORT = 5269, 5270
_DIRECT = "tls://"
_PLACE = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?")


class NameServer(NamedTuple):
    """Where a name server listens."""

    address: str
    port: int = DNS_PORT


class Route(NamedTuple):
    """The server of a domain, as an administrator knows it."""

    host: str
    port: int
    is_direct: bool


def _check_nameservers(nameservers: Iterable[str]) -> None:
    for each in nameservers:
        try:
            ip_address(_place(each, DNS_PORT)[0])
        except ValueError:
            raise ValueError(
                "expected addresses of name servers, such as 127.0.0.1, 127.0.0.1:5353 or [::1]:53"
            ) from None


def _check_routes(routes: Mapping[str, str]) -> None:
    for domain, place in routes.items():
        try:
            _route(place)
        except ValueError:
            raise ValueError(
                "expected where servers are, such as 192.0.2.1:5269, or tls://xmpp.example.org:5270"
            ) from None
        try:
            in_dns(domain)
        except ValueError:
            raise ValueError("expected domains in front of the addresses") from None


@dataclass(frozen=True)
class DialSettings:
    """How the servers of other domains are found."""

    nameservers: tuple[str, ...] = setting((), "The name servers to ask, such as `127.0.0.1:5353`. Without any, those "
                                           "of the system (`/etc/resolv.conf`).",
                                           check=_check_nameservers)  # fmt: skip
    routes: dict[str, str] = setting(
        {},
        "Domains whose server is not looked for in DNS, and where that is; with `tls://` if it begins with TLS.\n"
        'For example {"example.net" = "192.0.2.1:5269", "example.com" = "tls://xmpp.example.com:5270"}.',
        check=_check_routes,
    )
    private_addresses: tuple[str, ...] = setting(
        (),
        "Networks that other servers may be in although they are not public, such as `10.0.0.0/8`. Nothing else that "
        "is not public is dialled because DNS says so.",
        check=partial(check_networks, examples="10.0.0.0/8 or fd00::/8"),
    )
    dial_seconds: int = setting(30, "How long the servers of a domain are looked for and dialled, all in all.",
                                minimum=1, maximum=300)  # fmt: skip

    @cached_property
    def name_servers(self) -> tuple[NameServer, ...]:
        """The name servers that are set."""
        return tuple(NameServer(*_place(each, DNS_PORT)) for each in self.nameservers)

    @cached_property
    def private_networks(self) -> Networks:
        """Where servers may be although it is not public."""
        return Networks(self.private_addresses)

    def route(self, domain: str) -> Route | None:
        """Where the server of a domain is, which is named as in DNS, if that is set."""
        place = self._routes.get(domain)
        return _route(place) if place is not None else None

    @cached_property
    def _routes(self) -> dict[str, str]:
        return {in_dns(domain): place for domain, place in self.routes.items()}


def _route(place: str) -> Route:
    """Raises ValueError."""
    is_direct = place.startswith(_DIRECT)
    host, port = _place(place.removeprefix(_DIRECT), DIRECT_PORT if is_direct else PORT)
    return Route(in_dns(host), port, is_direct)


def _place(text: str, default_port: int) -> tuple[str, int]:
    """A host and a port, as `host`, `host:port`, `[2001:db8::1]:port` or `2001:db8::1`. Raises ValueError."""
    if text.count(":") > 1 and not text.startswith("["):
        return str(ip_address(text)), default_port
    parts = _PLACE.fullmatch(text)
    if parts is None:
        raise ValueError
    port = int(parts[3]) if parts[3] else default_port
    if not 0 < port < 65536:
        raise ValueError
    return str(ip_address(parts[1])) if parts[1] else parts[2], port
