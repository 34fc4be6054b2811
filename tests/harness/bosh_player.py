"""The player of dialogues, with clients that speak BOSH (XEP-0124) in place of TCP."""

import secrets
import select
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

from tests.harness import scsrun
from tests.harness.bosh import CREATION, HTTPBIND, PATH, written
from tests.harness.websocket_player import ROOT, elements
from tests.harness.websockets import standing_alone

PlainConnection = scsrun.Connection  # the player's own, for which ours stands in


class Connection(PlainConnection):
    """A client's session: two connections, on one of which a request is always held."""

    def __init__(self, *arguments: Any) -> None:
        PlainConnection.__init__(self, *arguments)
        self._free = [self.sock, socket.create_connection(self.sock.getpeername(), self.opts.connect_timeout)]
        self._free[1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._asked: deque[_Asked] = deque()
        self._rid = secrets.randbelow(2**40) + 1
        self._sid: str | None = None

    def open(self) -> Any:
        self.parser = scsrun.StreamParser()
        self.parser.feed(ROOT)
        self.parser.events.clear()
        self._ask("", {**CREATION, "to": self.domain} if self._sid is None else {"xmpp:restart": "true"})
        features: Any = PlainConnection._expect(self, "opening the stream")
        assert (features.ns, features.name) == (scsrun.NS_STREAM, "features")
        return features

    def send(self, text: str) -> None:
        self.opts.trace(self.label, "SEND", text)
        try:
            if text == "</stream:stream>":
                self._ask("", {"type": "terminate"})
            else:
                self._ask("".join(map(standing_alone, elements(text))), {})
        except OSError as err:
            self.closed = self.closed or f"cannot write: {err}"
            raise scsrun.StreamClosed(self.closed) from None

    def _ask(self, content: str, attributes: dict[str, str]) -> None:
        while not self._free and not self.closed:
            self.pump(self.opts.timeout)
        if self.closed:
            raise scsrun.StreamClosed(self.closed)
        body = written(content, {"rid": str(self._rid), "sid": self._sid, **attributes})
        self._rid += 1
        asked = _Asked(self._free.pop())
        asked.sock.settimeout(self.opts.connect_timeout)
        asked.sock.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        self._asked.append(asked)

    def pump(self, timeout: float) -> bool:
        """Read what comes within this time; true if something came."""
        if self.closed:
            return False
        if not self._asked:
            self._ask("", {})
        waiting = {asked.sock: asked for asked in self._asked if asked.answer is None}
        readable = select.select([*waiting], [], [], max(0.0, timeout))[0]
        try:
            for sock in readable:
                waiting[sock].read()
        except OSError as err:
            self.closed = f"connection lost: {err}"
        while self._asked and self._asked[0].answer is not None:
            asked = self._asked.popleft()
            self._free.append(asked.sock)
            assert asked.answer is not None
            self._take(asked.answer)
        return bool(readable)

    def _take(self, answer: bytes) -> None:
        self.opts.trace(self.label, "RECV", answer.decode())
        body = ElementTree.fromstring(answer)
        assert body.tag == f"{{{HTTPBIND}}}body", answer
        self._sid = body.get("sid", self._sid)
        for element in body:
            self.parser.feed(ElementTree.tostring(element))
        if body.get("type") == "terminate":
            self.parser.events.append(("close", None))
        PlainConnection._collect(self)


class _Asked:
    """A request on its connection, and its answer when that is whole."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.answer: bytes | None = None
        self._data = b""

    def read(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._data += data
        head, whole, content = self._data.partition(b"\r\n\r\n")
        if whole:
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            assert head.startswith(b"HTTP/1.1 200"), head
            if len(content) == int(fields[b"content-length"]):
                self.answer = content


@contextmanager
def clients_speak_bosh() -> Iterator[None]:
    """Whoever connects in a dialogue does it over BOSH meanwhile."""
    scsrun.Connection = Connection  # type: ignore[misc]
    try:
        yield
    finally:
        scsrun.Connection = PlainConnection  # type: ignore[misc]
