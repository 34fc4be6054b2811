"""A client's side of BOSH (XEP-0124), to a server inside the test: requests one by one, or as a stream."""

import itertools
import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gevent
from lxml import etree

from tests.harness.browsing import Browser, Got
from tests.harness.streams import PATIENCE, Stream
from tests.harness.websockets import standing_alone
from web.site import Site

HTTPBIND = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"
PATH = "/http-bind"
CREATION: Mapping[str, str] = {
    "to": "localhost",
    "wait": "30",
    "hold": "1",
    "ver": "1.6",
    "xml:lang": "en",
    "xmpp:version": "1.0",
}


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    got: Got

    @property
    def status(self) -> int:
        return self.got.status

    @cached_property
    def body(self) -> etree._Element:
        assert self.got.status == 200, self.got
        body: etree._Element = etree.fromstring(self.got.content)
        assert body.tag == f"{{{HTTPBIND}}}body"
        return body

    @property
    def end(self) -> tuple[str | None, str | None]:
        """The type and the condition, None where there is none."""
        return self.body.get("type"), self.body.get("condition")

    @property
    def is_empty(self) -> bool:
        return not len(self.body) and not self.body.keys()

    @property
    def names(self) -> list[str]:
        """The names of the elements."""
        return [etree.QName(each).localname for each in self.body]


def written(content: str, attributes: Mapping[str, str | None]) -> bytes:
    """A body as a client writes it."""
    given = {"xmlns": HTTPBIND, "xmlns:xmpp": XBOSH, **attributes}
    head = "".join(f" {name}='{value}'" for name, value in given.items() if value is not None)
    return f"<body{head}>{content}</body>".encode() if content else f"<body{head}/>".encode()


class BoshClient(Stream):
    """A client. `greeting` is what its session was created with."""

    def __init__(self, site: Site, kind: str = "HTTP", path: str = PATH) -> None:
        self._ids = itertools.count()
        self._site, self._kind, self._path = site, kind, path
        self._elements = iter(())
        self._free: list[Browser] = []
        self._busy: set[Browser] = set()
        self._asked: deque[gevent.Greenlet[..., Answer]] = deque()
        self._came: deque[etree._Element] = deque()
        self.rid = secrets.randbelow(2**40) + 1
        self.sid: str | None = None
        self.greeting: Mapping[str, str] = {}
        self.last: Answer | None = None

    # -- requests

    def begin(self, payload: str = "", /, **attributes: str | None) -> Answer:
        """Create a session. Underscores in the names of attributes stand for colons."""
        self.sid = None
        answer = self.post(payload, **{**{key.replace(":", "_"): each for key, each in CREATION.items()}, **attributes})
        if answer.status == 200:
            self.greeting = {str(key): str(value) for key, value in answer.body.items()}
            self.sid = self.greeting.get("sid")
        return answer

    def post(self, payload: str = "", /, **options: Any) -> Answer:
        """A request with its answer."""
        return self.answer(self.ask(payload, **options))

    def ask(self, payload: str = "", /, *, rid: int | None = None, **attributes: str | None) -> Any:
        """A request under way. It has the next number, or a given one."""
        if rid is None:
            rid, self.rid = self.rid, self.rid + 1
        named = {key.rstrip("_").replace("_", ":"): value for key, value in attributes.items()}
        return self.asks_bytes(written(payload, {"rid": str(rid), "sid": self.sid, **named}))

    def asks_bytes(self, data: bytes) -> Any:
        """A request under way, whatever it is."""
        return gevent.spawn(self._exchange, data)

    @staticmethod
    def answer(asked: Any) -> Answer:
        """What a request that is under way is answered."""
        answer: Answer = asked.get(timeout=PATIENCE)
        return answer

    def _exchange(self, data: bytes) -> Answer:
        connection = self._free.pop() if self._free else self._connect()
        self._busy.add(connection)
        got = connection.ask("POST", self._path, data, {"Content-Type": "text/xml; charset=utf-8"})
        self._busy.discard(connection)
        if got.headers.get("connection") == "close":
            connection.close()
        else:
            self._free.append(connection)
        return Answer(got)

    def _connect(self) -> Browser:
        return Browser(self._site.listener.ports[self._kind], ["http/1.1"] if self._kind == "HTTPS" else None)

    # -- as a stream

    def open(self) -> etree._Element:
        """Begin, or begin anew; returns the features."""
        self._elements = self._read()
        if self.sid is None:
            self._came += self.begin().body
        else:
            self._asked.append(self.ask(xmpp_restart="true", to="localhost"))
        return next(self._elements)

    def send(self, text: str) -> None:
        """Send an element; a stanza declares its namespace, whether it says so in the test or not."""
        while len(self._asked) >= 2:
            self._collect()
        self._asked.append(self.ask(standing_alone(text)))

    def _read(self) -> Iterator[etree._Element]:
        while True:
            while self._came:
                yield self._came.popleft()
            if self.last is not None and self.last.end[0] == "terminate":
                return
            self._collect()

    def _collect(self) -> None:
        """Wait for the oldest answer."""
        if not self._asked:
            self._asked.append(self.ask())
        self.last = self.answer(self._asked.popleft())
        self._came += self.last.body

    def leave(self) -> Answer:
        """End the session."""
        return self.post(type="terminate")

    def hang_up(self) -> None:
        """Close the connections whose requests have no answer yet."""
        while self._busy:
            self._busy.pop().close()

    def close(self) -> None:
        gevent.killall([*self._asked])
        for connection in self._free:
            connection.close()
