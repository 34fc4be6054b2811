"""The header of the PROXY protocol, read from a socket: whom it names, what is refused, and what is left for others."""

import struct
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent import socket
from hypothesis import given
from hypothesis import strategies as st

from xmpp.stream.proxied import LINE_BYTES, MOST_BYTES, SIGNATURE, NotProxied, Proxied, read_header

PATIENT = 60.0
BEHIND = b"\x16\x03\x01 what comes behind it"
V4 = socket.inet_aton("203.0.113.9") + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 4711, 5222)
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::17")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack(">HH", 4711, 5222)
)
ALPN = b"\x01\x00\x0bxmpp-client"
BY_TLS = b"\x20\x00\x05\x01\x00\x00\x00\x00"
TLVS = ALPN + b"\x04\x00\x02\x00\x00"


@pytest.fixture
def line() -> Iterator[tuple[Any, Any]]:
    """The proxy's end of a connection, and ours."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, ours


def binary(content: bytes, command: int = 0x21, family: int = 0x11) -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(content)) + content


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 5222\r\n", "203.0.113.9"),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
        (b"PROXY TCP6 2001:db8::17 2001:db8::1 4711 443\r\n", "2001:db8::17"),
        (b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n", "ffff:" * 7 + "ffff"),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n", "203.0.113.9"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n", None),
        (binary(V4), "203.0.113.9"),
        (binary(V4 + TLVS), "203.0.113.9"),
        (binary(V4 + bytes(MOST_BYTES - len(V4))), "203.0.113.9"),
        (binary(V6, family=0x21), "2001:db8::17"),
        (binary(V6 + TLVS, family=0x21), "2001:db8::17"),
        (binary(b"", command=0x20, family=0x00), None),
        (binary(V4 + TLVS, command=0x20), None),
        (binary(b"", family=0x00), None),
        (binary(TLVS, family=0x00), None),
        (binary(V4, family=0x12), None),
        (binary(bytes(216), family=0x31), None),
    ],
)
def test_the_header_names_the_client_and_what_stands_behind_it_is_left(
    line: tuple[Any, Any], header: bytes, client: str | None
) -> None:
    theirs, ours = line
    theirs.sendall(header + BEHIND)
    assert read_header(ours, PATIENT) == Proxied(client)
    assert ours.recv(1000) == BEHIND


@pytest.mark.parametrize(
    ("said", "has_tls"),
    [
        (BY_TLS, True),
        (ALPN + BY_TLS + ALPN, True),
        (BY_TLS.replace(b"\x05\x01", b"\x05\x06"), False),
        (ALPN, False),
        (b"", False),
        (BY_TLS[:-1], False),
        (b"\x20\x00\x00", False),
        (b"\x20\x00", False),
        (b"\x04\xff\xff" + BY_TLS, False),
    ],
)
def test_the_header_may_tell_that_the_client_has_come_by_tls(line: tuple[Any, Any], said: bytes, has_tls: bool) -> None:
    theirs, ours = line
    for addresses, family, client in ((V4, 0x11, "203.0.113.9"), (V6, 0x21, "2001:db8::17")):
        theirs.sendall(binary(addresses + said, family=family))
        assert read_header(ours, PATIENT) == Proxied(client, has_tls)
    theirs.sendall(binary(V4 + BY_TLS, command=0x20))
    assert read_header(ours, PATIENT) == Proxied(None)


@pytest.mark.parametrize(
    "header", [b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 5222\r\n", binary(V4 + TLVS)], ids=["version 1", "version 2"]
)
def test_a_header_may_come_byte_by_byte(line: tuple[Any, Any], header: bytes) -> None:
    theirs, ours = line
    reading = gevent.spawn(read_header, ours, PATIENT)
    for byte in header:
        theirs.send(bytes([byte]))
        gevent.sleep(0)
    assert reading.get(timeout=PATIENT).address == "203.0.113.9"


@pytest.mark.parametrize(
    "sent",
    [
        b"<?xml version='1.0'?><stream:stream",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00",
        b"proxy TCP4 203.0.113.9 192.0.2.1 4711 5222\r\n",
        b"PROXY  TCP4 203.0.113.9 192.0.2.1 4711 5222\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 5222\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 5222 1\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 65536\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 -1 5222\r\n",
        b"PROXY TCP4 203.0.113.256 192.0.2.1 4711 5222\r\n",
        b"PROXY TCP4 2001:db8::17 192.0.2.1 4711 5222\r\n",
        b"PROXY TCP6 203.0.113.9 2001:db8::1 4711 5222\r\n",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::1 4711 5222\r\n",
        b"PROXY TCP4 localhost localhost 4711 5222\r\n",
        b"PROXY TCP4 \xff\xfe 192.0.2.1 4711 5222\r\n",
        b"PROXY UDP4 203.0.113.9 192.0.2.1 4711 5222\r\n",
        b"PROXY UNKNOWN\r" + b"x" * 93,
        b"PROXY UNKNOWN" + b" " * LINE_BYTES + b"\r\n",
        b"PROXY TCP4 " + b"1" * 200,
        SIGNATURE + b"\x11\x11\x00\x0c" + V4,
        SIGNATURE + b"\x31\x11\x00\x0c" + V4,
        SIGNATURE + b"\x2f\x11\x00\x0c" + V4,
        SIGNATURE + b"\x22\x11\x00\x0c" + V4,
        SIGNATURE + b"\x21\x41\x00\x0c" + V4,
        SIGNATURE + b"\x21\x13\x00\x0c" + V4,
        SIGNATURE + b"\x21\x11\x00\x0b" + V4,
        SIGNATURE + b"\x21\x11\x00\x00",
        SIGNATURE + b"\x21\x21\x00\x0c" + V4,
        SIGNATURE + struct.pack(">BBH", 0x21, 0x11, MOST_BYTES + 1) + V4,
        SIGNATURE + b"\x20\x00\xff\xff",
        SIGNATURE[:-1] + b"\x00\x21\x11\x00\x0c" + V4,
    ],
)
def test_what_is_no_header_is_refused(line: tuple[Any, Any], sent: bytes) -> None:
    theirs, ours = line
    theirs.sendall(sent)
    with pytest.raises(NotProxied):
        read_header(ours, PATIENT)


PARTS = [b"", b"P", b"PROXY TCP4 203.0.113.9 192", SIGNATURE, binary(V4)[:-1]]


@pytest.mark.parametrize("part", PARTS)
def test_a_proxy_that_does_not_go_on_is_refused(line: tuple[Any, Any], part: bytes) -> None:
    theirs, ours = line
    theirs.sendall(part)
    with pytest.raises(NotProxied, match="in time"):
        read_header(ours, 0.01)


@pytest.mark.parametrize("part", PARTS)
def test_a_proxy_that_hangs_up_is_gone(line: tuple[Any, Any], part: bytes) -> None:
    theirs, ours = line
    theirs.sendall(part)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError):
        read_header(ours, PATIENT)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda some: SIGNATURE + some))
def test_row_150_whatever_comes_is_an_address_or_refused(sent: bytes) -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        try:
            read_header(ours, PATIENT)
        except (NotProxied, ConnectionError):
            pass
