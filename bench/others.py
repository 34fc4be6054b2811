"""Other servers, all played by this process: they take what they are sent, and answer on streams of their own. Whoever
calls himself anything is believed; their own certificate is good for all of them."""

import re
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

from gevent import socket, ssl
from gevent.event import Event

STREAM = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
TRIES = 3
SERVER_HEADER = (
    f"<stream:stream xmlns='jabber:server' xmlns:stream='{STREAM}' xmlns:db='jabber:server:dialback'"
    " from='{}' to='{}'{} version='1.0'>"
)
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'{}"
OFFERED = (
    f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
    "<dialback xmlns='urn:xmpp:features:dialback'/>"
)
SM = "<sm xmlns='urn:xmpp:sm:3'/>"
# What a server says to another one that matters here, each as a group of its own.
SAID = re.compile(
    r"<stream:stream[^>]*>|<starttls[^>]*>|<auth[^>]*>[^<]*</auth>|<db:(?:result|verify)[^>]*>[^<]*</db:\w+>"
    r"|<enable[^>]*>|<r [^>]*>|<message.*?</message>|<iq[^>]*>|</stream:stream>",
    re.DOTALL,
)


def name_of(number: int) -> str:
    """The domain of one of them."""
    return f"d{number}.test"


def until(sock: socket.socket, *ends: str) -> str:
    """What comes, up to one of these texts."""
    answer = ""
    while not any(end in answer for end in ends):
        data = sock.recv(65536)
        if not data:
            raise SystemExit(f"the stream has ended: {answer}")
        answer += data.decode()
    return answer


class Arrivals:
    """Who has been heard of, by name; `all` is set when that is everybody who is waited for."""

    def __init__(self) -> None:
        self._missing: set[str] = set()
        self.all = Event()

    def expect(self, names: Iterable[str]) -> None:
        self._missing = set(names)
        self.all.clear()

    def hear(self, name: str) -> None:
        self._missing.discard(name)
        if not self._missing:
            self.all.set()

    def wait(self, seconds: float) -> None:
        if not self.all.wait(seconds):
            raise SystemExit(f"nothing came of {len(self._missing)} domains, such as {min(self._missing)}")


class Others:
    """The other servers. `ours` is the domain of the one that is measured."""

    def __init__(self, certificate: Path, ours: str, arrivals: Arrivals) -> None:
        files = certificate / "fullchain.pem", certificate / "privkey.pem"
        self._ours, self._arrivals = ours, arrivals
        self._serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._dialling = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._dialling.check_hostname, self._dialling.verify_mode = False, ssl.CERT_NONE
        for context in (self._serving, self._dialling):
            context.load_cert_chain(*files)
        self._kept: list[socket.socket] = []  # what they have opened

    def serve(self, sock: socket.socket, _address: object) -> None:
        """A stream that the measured server has opened."""
        try:
            _Incoming(sock, self._serving, self._arrivals).serve()
        except OSError:
            pass  # it hung up

    def answer(self, number: int, port: int, to: str) -> None:
        """Open a stream to it, once more if that breaks, and send a message there."""
        for tries_left in reversed(range(TRIES)):
            try:
                self._answer(number, port, to)
                return
            except OSError:
                if not tries_left:
                    raise

    def _answer(self, number: int, port: int, to: str) -> None:
        """From an address of its own, as no server has many strangers from one."""
        name, address = name_of(number), f"127.0.{1 + number // 250}.{1 + number % 250}"
        sock = socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        header, end = SERVER_HEADER.format(name, self._ours, ""), "</stream:features>"
        self._ask(sock, header, end)
        self._ask(sock, STARTTLS.format("/>"), "<proceed")
        sock = self._dialling.wrap_socket(sock, server_hostname=self._ours)
        if "EXTERNAL" in self._ask(sock, header, end):
            secret = b64encode(name.encode()).decode()
            self._ask(sock, f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{secret}</auth>", "<success")
            self._ask(sock, header, end)
        else:
            key = f"<db:result from='{name}' to='{self._ours}'>key</db:result>"
            self._ask(sock, key, "type='valid'", 'type="valid"')
        sock.sendall(f"<message from='a@{name}' to='{to}' type='chat'><body>{name}</body></message>".encode())
        self._kept.append(sock)

    @staticmethod
    def _ask(sock: socket.socket, text: str, *ends: str) -> str:
        sock.sendall(text.encode())
        return until(sock, *ends)


class _Incoming:
    """A stream that the measured server has opened to one of the others."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, arrivals: Arrivals) -> None:
        self._sock, self._context, self._arrivals = sock, context, arrivals
        self._name = ""
        self._ours = ""
        self._has_tls = self._is_known = False
        self._count = 0

    def serve(self) -> None:
        data = ""
        while more := self._sock.recv(65536):
            data += more.decode()
            end = 0
            for said in SAID.finditer(data):
                self._take(said[0])
                end = said.end()
            data = data[end:]

    def _take(self, said: str) -> None:
        if said.startswith("<stream:stream"):
            self._open(said)
        elif said.startswith("<starttls"):
            self._send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            self._sock, self._has_tls = self._context.wrap_socket(self._sock, server_side=True), True
        elif said.startswith("<auth"):
            self._is_known = True
            self._send(f"<success xmlns='{SASL}'/>")
        elif said.startswith("<db:"):
            kind, id, asked, asking = said[4:10], *(_attribute(said, name) for name in ("id", "to", "from"))
            self._send(f"<db:{kind} from='{asked}' to='{asking}' id='{id}' type='valid'/>")
        elif said.startswith("<enable"):
            self._send("<enabled xmlns='urn:xmpp:sm:3'/>")
        elif said.startswith("<r "):
            self._send(f"<a xmlns='urn:xmpp:sm:3' h='{self._count}'/>")
        elif said.startswith("</"):
            self._send("</stream:stream>")
            self._sock.close()
        else:
            self._count += 1
            if said.startswith("<message"):
                self._arrivals.hear(_attribute(said, "to").partition("@")[2])

    def _open(self, header: str) -> None:
        name, ours = _attribute(header, "to"), _attribute(header, "from")
        features = STARTTLS.format("><required/></starttls>")
        if self._has_tls:
            features = SM if self._is_known else OFFERED + SM
        self._send(SERVER_HEADER.format(name, ours, " id='s1'") + f"<stream:features>{features}</stream:features>")

    def _send(self, text: str) -> None:
        self._sock.sendall(text.encode())


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf"\s{name}=['\"]([^'\"]*)", tag)
    return found[1] if found else ""
