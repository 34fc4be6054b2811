"""A client whose bytes are written by hand, for all that no real client would send. Blocking."""

import itertools
import secrets
import socket
import ssl
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from typing import Self

from lxml import etree

from xmpp.data import names

PATIENCE = 60.0  # seconds; only a server that hangs takes that long
READ_BYTES = 65536
ERROR = f"{{{names.STREAM}}}error"
FEATURES = f"{{{names.STREAM}}}features"
SUCCESS = f"{{{names.SASL}}}success"
PROCEED = f"{{{names.TLS}}}proceed"
BOUND_ADDRESS = f"{{{names.BIND}}}bind/{{{names.BIND}}}jid"

Element = etree._Element


class StreamEnded(Exception):
    """The server has ended the stream, with an error of this condition, or without one."""

    def __init__(self, condition: str | None) -> None:
        super().__init__(condition or "without an error")
        self.condition = condition


class LoginFailed(Exception):
    """The server did not accept a login; the text is its condition."""


@dataclass
class Ending:
    """The rest of a stream, up to the end of the connection: what came, the error's condition, the closing tag."""

    elements: list[Element] = field(default_factory=list)
    condition: str | None = None
    has_closing_tag: bool = False


def anything_goes() -> ssl.SSLContext:
    """A TLS context that trusts every certificate: who the server is, is not what most tests are about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def stream_header(to: str = "localhost", **attributes: str) -> str:
    """The header that a client opens its stream with."""
    given = {"to": to, "version": "1.0", **attributes}
    written = "".join(f" {name}='{value}'" for name, value in given.items())
    return f"<stream:stream xmlns='{names.CLIENT}' xmlns:stream='{names.STREAM}'{written}>"


def condition_of(error: Element) -> str:
    """The condition in an error of a stream, a stanza, or SASL."""
    return str(etree.QName(error[0]).localname)


class RawClient:
    """One connection, from this address. `header` are the attributes of the server's last stream header."""

    def __init__(
        self, port: int, *, tls: ssl.SSLContext | None = None, domain: str = "localhost", source: str = "127.0.0.1"
    ) -> None:
        self.domain = domain
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.secure(tls)
        self.jid = ""
        self._ids = itertools.count(1)
        self._inbox: deque[Element] = deque()
        self._begin()

    def secure(self, context: ssl.SSLContext | None = None) -> None:
        """Shake hands for TLS."""
        self.socket = (context or anything_goes()).wrap_socket(self.socket, server_hostname=self.domain)

    def close(self) -> None:
        """Hang up without a word."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- bytes

    def send(self, data: str | bytes) -> None:
        """Write just that."""
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def receive(self) -> Element:
        """The next element. Raises StreamEnded where the stream ends instead."""
        while not self._inbox:
            if self._is_over or not self._read():
                raise StreamEnded(self._condition)
        return self._inbox.popleft()

    def ending(self) -> Ending:
        """Read to the end of the connection; what had not been received is in there."""
        while self._read():
            pass
        return Ending(self._taken(), self._condition, self._has_closing_tag)

    @property
    def _is_over(self) -> bool:
        return self._condition is not None or self._has_closing_tag

    def _begin(self) -> None:
        self.header: dict[str, str] | None = None
        self._parser: etree.XMLPullParser = etree.XMLPullParser(events=("start", "end"))
        self._depth = 0
        self._has_closing_tag = False
        self._inbox.clear()
        self._condition: str | None = None

    def _taken(self) -> list[Element]:
        elements = list(self._inbox)
        self._inbox.clear()
        return elements

    def _read(self) -> bool:
        """Read once; whether something came."""
        data = self.socket.recv(READ_BYTES)
        self._parser.feed(data)
        for event, element in self._parser.read_events():
            if event == "start":
                self._started(element)
            else:
                self._finished(element)
        return bool(data)

    def _started(self, element: Element) -> None:
        if self._depth == 0:
            self.header = {str(name): str(value) for name, value in element.attrib.items()}
        self._depth += 1

    def _finished(self, element: Element) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._has_closing_tag = True
        elif self._depth == 1 and element.tag == ERROR:
            self._condition = condition_of(element)
        elif self._depth == 1:
            self._inbox.append(element)

    # -- steps on the way to a session

    def open(self, **attributes: str) -> Element:
        """Open a stream, after another one too; returns the features."""
        self._begin()
        self.send("<?xml version='1.0'?>" + stream_header(self.domain, **attributes))
        features = self.receive()
        assert features.tag == FEATURES
        return features

    def start_tls(self, context: ssl.SSLContext | None = None) -> Element:
        """Open a stream, and another one over TLS; returns the features of the latter."""
        self.open()
        self.send(f"<starttls xmlns='{names.TLS}'/>")
        assert self.receive().tag == PROCEED
        self.secure(context)
        return self.open()

    def register(self, name: str, password: str) -> None:
        """Make an account (XEP-0077) on the stream that is open."""
        answer = self.ask(
            "set",
            f"<query xmlns='jabber:iq:register'><username>{name}</username><password>{password}</password></query>",
        )
        assert answer.get("type") == "result", etree.tostring(answer)

    def authenticate(self, name: str, password: str, authzid: str = "") -> Element:
        """Log in by PLAIN on the stream that is open; returns the features of the next one. Raises LoginFailed."""
        message = b64encode(f"{authzid}\0{name}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='{names.SASL}' mechanism='PLAIN'>{message}</auth>")
        answer = self.receive()
        if answer.tag != SUCCESS:
            raise LoginFailed(condition_of(answer))
        return self.open()

    def bind(self, resource: str = "") -> None:
        """Bind a resource, one of the server's choice if none is given."""
        wanted = f"<resource>{resource}</resource>" if resource else ""
        answer = self.ask("set", f"<bind xmlns='{names.BIND}'>{wanted}</bind>")
        self.jid = answer.findtext(BOUND_ADDRESS) or ""
        assert self.jid, etree.tostring(answer)

    # -- in a session

    def ask(self, type: str, payload: str, to: str = "") -> Element:
        """Send a request; returns its result or error. What comes before that can still be received."""
        id = f"q{next(self._ids)}"
        address = f" to='{to}'" if to else ""
        self.send(f"<iq type='{type}' id='{id}'{address}>{payload}</iq>")
        return self._answer(id)

    def comes_before_pong(self) -> list[Element]:
        """Ping; all that came before the answer, and so all that what was sent before has led to at this server."""
        self.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=self.domain)
        return self._taken()

    def _answer(self, id: str) -> Element:
        others: deque[Element] = deque()
        while (element := self.receive()).tag != names.IQ or element.get("id") != id:
            others.append(element)
        self._inbox.extendleft(reversed(others))
        return element


def new_account(port: int, name: str = "") -> tuple[str, str]:
    """Make an account on a demo; returns its name and its password."""
    name, password = name or f"someone-{secrets.token_hex(4)}", secrets.token_hex(8)
    with RawClient(port) as client:
        client.open()
        client.register(name, password)
    return name, password


def logged_in(port: int, name: str, password: str, resource: str = "", source: str = "127.0.0.1") -> RawClient:
    """A client with a session on a demo, without TLS."""
    client = RawClient(port, source=source)
    client.open()
    client.authenticate(name, password)
    client.bind(resource)
    return client


def somebody(port: int, resource: str = "") -> RawClient:
    """A client of a new account, with a session on a demo."""
    return logged_in(port, *new_account(port), resource)


def assert_ends(client: RawClient, condition: str) -> None:
    """The stream ends with this error, after a header of the server's and before the closing tag, and nothing else."""
    ending = client.ending()
    assert (ending.condition, ending.has_closing_tag) == (condition, True)
    assert client.header is not None
    assert not ending.elements
