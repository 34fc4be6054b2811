"""The PROXY protocol, versions 1 and 2: before anything else, a proxy says for which client it has connected.

It is read only on ports that are configured for it, and only from proxies that are trusted: others could claim any
address. https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

import gevent

from xmpp.data.networks import unmapped

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"  # of version 2; no header of version 1 is as short as this
LINE_BYTES = 107  # version 1, with its CR LF (section 2.1)
MOST_BYTES = 4096  # version 2, behind its first 16: what other receivers take, too
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6 = 0x11, 0x21
TLS, BY_TLS = 0x20, 0x01  # section 2.2.6: what the proxy says of the client's TLS; a flag: it has connected by TLS
NOT_TCP = (0x00, 0x12, 0x22, 0x31, 0x32)  # unspecified, UDP, Unix: as if nothing were said (section 2.2)

LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5}))\r\n"
)


class Proxied(NamedTuple):
    """For whom a proxy has connected. `address` is None if it has for itself, such as to see that we are there, or does
    not tell. `has_tls`: it says that the client has connected to it by TLS."""

    address: str | None
    has_tls: bool = False


class NotProxied(Exception):
    """What came is no header of the PROXY protocol. The text says what is wrong with it."""


def read_header(sock: Any, seconds: float) -> Proxied:
    """Read the header from a gevent socket, and nothing beyond it.

    Yields. Raises NotProxied, also if the header is not there after so many seconds, and OSError if the proxy is gone.
    """
    with gevent.Timeout(seconds, NotProxied("the header of the PROXY protocol did not come in time")):
        begins = _exactly(sock, len(SIGNATURE))
        if begins == SIGNATURE:
            return _read_binary(sock)
        if begins.startswith(b"PROXY "):
            return _in_line(_rest_of_line(sock, begins))
    raise NotProxied("it does not begin with a header of the PROXY protocol ([listen] proxied)")


# -- version 1


def _rest_of_line(sock: Any, line: bytes) -> bytes:
    """The whole line. What has come is looked at before it is taken, since a ClientHello may stand right behind it."""
    while not line.endswith(b"\n"):
        room = LINE_BYTES - len(line)
        if not room:
            raise NotProxied("the line of the PROXY protocol is too long")
        come = sock.recv(room, socket.MSG_PEEK)
        line += _exactly(sock, come.find(b"\n") + 1 or max(1, len(come)))
    return line


def _in_line(line: bytes) -> Proxied:
    found = LINE.fullmatch(line)
    if found is None:
        raise NotProxied("the line of the PROXY protocol is malformed")
    version, *addresses = found.group(1, 2, 3)
    if version is None:  # unknown
        return Proxied(None)
    kind = IPv4Address if version == b"4" else IPv6Address
    try:
        source, _ = (kind(each.decode()) for each in addresses)
    except ValueError:
        raise NotProxied("the PROXY protocol gave addresses that are none") from None
    if any(int(port) > 65535 for port in found.group(4, 5)):
        raise NotProxied("the PROXY protocol gave ports that are none")
    return Proxied(str(unmapped(source)))


# -- version 2


def _read_binary(sock: Any) -> Proxied:
    command, family, *length = _exactly(sock, 4)
    size = int.from_bytes(bytes(length), "big")
    if size > MOST_BYTES:
        raise NotProxied("the header of the PROXY protocol is too long")
    return _in_binary(command, family, _exactly(sock, size))


def _in_binary(command: int, family: int, content: bytes) -> Proxied:
    if command == LOCAL:
        return Proxied(None)
    if command != PROXY:
        raise NotProxied("this version or command of the PROXY protocol is not known")
    if family in NOT_TCP:
        return Proxied(None)
    if family == TCP4 and len(content) >= 12:
        return Proxied(str(IPv4Address(content[:4])), _says_tls(content[12:]))
    if family == TCP6 and len(content) >= 36:
        return Proxied(str(unmapped(IPv6Address(content[:16]))), _says_tls(content[36:]))
    raise NotProxied("the PROXY protocol gave addresses of no kind that there is, or cut off")


def _says_tls(said: bytes) -> bool:
    """What else is said behind the addresses is left aside (section 2.2.7)."""
    while len(said) >= 3:
        kind, end = said[0], 3 + int.from_bytes(said[1:3], "big")
        if kind == TLS and 4 <= end <= len(said):
            return bool(said[3] & BY_TLS)
        said = said[end:]
    return False


def _exactly(sock: Any, size: int) -> bytes:
    """So many bytes. Raises ConnectionError if no more come."""
    content = b""
    while len(content) < size:
        more = sock.recv(size - len(content))
        if not more:
            raise ConnectionError("the proxy is gone before its header was whole")
        content += more
    return content
