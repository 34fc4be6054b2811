"""The PROXY protocol, versions 1 and 2: before anything else, a proxy says for which client it has connected.

It is read only on ports that are configured for it, and only from proxies that are trusted: others could claim any
address. https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import gevent

from xmpp.data.networks import unmapped

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"  # of version 2; no header of version 1 is as short as this
LINE_BYTES = 107  # version 1, with its CR LF (section 2.1)
MOST_BYTES = 4096  # version 2, behind its first 16: what other receivers take, too
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6 = 0x11, 0x21
NOT_TCP = (0x00, 0x12, 0x22, 0x31, 0x32)  # unspecified, UDP, Unix: as if nothing were said (section 2.2)

LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5}))\r\n"
)


class NotProxied(Exception):
    """What came is no header of the PROXY protocol. The text says what is wrong with it."""


def read_client_address(sock: Any, seconds: float) -> str | None:
    """Read the header from a gevent socket, and nothing beyond it; returns the address of the client.

    None if the proxy says none: it has connected for itself, such as to see that we are there. Yields. Raises
    NotProxied, also if the header is not there after so many seconds, and OSError if the proxy is gone.
    """
    with gevent.Timeout(seconds, NotProxied("it did not come in time")):
        begins = _exactly(sock, len(SIGNATURE))
        if begins == SIGNATURE:
            return _read_binary(sock)
        if begins.startswith(b"PROXY "):
            return _address_in_line(_rest_of_line(sock, begins))
    raise NotProxied("it begins with something else")


# -- version 1


def _rest_of_line(sock: Any, line: bytes) -> bytes:
    """The whole line. What has come is looked at before it is taken, since a ClientHello may stand right behind it."""
    while not line.endswith(b"\n"):
        room = LINE_BYTES - len(line)
        if not room:
            raise NotProxied("its line is too long")
        come = sock.recv(room, socket.MSG_PEEK)
        line += _exactly(sock, come.find(b"\n") + 1 or max(1, len(come)))
    return line


def _address_in_line(line: bytes) -> str | None:
    found = LINE.fullmatch(line)
    if found is None:
        raise NotProxied("its line is malformed")
    version, *addresses = found.group(1, 2, 3)
    if version is None:  # unknown
        return None
    kind = IPv4Address if version == b"4" else IPv6Address
    try:
        source, _ = (kind(each.decode()) for each in addresses)
    except ValueError:
        raise NotProxied("its addresses are none") from None
    if any(int(port) > 65535 for port in found.group(4, 5)):
        raise NotProxied("its ports are none")
    return str(unmapped(source))


# -- version 2


def _read_binary(sock: Any) -> str | None:
    command, family, *length = _exactly(sock, 4)
    size = int.from_bytes(bytes(length), "big")
    if size > MOST_BYTES:
        raise NotProxied("it is too long")
    return _address_in_binary(command, family, _exactly(sock, size))


def _address_in_binary(command: int, family: int, content: bytes) -> str | None:
    """What follows the addresses, such as names and certificates (TLVs), is not looked at."""
    if command == LOCAL:
        return None
    if command != PROXY:
        raise NotProxied("its version or command is not known")
    if family in NOT_TCP:
        return None
    if family == TCP4 and len(content) >= 12:
        return str(IPv4Address(content[:4]))
    if family == TCP6 and len(content) >= 36:
        return str(unmapped(IPv6Address(content[:16])))
    raise NotProxied("its addresses are of no kind that there is, or cut off")


def _exactly(sock: Any, size: int) -> bytes:
    """So many bytes. Raises ConnectionError if no more come."""
    content = b""
    while len(content) < size:
        more = sock.recv(size - len(content))
        if not more:
            raise ConnectionError("the proxy is gone before its header was whole")
        content += more
    return content
