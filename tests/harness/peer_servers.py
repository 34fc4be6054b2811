"""Another server, played by the test: what it says to ours word by word, over loopback sockets."""

from collections.abc import Iterator
from typing import Self

from gevent import socket, ssl
from gevent.queue import Queue
from gevent.server import StreamServer
from lxml import etree

from tests.harness.federated import LOOPBACK, PATIENCE, server_port
from tests.harness.streams import elements_of, listener_of, local_name
from xmpp.server import Server
from xmpp.stream.listen_settings import PORTS

HEADER = (
    "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    " xmlns:db='jabber:server:dialback' version='1.0'{}>"
)
FEATURES = "<stream:features>{}</stream:features>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"
BIDI = "<bidi xmlns='urn:xmpp:features:bidi'/>"


class PeerStream:
    """The other server's side of a stream. `header` is what ours said in its header, `id` the id of the stream."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._socket.settimeout(PATIENCE)
        self._elements: Iterator[etree._Element] = iter(())
        self.header: dict[str, str] = {}

    @classmethod
    def to(cls, server: Server) -> Self:
        """A connection to the port for servers."""
        return cls(socket.create_connection((LOOPBACK, server_port(server)), PATIENCE))

    @classmethod
    def by_tls(cls, server: Server, tls: ssl.SSLContext, before: str = "") -> Self:
        """A connection to the port where TLS comes first; `before`: what is sent ahead of that."""
        sock = socket.create_connection((LOOPBACK, listener_of(server).ports[PORTS["server_tls_port"]]), PATIENCE)
        sock.sendall(before.encode())
        return cls(tls.wrap_socket(sock, server_hostname=server.default_domain))

    def opens(self, to: str = "a.example", sender: str = "c.example", more: str = "") -> etree._Element:
        """Begin a stream; returns the features, or the error."""
        domains = f" to='{to}'" + (f" from='{sender}'" if sender else "")
        self.send(HEADER.format(domains + more))
        self._hears_header()
        return self.next()

    def answers(self, features: str = DIALBACK, id: str = "s1", more: str = "") -> None:
        """Answer a stream that ours has begun."""
        self._hears_header()
        self.send(HEADER.format(f" id='{id}'{more}") + FEATURES.format(features))

    def _hears_header(self) -> None:
        """Wait for the header of ours."""
        self._elements = elements_of(self._socket)
        self.header = dict(next(self._elements).items())

    @property
    def id(self) -> str:
        return self.header.get("id", "")

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def next(self) -> etree._Element:
        """The next element that ours sends."""
        return next(self._elements)

    def asks(self, text: str) -> etree._Element:
        self.send(text)
        return self.next()

    def last_words(self) -> list[str]:
        """What ours still says until it closes the stream: the conditions of errors, or tags."""
        return [local_name(each[0] if local_name(each) == "error" else each) for each in self._elements]

    def hangs_up(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hangs_up()


def condition_of(element: etree._Element) -> str:
    """The condition of a stream error."""
    assert element.tag == "{http://etherx.jabber.org/streams}error"
    return str(element[0].tag).rpartition("}")[2]


class PeerServer:
    """Another server that ours dials; `port` is where it listens. The connections wait until the test takes them."""

    def __init__(self) -> None:
        self._came: Queue[socket.socket] = Queue()
        self._server = StreamServer((LOOPBACK, 0), lambda sock, _: self._take(sock))

    def _take(self, sock: socket.socket) -> None:
        self._came.put(sock.dup())

    @property
    def port(self) -> int:
        return int(self._server.address[1])

    def accepts(self) -> PeerStream:
        """The next connection that ours has made."""
        return PeerStream(self._came.get(timeout=PATIENCE))

    @property
    def has_another(self) -> bool:
        """True if ours has made a connection that was not taken."""
        return not self._came.empty()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


KEY = "<db:result from='{}' to='{}'>some key</db:result>"


def agree(
    peer: PeerStream, authority: PeerServer, theirs: str = "c.example", ours: str = "a.example", *, both: bool = False
) -> None:
    """Show by dialback that the stream is of this domain; `both`: ours answers on it, too. `authority` is the server
    that is dialled for the domain."""
    peer.opens(ours, theirs)
    if both:
        peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
    peer.send(KEY.format(theirs, ours))
    with authority.accepts() as asked:
        asked.answers()
        asked.next()
        asked.send(f"<db:verify from='{theirs}' to='{ours}' id='{peer.id}' type='valid'/>")
        assert peer.next().get("type") == "valid"
