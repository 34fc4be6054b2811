"""What counts as one place where clients come from: an IPv4 address, or the /64 of an IPv6 one."""

from ipaddress import IPv6Address, IPv6Network, ip_address

IPV6_PREFIX = 64  # what one customer gets at least


def network(address: str) -> str:
    """The place that this address belongs to."""
    ip = ip_address(address)
    if not isinstance(ip, IPv6Address):
        return address
    if ip.ipv4_mapped is not None:  # a client of IPv4 on a socket that takes both
        return str(ip.ipv4_mapped)
    return str(IPv6Network((int(ip), IPV6_PREFIX), strict=False))
