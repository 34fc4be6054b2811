"""A server in the test with a port for components, and components that are written by hand (XEP-0114)."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import gevent
from gevent import socket
from lxml import etree

from db.sqlite.database import Database
from db.sqlite.errors import StorageError
from handlers.tables import FEATURES, TABLES
from tests.harness.in_process import add_accounts, configuration, xml
from tests.harness.streams import elements_of, local_name
from xmpp.components.domain import ComponentDomain
from xmpp.components.listener import ComponentListener
from xmpp.server import Server

BRIDGE, OTHER, ELSEWHERE = "bridge.localhost", "other.localhost", "bot.example"
SECRET = "a secret that is long enough"
SECRETS = dict.fromkeys((BRIDGE, OTHER, ELSEWHERE), SECRET)
PATIENCE = 30  # seconds, only reached by a test that fails
HEADER = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{}'>"
PING = "{urn:xmpp:ping}ping"


@contextmanager
def server_with_components(
    folder: Path, storage: type[Database] = Database, /, **settings: Mapping[str, Any]
) -> Iterator[Server]:
    """A server for `localhost` with romeo, juliet and mercutio, that components alone can connect to: those of SECRETS,
    unless the settings say otherwise."""
    usual = {"secrets": SECRETS, "port": 0, "confirm_seconds": 0}
    chosen = {**settings, "components": {**usual, **settings.get("components", {})}}
    with storage(folder / "test.db") as db:
        server = Server(configuration(**chosen), db, FEATURES, TABLES, storage_errors=(StorageError,))
        server.listeners.append(ComponentListener(server))
        add_accounts(server, "romeo", "juliet", "mercutio")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def listener_of(server: Server) -> ComponentListener:
    [listener] = [each for each in server.listeners if isinstance(each, ComponentListener)]
    return listener


def domain_of(server: Server, domain: str = BRIDGE) -> ComponentDomain:
    """The router's destination for a component."""
    return listener_of(server).domains[domain]


def wait_until(is_so: Callable[[], object]) -> None:
    with gevent.Timeout(PATIENCE):
        while not is_so():
            gevent.sleep(0.002)


class Component:
    """A component's side of a stream. `header` is what the server said in its own; with `answers_pings` it answers the
    server's pings by itself."""

    def __init__(self, server: Server, domain: str = BRIDGE, *, answers_pings: bool = True) -> None:
        self.domain = domain
        self.header: dict[str, str] = {}
        self.pings = 0
        self._answers_pings = answers_pings
        self._server = server
        self._socket = socket.create_connection(("127.0.0.1", listener_of(server).port), PATIENCE)
        self._elements = elements_of(self._socket)

    @classmethod
    def attached(cls, server: Server, domain: str = BRIDGE, *, answers_pings: bool = True) -> Self:
        """One that has shown its secret."""
        component = cls(server, domain, answers_pings=answers_pings)
        component.opens()
        assert component.shakes_hands() == "handshake"
        return component

    def opens(self, header: str = HEADER) -> None:
        """Begin the stream, and wait for the server's header."""
        self.send(header.format(self.domain))
        self.header = dict(next(self._elements).items())

    def shakes_hands(self, secret: str = SECRET) -> str:
        """Send the handshake; returns what it came to: "handshake", or the condition of the error."""
        self.send(f"<handshake>{handshake(self.header['id'], secret)}</handshake>")
        answer = next(self._elements)
        return local_name(answer[0] if len(answer) else answer)

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def next(self) -> str:
        """The next stanza that the server sends, in canonical form."""
        while self._is_ping(element := next(self._elements)):
            pass
        return as_text(element)

    def answers_a_ping(self) -> None:
        """Wait until the server has asked whether what it sent has been read, and say so."""
        while not self.pings:
            element = next(self._elements)
            assert self._is_ping(element), element

    def asks(self, text: str) -> str:
        """Send a stanza; returns the next one that comes."""
        self.send(text)
        return self.next()

    def comes_before_pong(self) -> list[str]:
        """What has come until the server has answered a ping."""
        self.send(f"<iq type='get' id='pong' from='{self.domain}' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        came: list[str] = []
        while 'id="pong"' not in (stanza := self.next()):
            came.append(stanza)
        return came

    def last_words(self) -> list[str]:
        """What the server still says until it closes the stream: the conditions of errors, or tags."""
        return [local_name(each[0] if local_name(each) == "error" else each) for each in self._elements]

    def closes(self) -> None:
        """End the stream as it should be, and wait until the server has ended it, too."""
        self.send("</stream:stream>")
        assert self.last_words() == []
        self.hangs_up()

    def gone(self) -> None:
        """Hang up, for one that was never attached."""
        self._socket.close()

    def hangs_up(self) -> None:
        """Be gone without a word."""
        domain = domain_of(self._server, self.domain)
        stream = domain.stream
        self._socket.close()
        wait_until(lambda: domain.stream is None or domain.stream is not stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _is_ping(self, element: etree._Element) -> bool:
        if not (len(element) and element[0].tag == PING and element.get("from") == "localhost"):
            return False
        self.pings += 1
        if self._answers_pings:
            self.send(f"<iq type='result' id='{element.get('id')}' from='{element.get('to')}' "
                      f"to='{element.get('from')}'/>")  # fmt: skip
        return True


def handshake(stream_id: str, secret: str) -> str:
    return hashlib.sha1((stream_id + secret).encode()).hexdigest()


def as_text(element: etree._Element) -> str:
    """A stanza in canonical form, in the namespace that clients have."""
    text = etree.tostring(element, encoding="unicode", with_tail=False)
    return xml(text.replace(' xmlns="jabber:component:accept"', "").replace(
        ' xmlns:stream="http://etherx.jabber.org/streams"', ""))  # fmt: skip
