"""A client's side of a stream over WebSocket (RFC 7395), to a server inside the test."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from gevent import socket, ssl
from lxml import etree

from tests.harness.frames import CLOSE, PING, TEXT, Frame, masked, taken
from tests.harness.streams import PATIENCE, Stream
from web.site import Site

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455 section 1.3, with what it is answered
ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HEADERS: Mapping[str, str] = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Protocol": "xmpp",
}


class Refused(Exception):
    """The handshake was refused; `head` is the answer's."""

    def __init__(self, head: str) -> None:
        super().__init__(head)
        self.head = head
        self.status = int(head.split(" ", 2)[1])


class WebSocketClient(Stream):
    """A client after the handshake. `opened` are the attributes of the server's last <open/>; `code` is the one that
    the server has closed the connection with."""

    def __init__(
        self,
        site: Site,
        path: str = "/xmpp-websocket",
        headers: Mapping[str, str | None] | None = None,
        *,
        kind: str = "HTTP",
        method: str = "GET",
        early: bytes = b"",
    ) -> None:
        self._ids = itertools.count()
        self._data = b""
        self._elements = iter(())
        self.opened: Mapping[str, str] = {}
        self.code: int | None = None
        self.has_close = False
        self._socket: Any = socket.create_connection(("127.0.0.1", site.listener.ports[kind]), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind == "HTTPS":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["http/1.1"])
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self.head = self._shakes_hands(method, path, {**HEADERS, **(headers or {})}, early)

    def _shakes_hands(self, method: str, path: str, headers: Mapping[str, str | None], early: bytes) -> str:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode() + early)
        while b"\r\n\r\n" not in self._data:
            more = self._socket.recv(65536)
            assert more, self._data
            self._data += more
        written, self._data = self._data.split(b"\r\n\r\n", 1)
        head: str = written.decode()
        if not head.startswith("HTTP/1.1 101 "):
            self._socket.close()
            raise Refused(head)
        return head

    # -- messages

    def open(self, to: str = "localhost", **attributes: str) -> etree._Element:
        """Send <open/>; returns the features."""
        self._elements = self._read()
        self.send_open(to, **attributes)
        return next(self._elements)

    def send_open(self, to: str = "localhost", **attributes: str) -> None:
        more = "".join(f" {name}='{value}'" for name, value in attributes.items())
        self.send(f"<open xmlns='{FRAMING}' to='{to}' version='1.0'{more}/>")

    def send(self, text: str) -> None:
        """Send a message; a stanza declares its namespace, whether it says so in the test or not."""
        self.send_bytes(masked(standing_alone(text)))

    def send_bytes(self, data: bytes) -> None:
        """Just that."""
        self._socket.sendall(data)

    def frame(self) -> Frame | None:
        """The next frame, whatever it is; None once the server has hung up."""
        while True:
            frame, self._data = taken(self._data)
            if frame is not None:
                return frame
            more = self._socket.recv(65536)
            if not more:
                return None
            self._data += more

    def _read(self) -> Iterator[etree._Element]:
        """The elements that come, but those of framing."""
        while (frame := self.frame()) is not None:
            if frame.opcode == CLOSE:
                self.code = int.from_bytes(frame.content[:2], "big")
            elif frame.opcode != PING:
                assert frame.first == 0x80 | TEXT
                element = parsed(frame.content)
                if element.tag == f"{{{FRAMING}}}open":
                    self.opened = {str(name): str(value) for name, value in element.items()}
                elif element.tag == f"{{{FRAMING}}}close":
                    self.has_close = True
                else:
                    assert not self.has_close
                    yield element

    def ending(self) -> tuple[list[str], bool, int | None]:
        """Read to the end: what still came, as `last_words` has it, whether <close/> did, and the code."""
        self._elements = self._read()
        return self.last_words(), self.has_close, self.code


def parsed(message: bytes) -> etree._Element:
    """The element that a message of the server's is: a document of its own."""
    assert message.startswith(b"<")
    element: etree._Element = etree.fromstring(message)
    assert str(element.tag).startswith("{"), message
    return element


def standing_alone(text: str) -> str:
    """A stanza as clients write it in a message."""
    for name in ("message", "presence", "iq"):
        if text.startswith(f"<{name}") and text[len(name) + 1] in " />" and "xmlns=" not in text.partition(">")[0]:
            return f"<{name} xmlns='jabber:client'{text[len(name) + 1 :]}"
    return text
