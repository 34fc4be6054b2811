"""The load generator with clients that speak WebSocket (RFC 7395): the same loads and figures as those of xmppload.py.

    python -m bench.websocketload throughput --pairs 50 --port PORT --server-pid PID

The port is one for HTTP.
"""

import re
import sys
from typing import Any

from bench import xmppload

TCPConn = xmppload.Conn  # for which ours stands in
FRAMING = b"urn:ietf:params:xml:ns:xmpp-framing"
HANDSHAKE = (
    b"GET /xmpp-websocket HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"
)
OPEN = b"<open xmlns='%b' to='%b' version='1.0' xml:lang='en'/>"
CLOSE = b"<close xmlns='%b'/>" % FRAMING
MASK = b"\x37\xfa\x21\x3d"
STANZA = re.compile(rb"<(?:message|presence|iq)(?=[ />])")
ELEMENT = re.compile(rb"<\w+[^>]*/>|<(\w+).*?</\1>", re.DOTALL)  # none of these contains another one of its name


class WebSocketConn(TCPConn):
    """One client, over WebSocket."""

    __slots__ = ("frames", "is_upgraded")

    def __init__(self, loop: Any, user: str) -> None:
        self.frames = b""  # what has come of a frame, or of the head that answers the handshake
        self.is_upgraded = False
        TCPConn.__init__(self, loop, user)

    def open_stream(self, state: str) -> None:
        """Open a stream, the first one together with the handshake."""
        domain = self.loop.a.domain.encode()
        if state == "features1":
            TCPConn.send(self, HANDSHAKE % domain)
        self.state, self.buf = state, b""
        self.send(OPEN % (FRAMING, domain))

    def send(self, data: bytes) -> None:
        """Send each of these elements as a message."""
        elements = [CLOSE] if data == b"</stream:stream>" else [found[0] for found in ELEMENT.finditer(data)]
        TCPConn.send(self, b"".join(map(masked, elements)))

    def flush(self) -> None:
        """Send the rest of what is in frames already."""
        data, self.out = self.out, b""
        if data:
            TCPConn.send(self, data)
        if not self.out:
            TCPConn.interest(self, False)

    def recv(self) -> bytes | None:
        """The content of the messages that have come whole; None if there is none yet, b"" at the end."""
        data: bytes | None = TCPConn.recv(self)
        if not data:
            return data
        data = self.frames + data
        if not self.is_upgraded:
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self.frames = head
                return None
            if not head.startswith(b"HTTP/1.1 101"):
                raise xmppload.Fail(f"{self.user}: no WebSocket: {head!r}")
            self.is_upgraded = True
        content, self.frames = contents(data)
        return content or None


def masked(element: bytes) -> bytes:
    """A frame of a client's, with this element; a stanza with its namespace."""
    stanza = STANZA.match(element)
    if stanza is not None:
        element = stanza[0] + b" xmlns='jabber:client'" + element[stanza.end() :]
    size = len(element)
    hidden = int.from_bytes(element, "big") ^ int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + MASK + hidden.to_bytes(size, "big")


def contents(data: bytes) -> tuple[bytes, bytes]:
    """The content of all whole messages among these frames of a server's, and the rest."""
    found, at = [], 0
    while len(data) - at >= 2:
        size, start = data[at + 1], at + 2
        if size >= 126:
            start += 2 if size == 126 else 8
            size = int.from_bytes(data[at + 2 : start], "big") if start <= len(data) else len(data)
        if start + size > len(data):
            break
        if data[at] == 0x81:
            found.append(data[start : start + size])
        at = start + size
    return b"".join(found), data[at:]


if __name__ == "__main__":
    xmppload.Conn = WebSocketConn  # type: ignore[misc]
    sys.exit(xmppload.main())
