"""Networks that clients come from: an IPv4 address, or the /64 of an IPv6 address.

Somebody who has a /64 may have a whole /48, with 65,536 of them (RFC 6177). So where many clients could take something
from others, that site counts as well.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

IPV6_PREFIX = 64  # what one customer gets at least
IPV6_SITE = 48  # and at most


def network(address: str) -> str:
    """The network that this address belongs to."""
    ip = ip_address(address)
    if not isinstance(ip, IPv6Address):
        return address
    if ip.ipv4_mapped is not None:  # an IPv4 client on a socket for both
        return str(ip.ipv4_mapped)
    return str(IPv6Network((int(ip), IPV6_PREFIX), strict=False))


def with_its_site(network: str) -> tuple[str, ...]:
    """A network, as `network` returns it, and for IPv6 also the site that it may be a part of."""
    address, _, prefix = network.partition("/")
    return (network, str(IPv6Network((address, IPV6_SITE), strict=False))) if prefix else (network,)


class Networks:
    """Networks that somebody has listed, as addresses or as `192.0.2.0/24`: which addresses are among them?

    An IPv4 address on a socket for both (::ffff:192.0.2.1) is that IPv4 address. Making one
    raises ValueError for what is no network.
    """

    def __init__(self, listed: Iterable[str]) -> None:
        self._networks = tuple(ip_network(each) for each in listed)

    def __contains__(self, address: str) -> bool:
        ip = unmapped(ip_address(address))
        return any(ip in each for each in self._networks)


def check_networks(listed: Iterable[str], examples: str = "127.0.0.1 or 10.0.0.0/8") -> None:
    """Raises ValueError, whose text says to an administrator what was expected, unless all of these are networks."""
    try:
        Networks(listed)
    except ValueError:
        raise ValueError(f"expected addresses or networks, such as {examples}") from None


def unmapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An address as its owner knows it: that of an IPv4 client on a socket for both is an IPv4 address."""
    return ip.ipv4_mapped if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None else ip
