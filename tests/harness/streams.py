"""Streams to a server inside the test, so that a test can also look into it; over loopback sockets, without TLS.

For what happens before a session is bound. rawclient.py is for servers in a process of their own: it blocks.
"""

import itertools
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from gevent import socket, ssl
from lxml import etree
from scramp import ScramClient

from db import accounts as account_records
from db.sqlite.database import Database
from db.sqlite.errors import StorageError
from handlers.login import accounts
from handlers.tables import FEATURES, TABLES
from tests.harness.in_process import configuration
from xmpp.data.jid import JID
from xmpp.server import Server
from xmpp.stream.listen_settings import ListenSettings
from xmpp.stream.listener import ClientListener
from xmpp.stream.tls.tls import ServerTLS

PATIENCE = 30  # seconds, only reached by a test that fails
FEW_ITERATIONS = 4096
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "sasl": {"iterations": FEW_ITERATIONS, "max_delay_seconds": 0},
    "register": {"open": True},
    "guests": {"enabled": False},
}
JULIET = JID.parse("juliet@localhost")

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"


@contextmanager
def listening_server(
    folder: Path, storage: type[Database] = Database, tls: ServerTLS | None = None, /, **settings: Mapping[str, Any]
) -> Iterator[Server]:
    """A server for `localhost` with the account juliet (password "secret"), that lets her log in without TLS.

    Where a `tls` is given, a stream may begin it."""
    chosen = {name: {**SETTINGS.get(name, {}), **settings.get(name, {})} for name in {*SETTINGS, *settings}}
    with storage(folder / "test.db") as db:
        server = Server(configuration(**chosen), db, FEATURES, TABLES, storage_errors=(StorageError,))
        settings_of_listener = ListenSettings(addresses=("127.0.0.1",), port=0, tls_port=0)
        server.listeners.append(ClientListener(server, tls, must_be_secure=False, settings=settings_of_listener))
        if not account_records.exists(db, JULIET):
            accounts.create(server, JULIET, "secret")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def listener_of(server: Server) -> ClientListener:
    """Its only one for clients."""
    [listener] = [each for each in server.listeners if isinstance(each, ClientListener)]
    return listener


class Stream:
    """A client's side of a stream."""

    def __init__(self, server: Server, *, domain: str = "", tls: ssl.SSLContext | None = None) -> None:
        """`tls`: begin with TLS, on the port for that."""
        self._ids = itertools.count()
        self._domain = domain or server.default_domain
        kind = "STARTTLS" if tls is None else "TLS"
        self._socket = socket.create_connection(("127.0.0.1", listener_of(server).ports[kind]), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=self._domain)
        self._elements: Iterator[etree._Element] = iter(())
        self.claims = ""  # who it says it is, when it opens

    @property
    def tls(self) -> ssl.SSLSocket:
        """Its side of TLS."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket

    def open(self) -> etree._Element:
        """Begin a stream, or begin it anew; returns the features."""
        return self.opens_together_with("")

    def opens_together_with(self, text: str) -> etree._Element:
        """The same, and send this without waiting for them."""
        self._elements = self._read()
        named = f" from='{self.claims}'" if self.claims else ""
        self.send(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
            f" to='{self._domain}'{named} version='1.0'>{text}"
        )
        return next(self._elements)

    def starts_tls(self, tls: ssl.SSLContext) -> etree._Element:
        """Begin TLS within the stream, and the stream anew; returns the features."""
        assert local_name(self.asks("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")) == "proceed"
        self._socket = tls.wrap_socket(self._socket, server_hostname=self._domain)
        return self.open()

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def reads(self, amount: int) -> bytes:
        """Just so many bytes of what comes next, and not more."""
        data = b""
        while len(data) < amount:
            more: bytes = self._socket.recv(amount - len(data))
            assert more, data
            data += more
        return data

    def asks(self, text: str) -> etree._Element:
        """Send an element; returns the next one that comes."""
        self.send(text)
        return next(self._elements)

    def asks_iq(self, payload: str, type: str = "set") -> str:
        """Send a request; returns "result", or the condition of the error."""
        answer = self.asks(f"<iq type='{type}' id='{next(self._ids)}'>{payload}</iq>")
        return "result" if answer.get("type") == "result" else local_name(answer[0][0])

    def receives(self) -> etree._Element:
        """The next element that comes."""
        return next(self._elements)

    def last_words(self) -> list[str]:
        """What the server still says until it closes the stream: the conditions of errors, or tags."""
        return [local_name(element[0] if len(element) else element) for element in self._elements]

    # -- logging in

    def begins(self, mechanism: str, data: bytes | None = None) -> etree._Element:
        """Send <auth/>."""
        content = "" if data is None else b64encode(data).decode() or "="
        return self.asks(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{content}</auth>")

    def responds(self, data: bytes) -> etree._Element:
        return self.asks(f"<response xmlns='{SASL}'>{b64encode(data).decode()}</response>")

    def tries_password(self, name: str, password: str) -> str:
        """One attempt with PLAIN; returns "success", or the condition of the failure."""
        return outcome(self.begins("PLAIN", f"\0{name}\0{password}".encode()))

    def tries_scram(self, mechanism: str, name: str, password: str) -> str:
        client = ScramClient([mechanism], name, password)
        challenge = self.begins(mechanism, client.get_client_first().encode())
        client.set_server_first(b64decode(challenge.text or "").decode())
        success = self.responds(client.get_client_final().encode())
        if outcome(success) == "success":
            client.set_server_final(b64decode(success.text or "").decode())  # raises if the server does not know it
        return outcome(success)

    def logs_in(self, name: str = "juliet", password: str = "secret") -> etree._Element:
        """Open, log in, open anew; returns the features."""
        self.open()
        assert self.tries_password(name, password) == "success"
        return self.open()

    def binds(self, resource: str = "") -> str:
        """Ask for this resource, or for any; returns the full address, or the condition of the error."""
        wanted = f"<resource>{resource}</resource>" if resource else ""
        answer = self.asks(f"<iq type='set' id='bind'><bind xmlns='{BIND}'>{wanted}</bind></iq>")
        return answer.findtext(f".//{{{BIND}}}jid") or local_name(answer[0][0])

    # -- the end

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> Iterator[etree._Element]:
        return itertools.islice(elements_of(self._socket), 1, None)  # without the header


def elements_of(sock: socket.socket) -> Iterator[etree._Element]:
    """What comes in a stream: its header, as an element whose content is still to come; then the elements in it."""
    parser = etree.XMLPullParser(("start", "end"))
    depth = 0
    while data := sock.recv(65536):
        parser.feed(data)
        for event, element in parser.read_events():
            assert isinstance(element, etree._Element)
            depth += 1 if event == "start" else -1
            if depth == 1:
                yield element


def outcome(element: etree._Element) -> str:
    """What an attempt came to: the condition of a failure, or the name of the element."""
    return local_name(element[0] if local_name(element) == "failure" else element)


def local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]
