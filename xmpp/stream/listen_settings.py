"""Where connections are accepted: the addresses and ports, and how many connections there may be."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property

from xmpp.config.configuration import setting
from xmpp.data.networks import Networks, check_networks

NO_PORT = -1
# The settings that name a port, and what is spoken there, as people read it.
PORTS = {"port": "STARTTLS", "tls_port": "TLS", "https_port": "HTTPS", "http_port": "HTTP", "single_port": "everything",
         "server_port": "servers, STARTTLS", "server_tls_port": "servers, TLS"}  # fmt: skip
NOT_FOR_CLIENTS = frozenset({"http_port", "server_port", "server_tls_port"})


def _check_addresses(addresses: tuple[str, ...]) -> None:
    if not addresses:
        raise ValueError("expected at least one address, or nobody could connect")
    try:
        parsed = [ipaddress.ip_address(address) for address in addresses]
    except ValueError:
        raise ValueError("expected IP addresses, such as 127.0.0.1, ::1, or :: for all") from None
    if len(set(parsed)) < len(parsed):
        raise ValueError("expected each address once")
    for one in parsed:
        covered = [each for each in parsed if each != one and (each.version == 4 or one.version == 6)]
        if one.is_unspecified and covered:
            raise ValueError(f"expected no {covered[0]} beside {one}, which is all addresses and so has it already")


@dataclass(frozen=True)
class ListenSettings:
    """Where clients connect."""

    addresses: tuple[str, ...] = setting(("::",), "The addresses to listen on; `::` is all of them, IPv4 too.",
                                         check=_check_addresses, restart=True)  # fmt: skip
    port: int = setting(5222, "The port for clients that begin without TLS and switch to it (STARTTLS). "
                        "0: the system chooses one, -1: none.", minimum=-1, maximum=65535, restart=True)  # fmt: skip
    tls_port: int = setting(5223, "The port for TLS from the first byte (XEP-0368). 0 and -1 as above. What is spoken "
                            "over TLS decides: XMPP or HTTP, here and on `https_port`.",
                            minimum=-1, maximum=65535, restart=True)  # fmt: skip
    https_port: int = setting(5281, "The port that browsers are shown. 0 and -1 as above.",
                              minimum=-1, maximum=65535, restart=True)  # fmt: skip
    http_port: int = setting(5280, "The port for HTTP without TLS, for proxies and for browsers on this machine. "
                             "0 and -1 as above.", minimum=-1, maximum=65535, restart=True)  # fmt: skip
    http_addresses: tuple[str, ...] = setting(("127.0.0.1",), "The addresses for HTTP without TLS.",
                                              check=_check_addresses, restart=True)  # fmt: skip
    single_port: int = setting(-1, "A port for everything, such as 443: the first bytes decide between STARTTLS, TLS "
                               "and HTTP. 0 and -1 as above.", minimum=-1, maximum=65535, restart=True)  # fmt: skip
    server_port: int = setting(5269, "The port for other servers that begin without TLS and switch to it. "
                               "0 and -1 as above.", minimum=-1, maximum=65535, restart=True)  # fmt: skip
    server_tls_port: int = setting(5270, "The port for other servers with TLS from the first byte. Where they name "
                                   "their protocol (ALPN), they may use other ports with TLS. 0 and -1 as above.",
                                   minimum=-1, maximum=65535, restart=True)  # fmt: skip
    trusted_proxies: tuple[str, ...] = setting(("127.0.0.1", "::1"), "The addresses or networks of proxies whose word "
                                               "is taken on where a client comes from, and that it came over TLS.",
                                               check=check_networks)  # fmt: skip
    proxied: tuple[str, ...] = setting((), "The ports, by the names of their settings, where each connection begins "
                                       "with a header of the PROXY protocol.",
                                       choices=PORTS,
                                       restart=True)  # fmt: skip
    connections: int = setting(100_000, "How many clients may be connected. Each takes an open file, and how many a "
                               "process may have is limited too (`LimitNOFILE` of systemd).",
                               minimum=1, maximum=1_000_000)  # fmt: skip
    strangers_per_address: int = setting(100, "How many clients that have no session yet may come from one address, "
                                         "or from one IPv6 network (a /64). From a /48 ten times "
                                         "as many may come.",
                                         minimum=1, maximum=1_000_000, at_most="connections")  # fmt: skip

    @cached_property
    def trusted(self) -> Networks:
        """The proxies that are trusted."""
        return Networks(self.trusted_proxies)

    def __post_init__(self) -> None:
        numbers = {key: getattr(self, key) for key in PORTS if getattr(self, key) != NO_PORT}
        if not numbers.keys() - NOT_FOR_CLIENTS:
            raise ValueError("all ports for clients are -1, so nobody could connect; expected one of them at least")
        if self.proxied and not self.trusted_proxies:
            raise ValueError("proxied names ports, and there are no trusted_proxies, so nobody could connect there")
        fixed = [number for number in numbers.values() if number]
        for number in fixed:
            if fixed.count(number) > 1:
                same = " and ".join(key for key in numbers if numbers[key] == number)
                raise ValueError(f"{same} are both {number}; expected different ports, or -1 for none")
