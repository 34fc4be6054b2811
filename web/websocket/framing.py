"""How a client's stream is written over WebSocket (RFC 7395 section 3): messages, in place of a tag that stays open.

Each message is one whole element, which declares its namespaces itself. <open/> and <close/> stand for the tags of the
stream.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from lxml import etree

from web.websocket import frames
from web.websocket.frames import GOING_AWAY, NORMAL, FrameError, Frames
from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import quoted, standing_alone
from xmpp.stream.framing import LANGUAGE, Opening
from xmpp.stream.xml.elementfeed import ElementFeed
from xmpp.stream.xml.nameguard import ProcessNames
from xmpp.stream.xml.xmlfeed import StreamEnd, StreamHeader, XMLLimits

NAMESPACE = "urn:ietf:params:xml:ns:xmpp-framing"
OPEN, CLOSE = f"{{{NAMESPACE}}}open", f"{{{NAMESPACE}}}close"
FRAMING_TAGS = frozenset({OPEN, CLOSE})

_CLOSE = f'<close xmlns="{NAMESPACE}"/>'.encode()
_DECLARED = f" xmlns:stream='{names.STREAM}'".encode()


class Ping(NamedTuple):
    """The client asks whether we are there; the answer has the same content."""

    content: bytes


class Hangup(NamedTuple):
    """The client closes the connection, whatever becomes of the stream."""

    code: int


class WebSocketFraming:
    """The framing of one connection."""

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        self._frames = Frames(0)

    def opening(self, opening: Opening) -> bytes:
        """The <open/> element."""
        to = f" to={quoted(opening.peer)}" if opening.peer else ""
        return (
            f'<open xmlns="{NAMESPACE}" id="{opening.id}" from={quoted(opening.host)}{to} version="1.0"'
            f' xml:lang="{LANGUAGE}"/>'
        ).encode()

    def features(self, features: Iterable[bytes]) -> bytes:
        """The element, with the prefix that clients look for."""
        return b"<stream:features%b>%b</stream:features>" % (_DECLARED, b"".join(features))

    def ending(self, opening: bytes, error: StreamError | None) -> bytes:
        """The frames of these elements, and the one that closes the connection."""
        code = GOING_AWAY if error is not None and error.condition == "system-shutdown" else NORMAL
        if isinstance(error, FrameError):
            code = error.code
        return framed(opening) + framed(_written(error) if error else b"") + framed(_CLOSE) + frames.close(code)

    def reader(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> "MessageReader":
        """A reader for one stream; `tags` include FRAMING_TAGS."""
        self._frames.limit = limits.stanza_bytes
        return MessageReader(self._frames, ElementFeed(limits, process_names, tags))


class MessageReader:
    """Reads one stream, from its <open/> on, out of the frames of its connection.

    A stream that begins anew takes a new reader: messages that were sent too early are dropped, as over TCP.
    """

    __slots__ = ("_frames", "_feed", "_is_open")

    def __init__(self, frames: Frames, feed: ElementFeed) -> None:
        self._frames = frames
        self._feed = feed
        self._is_open = False

    @property
    def content(self) -> bytes | None:
        """As XMLFeed has it."""
        return self._feed.content

    def read(self, data: bytes) -> Iterator[StreamHeader | etree._Element | StreamEnd | Ping | Hangup]:
        """Yield what these bytes complete: a StreamHeader first, then elements, then StreamEnd; and what concerns the
        connection. Raises StreamError. Of several pings the last one is answered (RFC 6455 section 5.5.3)."""
        frames = self._frames
        for element in self._feed.read_each(frames.take(data)):
            yield element if self._is_open and element.tag not in FRAMING_TAGS else self._framing(element)
        if frames.refusal is not None:
            raise frames.refusal
        if frames.closing is not None:
            yield Hangup(frames.closing)
        elif frames.ping is not None:
            ping, frames.ping = frames.ping, None
            yield Ping(ping)

    def widen(self, limits: XMLLimits) -> None:
        """As XMLFeed does it."""
        self._frames.limit = limits.stanza_bytes
        self._feed.widen(limits)

    def _framing(self, element: etree._Element) -> StreamHeader | StreamEnd:
        if element.tag == CLOSE:
            return StreamEnd()
        if element.tag != OPEN:
            raise StreamError("bad-format", f"a stream begins with <open/> in {NAMESPACE}")
        if self._is_open:
            raise StreamError("unsupported-stanza-type", "this stream is open")
        self._is_open = True
        # Its content namespace is that of clients (RFC 7395 section 3.3.2).
        attributes = {str(key).replace(f"{{{names.XML}}}", "xml:"): str(value) for key, value in element.items()}
        return StreamHeader(attributes, {None: names.CLIENT})


def framed(element: bytes) -> bytes:
    """The frame of an element as `wire` writes it; nothing for nothing."""
    return frames.text(standing_alone(element)) if element else b""


def _written(error: StreamError) -> bytes:
    return b"<stream:error%b%b" % (_DECLARED, error.wire().removeprefix(b"<stream:error"))
