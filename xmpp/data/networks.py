"""What counts as one place where clients come from: an IPv4 address, or the /64 of an IPv6 one.

Of those, who has one may have a whole /48 (RFC 6177), 65,536 of them: for what crowds could take from others, that is a
place, too.
"""

from ipaddress import IPv6Address, IPv6Network, ip_address

IPV6_PREFIX = 64  # what one customer gets at least
IPV6_SITE = 48  # and at most


def network(address: str) -> str:
    """The place that this address belongs to."""
    ip = ip_address(address)
    if not isinstance(ip, IPv6Address):
        return address
    if ip.ipv4_mapped is not None:  # a client of IPv4 on a socket that takes both
        return str(ip.ipv4_mapped)
    return str(IPv6Network((int(ip), IPV6_PREFIX), strict=False))


def with_its_site(network: str) -> tuple[str, ...]:
    """A network as `network` gives it, and, of IPv6, the site that it may be a part of."""
    address, _, prefix = network.partition("/")
    return (network, str(IPv6Network((address, IPV6_SITE), strict=False))) if prefix else (network,)
