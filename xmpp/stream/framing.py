"""How a stream is written on the wire for a kind of peer: what opens it, what closes it, and what reads it.

Inside the server everything is jabber:client (xmpp/data/wire.py). Other kinds of peers, and WebSocket, differ only at
the edge, by a framing of their own.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import quoted
from xmpp.stream.xml.nameguard import ProcessNames
from xmpp.stream.xml.xmlfeed import XMLFeed, XMLLimits

LANGUAGE = "en"  # of our error texts


class Opening(NamedTuple):
    """What our stream header says. `peer`: the `to` of it, if the peer has said who it is."""

    id: str
    host: str
    peer: str | None


class Reader(Protocol):
    """What is read of one stream."""

    @property
    def content(self) -> bytes | None:
        """The bytes between the tags of the element that was read last, as XMLFeed has them."""

    def read(self, data: bytes) -> Iterator[Any]:
        """Yield what these bytes complete: a StreamHeader first, then elements, then StreamEnd. Raises StreamError."""

    def widen(self, limits: XMLLimits) -> None:
        """Let these limits hold from now on: the peer has shown who it is, and the stream goes on."""


class Framing(Protocol):
    """What a connection needs to know of a kind of peer."""

    def opening(self, opening: Opening) -> bytes:
        """Our stream header."""

    def features(self, features: Iterable[bytes]) -> bytes:
        """The <stream:features/> with these children, as `wire` writes them."""

    def ending(self, opening: bytes, error: StreamError | None) -> bytes:
        """Our last words: `opening`, which is empty if it has been sent, then the error, if there is one, and what
        closes the stream."""

    def reader(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> Reader:
        """A reader for one stream, from its header on. A stream that begins anew takes another one."""


class ClientFraming:
    """A client over TCP (RFC 6120 section 4.2). `namespace` is that of the stream's content."""

    namespace = names.CLIENT

    def opening(self, opening: Opening) -> bytes:
        """The <stream:stream> tag."""
        to = f" to={quoted(opening.peer)}" if opening.peer else ""
        return (
            f"<?xml version='1.0'?><stream:stream xmlns='{self.namespace}' xmlns:stream='{names.STREAM}'"
            f" id='{opening.id}' from={quoted(opening.host)}{to} version='1.0' xml:lang='{LANGUAGE}'>"
        ).encode()

    def features(self, features: Iterable[bytes]) -> bytes:
        """The element with the prefix that our header declares."""
        return b"<stream:features>" + b"".join(features) + b"</stream:features>"

    def ending(self, opening: bytes, error: StreamError | None) -> bytes:
        """The same, with the closing tag."""
        return opening + (error.wire() if error else b"") + b"</stream:stream>"

    def reader(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> XMLFeed:
        """A reader of XML for one stream."""
        return XMLFeed(limits, process_names, tags, self.namespace)
