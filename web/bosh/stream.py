"""A client's stream that BOSH carries (XEP-0206): what begins, restarts and ends it stands in attributes of bodies."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from lxml import etree

from web.bosh.answers import END, SEPARATOR
from web.bosh.connection_manager import ConnectionManager
from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import standing_alone
from xmpp.server import Server
from xmpp.stream.client import ClientStream, Terms
from xmpp.stream.framing import Opening
from xmpp.stream.outbox import Flusher
from xmpp.stream.places import Place
from xmpp.stream.xml.bodyfeed import BodyFeed
from xmpp.stream.xml.nameguard import ProcessNames
from xmpp.stream.xml.xmlfeed import StreamEnd, StreamHeader, XMLLimits

# What XEP-0124 section 17.2 has a condition of its own for. All other errors are those of the stream.
OWN_CONDITIONS = ("host-gone", "host-unknown", "improper-addressing", "system-shutdown")


class BoshFraming:
    """The framing of one session."""

    __slots__ = ("_host", "_manager")

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager
        self._host: str | None = None  # that the client has named

    def opening(self, opening: Opening) -> bytes:
        """Nothing: it is said in attributes of the next answer."""
        self._manager.opened(opening.host, opening.id)
        return b""

    def features(self, features: Iterable[bytes]) -> bytes:
        """The element, whose prefix the body declares."""
        return b"<stream:features>%b</stream:features>" % b"".join(features)

    def ending(self, opening: bytes, error: StreamError | None) -> bytes:
        """What has the last answer say why it is the last."""
        if error is None:
            self._manager.ending = (None, b"")
        elif error.condition in OWN_CONDITIONS:
            self._manager.ending = (error.condition, b"")
        else:
            self._manager.ending = ("remote-stream-error", error.wire())
        return END + SEPARATOR

    def reader(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> "BodyReader":
        """A reader for one stream. Whatever comes before that has been opened, or opened anew, is refused."""
        return BodyReader(self, BodyFeed(limits, process_names, tags))

    # -- for the reader

    def read(self, feed: BodyFeed, is_open: bool) -> Iterator[StreamHeader | etree._Element | StreamEnd]:
        """Yield what the request that was read last says."""
        asked, body = self._manager.reading
        if asked.opens:
            yield self._header(body.attributes)
        if body.content and not asked.restarts:  # what stands in a restart is ignored
            if not (is_open or asked.opens):
                raise StreamError("policy-violation", "restart the stream first (XEP-0206 section 5)")
            yield from feed.read_body(body)
        if asked.ends:
            yield StreamEnd()

    def _header(self, attributes: dict[str, str]) -> StreamHeader:
        """The header that a stream over TCP would begin with. A restart need not name the host again."""
        self._host = attributes.get("to") or self._host
        said = {
            "to": self._host,
            "from": attributes.get("from"),
            "xml:lang": attributes.get("xml:lang"),
            "version": attributes.get("xmpp:version", "1.0"),
        }
        return StreamHeader({key: value for key, value in said.items() if value is not None}, {None: names.CLIENT})


class BodyReader:
    """Reads one stream, from the request that opens it on."""

    __slots__ = ("_feed", "_framing", "_is_open")

    def __init__(self, framing: BoshFraming, feed: BodyFeed) -> None:
        self._framing = framing
        self._feed = feed
        self._is_open = False

    @property
    def content(self) -> bytes | None:
        """As XMLFeed has it."""
        return self._feed.content

    def read(self, data: bytes) -> Iterator[Any]:
        """Yield what the request says whose content this is. Raises StreamError."""
        was_open, self._is_open = self._is_open, True
        return self._framing.read(self._feed, was_open)

    def widen(self, limits: XMLLimits) -> None:
        """As XMLFeed does it."""
        self._feed.widen(limits)


class BoshStream(ClientStream):
    """The stream of one session."""

    carrier = "bosh"

    def __init__(
        self,
        server: Server,
        terms: Terms,
        manager: ConnectionManager,
        flusher: Flusher,
        peer: str,
        place: Place,
        *,
        is_secure: bool,
    ) -> None:
        self._manager = manager
        framing = BoshFraming(manager)
        super().__init__(server, terms, manager, flusher, peer, place, is_secure=is_secure, framing=framing)
        manager.stream = self

    def write(self, data: bytes) -> None:
        """Enqueue an element, for a body of any answer."""
        if data:
            super().write(_in_body(data))

    def write_ahead(self, data: bytes) -> None:
        """Enqueue an element that may overtake what waits for the disk."""
        super().write_ahead(_in_body(data))

    @property
    def is_told(self) -> bool:
        """True if everything that was written has been answered, or nobody asks."""
        return super().is_told or not self._manager.has_requests


def _in_body(data: bytes) -> bytes:
    return (data if data.startswith(b"<stream:") else standing_alone(data)) + SEPARATOR
