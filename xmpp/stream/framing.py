"""How a stream stands on the wire, for a kind of peer: what opens and ends it, and what reads it.

Inside the server everything is jabber:client (xmpp/data/wire.py). Other kinds of peers differ at the edge, and so does
WebSocket; each is a framing of its own.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol

from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import quoted, wire
from xmpp.stream.xml.nameguard import ProcessNames
from xmpp.stream.xml.xmlfeed import XMLFeed, XMLLimits

LANGUAGE = "en"  # of our error texts


class Opening(NamedTuple):
    """What our header says. `peer`: whom it is for, as far as they have said who they are."""

    id: str
    host: str
    peer: str | None


class Framing(Protocol):
    """What a connection needs to know of it."""

    def opening(self, opening: Opening) -> bytes:
        """Our header."""

    def features(self, features: Iterable[etree._Element]) -> bytes:
        """The <stream:features/> with these children."""

    def ending(self, error: StreamError | None) -> bytes:
        """Our last words: the error, if there is one, and the end."""

    def reader(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> XMLFeed:
        """What reads the peer's stream, from its header on."""


class ClientFraming:
    """A client over TCP (RFC 6120 section 4.2)."""

    def opening(self, opening: Opening) -> bytes:
        """The <stream:stream> tag."""
        to = f" to={quoted(opening.peer)}" if opening.peer else ""
        return (
            f"<?xml version='1.0'?><stream:stream xmlns='{names.CLIENT}' xmlns:stream='{names.STREAM}'"
            f" id='{opening.id}' from={quoted(opening.host)}{to} version='1.0' xml:lang='{LANGUAGE}'>"
        ).encode()

    def features(self, features: Iterable[etree._Element]) -> bytes:
        """As it is written inside an open stream."""
        return b"<stream:features>" + b"".join(map(wire, features)) + b"</stream:features>"

    def ending(self, error: StreamError | None) -> bytes:
        """As it is written inside an open stream."""
        return (error.wire() if error else b"") + b"</stream:stream>"

    def reader(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> XMLFeed:
        """For one stream: what begins anew takes another one."""
        return XMLFeed(limits, process_names, tags)
