"""Names as DNS has them (RFC 1123, RFC 5891), and which addresses are public (RFC 6890)."""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import idna

from xmpp.data.networks import Networks, unmapped

MAX_NAME_CHARACTERS = 253
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ADDRESS = re.compile(r"[0-9.]+")

NOT_IN_DNS = frozenset({"onion", "invalid", "localhost"})
"""Top levels that are not to be asked for in DNS (RFC 7686, RFC 6761)."""

# What is routed on the internet at all, and how an IPv4 address looks from behind NAT64 (RFC 6052).
_GLOBAL_UNICAST, _NAT64 = IPv6Network("2000::/3"), IPv6Network("64:ff9b::/96")
_6TO4, _DOCUMENTATION = IPv6Network("2002::/16"), IPv6Network("3fff::/20")


def in_dns(domain: str) -> str:
    """A domain as DNS and certificates name it: A-labels in lower case; an IPv6 address without its brackets.

    Raises ValueError for what is neither a domain nor an address.
    """
    if domain.startswith("[") and domain.endswith("]"):
        return str(IPv6Address(domain[1:-1]))
    if ":" in domain:
        return str(IPv6Address(domain))
    name = domain.lower()
    if not name.isascii():
        name = idna.encode(name).decode("ascii")
    name = name.removesuffix(".")
    if not is_host(name):
        raise ValueError(f"not a domain: {domain}")
    return name


def is_host(name: str) -> bool:
    """True for what may be the name of a host, without its last dot."""
    return len(name) <= MAX_NAME_CHARACTERS and _HOST.fullmatch(name) is not None


def is_address(name: str) -> bool:
    """True for an IPv6 address, and for whatever may be read as an IPv4 address."""
    return ":" in name or _ADDRESS.fullmatch(name) is not None


def is_public(address: str, except_for: Networks) -> bool:
    """True if the address may be dialled because DNS says so: it is one on the internet, or within these networks.

    Those of this machine, of the local network, of many and of nobody are not, in any disguise.
    """
    ip = unmapped(ip_address(address))
    if ip.is_unspecified or ip.is_multicast:
        return False
    if str(ip) in except_for:
        return True
    if isinstance(ip, IPv4Address):
        return ip.is_global
    if ip in _NAT64:
        return is_public(str(IPv4Address(ip.packed[-4:])), except_for)
    return ip in _GLOBAL_UNICAST and ip.is_global and ip not in _6TO4 and ip not in _DOCUMENTATION
