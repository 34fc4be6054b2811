"""The player of dialogues, with clients that speak WebSocket (RFC 7395) in place of TCP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.parsers import expat

from tests.harness import scsrun
from tests.harness.frames import CLOSE, TEXT, masked, taken
from tests.harness.websockets import FRAMING, HEADERS, standing_alone

PlainConnection = scsrun.Connection  # the player's own, for which ours stands in
PATH = "/xmpp-websocket"
# A stream in which nothing is declared: whatever comes in it has to declare its namespaces itself.
ROOT = b"<s:stream xmlns:s='http://etherx.jabber.org/streams'>"


class Connection(PlainConnection):
    """A client's connection. The port that the player is given is one for HTTP."""

    def __init__(self, *arguments: Any) -> None:
        PlainConnection.__init__(self, *arguments)
        self._shake_hands()

    def _shake_hands(self) -> None:
        fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        self.sock.sendall(f"GET {PATH} HTTP/1.1\r\n{fields}\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)
        if not head.startswith(b"HTTP/1.1 101"):
            raise scsrun.LoginError(head.decode())

    def open(self) -> Any:
        self.parser = _Messages()
        self.send(f"<open xmlns='{FRAMING}' to='{self.domain}' version='1.0' xml:lang='en'/>")
        features: Any = PlainConnection._expect(self, "opening the stream")
        assert (features.ns, features.name) == (scsrun.NS_STREAM, "features")
        return features

    def send(self, text: str) -> None:
        messages = [f"<close xmlns='{FRAMING}'/>"] if text == "</stream:stream>" else elements(text)
        self.opts.trace(self.label, "SEND", text)
        try:
            self.sock.settimeout(self.opts.connect_timeout)
            self.sock.sendall(b"".join(masked(standing_alone(message)) for message in messages))
        except OSError as err:
            self.closed = self.closed or f"cannot write: {err}"
            raise scsrun.StreamClosed(self.closed) from None


def elements(text: str) -> list[str]:
    """The elements that stand one after the other in this text."""
    data, starts, depth = b"<w>" + text.encode() + b"</w>", list[int](), 0
    parser = expat.ParserCreate()

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth == 2:
            starts.append(parser.CurrentByteIndex)

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(data, True)
    ends = [*starts[1:], len(data) - len(b"</w>")]
    return [data[begin:end].decode().strip() for begin, end in zip(starts, ends, strict=True)]


class _Messages(scsrun.StreamParser):
    """Messages, read like the elements of a stream."""

    def __init__(self) -> None:
        scsrun.StreamParser.__init__(self)
        self._data = b""
        scsrun.StreamParser.feed(self, ROOT)
        self.events.clear()

    def feed(self, data: bytes) -> None:
        self._data += data
        while True:
            frame, self._data = taken(self._data)
            if frame is None:
                return
            if frame.opcode == TEXT:
                scsrun.StreamParser.feed(self, frame.content)
                self._take_framing()
            elif frame.opcode == CLOSE:
                self.events.append(("close", None))

    def _take_framing(self) -> None:
        kind, node = self.events[-1]
        assert kind == "element"
        if node.ns == FRAMING:
            self.events.pop()
            if node.name == "close":
                self.events.append(("close", None))


@contextmanager
def clients_speak_websocket() -> Iterator[None]:
    """Whoever connects in a dialogue does it over WebSocket meanwhile."""
    scsrun.Connection = Connection  # type: ignore[misc]
    try:
        yield
    finally:
        scsrun.Connection = PlainConnection  # type: ignore[misc]
