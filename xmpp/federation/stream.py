"""What streams with other servers have in common, whoever has opened them: which pairs of domains may be spoken for,
and stanzas in and out (RFC 6120 section 8)."""

import logging
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.federation import names as tags
from xmpp.federation.acknowledged import AcknowledgedStream
from xmpp.federation.dialback import Pair
from xmpp.federation.failures import MOST_WORDS, one_line
from xmpp.federation.framing import ServerFraming
from xmpp.routing.delivery import Delivery
from xmpp.routing.tables import CAME_FROM_ELSEWHERE
from xmpp.running.handling import handled
from xmpp.stream import intake, limits
from xmpp.stream.framing import LANGUAGE
from xmpp.stream.pace import Pace
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns
from xmpp.stream.xml.nameguard import XMLLimits
from xmpp.stream.xml.xmlfeed import StreamEnd, StreamHeader, XMLFeed

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation

log = logging.getLogger(__name__)

LIMITS = f"{{{limits.NAMESPACE}}}limits"
MAX_BYTES = f"{{{limits.NAMESPACE}}}max-bytes"


class ServerStream(AcknowledgedStream):
    """A stream with another server.

    `theirs` is the domain that its server speaks for first, "" until it has said so; `ours` the one it speaks to.
    """

    feed: XMLFeed
    framing: ServerFraming

    def __init__(self, federation: "Federation", transport: SocketTransport, peer: str) -> None:
        server = federation.server
        self.framing = ServerFraming()
        super().__init__(federation, transport, peer)
        self._pace = Pace(self.settings.bytes_per_second, server.state(Turns))
        self.ours = self.theirs = ""
        self._network = ""  # where it comes from, if the other server has opened it
        self._unpaid = 0  # stanzas that the domain was not charged for yet
        self.told: StreamError | None = None  # why the other server closes it
        self._limits = limits.before_login(server.stream_settings)
        self._language: str | None = None
        self._their_limit: int | None = None
        self.feed = self._new_feed()
        self._deadline = gevent.get_hub().loop.timer(self.settings.negotiation_seconds)
        self._deadline.start(self._negotiation_took_too_long)
        self._handlers: dict[str, Callable[[etree._Element], None]] = {
            tags.ENABLE: self._enable,
            tags.REQUEST: self._say_what_has_come,
            tags.ANSWER: self._confirmed,
            tags.ERROR: self._told_why,
        }

    # -- what comes in

    def _take(self, data: bytes) -> None:
        """Handle what was read, and read no more while the domain, or the network, has had too much. Yields."""
        super()._take(data)
        domain, stanzas, self._unpaid = self.theirs if self.hears else "", self._unpaid, 0
        late = self._federation.allowances.pay(self.settings, domain, self._network, len(data), stanzas)
        if late and not self.is_closing:
            gevent.sleep(late)

    def handle(self, event: Any) -> None:
        """Handle a stream header, a top-level element, or the end of the stream."""
        if event.__class__ is StreamHeader:
            self.begun(event)
        elif event.__class__ is StreamEnd:
            self.close()
        elif event.tag in names.STANZA_TAGS:
            self._receive(event)
        else:
            handler = self._handlers.get(str(event.tag))
            if handler is None:
                raise StreamError("unsupported-stanza-type", f"no {event.tag} now")
            handler(event)

    def begun(self, header: StreamHeader) -> None:
        """The other server's header has come. Raises StreamError."""
        raise NotImplementedError

    def _receive(self, element: etree._Element) -> None:
        self.used_at = monotonic()
        self._unpaid += 1
        own = handled()
        stanza = self._read_stanza(element)
        self._came()
        if stanza is None or (stanza.kind == "iq" and self._federation.pings.take(stanza)):
            return
        intake.take(self.server, stanza, self._route)
        if own.ticket is not None:
            self._stored = own.ticket

    def _read_stanza(self, element: etree._Element) -> Stanza | None:
        """The stanza, whose sender its server may speak for; None if its addressee cannot be anybody. Raises
        StreamError (RFC 6120 sections 8.1.1.2 and 8.1.2.2)."""
        try:
            stanza = Stanza.read(element, content=self.feed.content)
        except MalformedJID:
            self._refuse_address(element)
            return None
        sender, to = stanza.sender, stanza.to
        if sender is None or to is None:
            raise StreamError("improper-addressing", "a stanza between servers needs `from` and `to`")
        if (to.domain, sender.domain) not in self.hears:
            raise StreamError("invalid-from", f"not known as {sender.domain} to {to.domain} here")
        return stanza

    def _refuse_address(self, element: etree._Element) -> None:
        """Tell the sender that there cannot be such an addressee. Raises StreamError if it is the sender that is none,
        or is not the other server's."""
        if element.get("from") is None or element.get("to") is None:
            raise StreamError("improper-addressing", "a stanza between servers needs `from` and `to`")
        try:
            sender = JID.parse(element.get("from", ""))
        except MalformedJID:
            raise StreamError("improper-addressing", "`from` is no address") from None
        if not any(pair.theirs == sender.domain for pair in self.hears):
            raise StreamError("invalid-from", f"not known as {sender.domain} here")
        if element.get("type") in ("error", "result"):
            return
        del element.attrib["to"]
        stanza = Stanza.read(element)
        stanza.to = JID.parse(self.ours)
        self.server.router.refuse(stanza, StanzaError("jid-malformed"))

    def _route(self, stanza: Stanza) -> None:
        if self._language is not None:
            stanza.speak(self._language)
        assert stanza.to is not None
        delivery = Delivery(self.server, stanza.to.bare, stanza)
        if self.server.tables.steps(CAME_FROM_ELSEWHERE).run(delivery):
            self.server.router.route(delivery.stanza)

    # -- what goes out

    def pass_on(self, stanza: Stanza) -> None:
        """Send a stanza, which nothing else keeps in memory. Raises StanzaError if the other server would not take it.
        Does not yield."""
        data = stanza.wire()
        if self._their_limit is not None and len(data) > self._their_limit:
            raise StanzaError("policy-violation", f"its server takes no more than {self._their_limit} bytes")
        self.used_at = monotonic()
        self.write(data)
        self._sent(stanza, len(data))

    # -- negotiation

    def begin_anew(self) -> None:
        """The stream begins anew, after TLS or SASL."""
        self._header_is_sent = False
        self.feed = self._new_feed()

    def _new_feed(self) -> XMLFeed:
        return self.framing.reader(self._limits, self._federation.names, tags.TAGS)

    def agreed(self, pair: Pair, *, hears: bool, says: bool) -> None:
        """Stanzas may be exchanged for this pair: those of the other server, or ours, or both."""
        if hears:
            self.hears.add(pair)
        if says:
            self.says.add(pair)
        self._deadline.stop()
        self._limits = self._limits_for_stanzas()
        self.feed.widen(self._limits)
        self.transport.trust()

    def limits_announced(self) -> etree._Element:
        """What the other server may send (XEP-0478)."""
        return limits.feature(self._limits_for_stanzas())

    def _limits_for_stanzas(self) -> XMLLimits:
        """Those that hold once it is known who the other server is. They are announced before, since only SASL has
        features after it, and dialback has none."""
        return replace(limits.after_login(self.server.stream_settings), stanza_bytes=self.settings.stanza_bytes)

    def learn(self, announced: etree._Element) -> None:
        """Note what the other server announces of its limits (XEP-0478), in its features or in <bidi/>."""
        text = announced.findtext(f"{LIMITS}/{MAX_BYTES}", "").strip()
        if text.isascii() and text.isdecimal() and len(text) < 12:
            self._their_limit = int(text)

    def speaks(self, header: StreamHeader) -> None:
        """Note the language of the other server's stanzas."""
        language = header.attributes.get("xml:lang")
        self._language = language if language and language.lower() != LANGUAGE and len(language) < 36 else None

    def _told_why(self, element: etree._Element) -> None:
        """The other server says why it closes the stream."""
        condition, text = "undefined-condition", None
        for child in element:
            tag = str(child.tag)
            if tag == f"{{{names.STREAM_ERRORS}}}text":
                text = one_line((child.text or "")[:MOST_WORDS])
            elif tag.startswith(f"{{{names.STREAM_ERRORS}}}"):
                condition = tag.partition("}")[2]
        self.told = _stream_error(condition, text)
        self._tell("%s: %s closes the stream: %s", self.told)
        self.close()

    # -- closing

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream, with this error if there is one. The other server learns first what has come, or it would
        tell the senders that it may not have (XEP-0198 section 4). Never yields."""
        if error is not None and not self.is_closing and not self.server.is_stopping:
            self._note_end(f"closed: {error}")
        if self._received is not None and not self.is_closing:
            self._outbox.add(self._what_has_come(), self._stored)
        super().close(error)

    def drop(self, reason: Exception) -> None:
        """Drop the connection. Never yields."""
        if not self.is_closing and not isinstance(reason, self.server.storage_errors):  # these close it
            self._note_end(f"lost: {reason}")
        super().drop(reason)

    def _note_end(self, how: str) -> None:
        """Tell the administrator that stanzas may have been lost; of who never showed who he is nothing is said."""
        if self.hears or self.says:
            self._tell("%s: the connection with %s was %s", how)

    def _tell(self, text: str, how: object) -> None:
        """Tell the administrator something of the other server."""
        lines, is_known = self._federation.lines, self.hears or self.says
        limited = lines.of(self.theirs) if is_known else lines.strangers
        limited.say(log.info, text, self.peer, self.theirs or "the server there", how)

    def closed(self, *, is_lost: bool) -> None:
        """Nothing is agreed any more."""
        if is_lost and not self.is_closing and not self.server.is_stopping:
            self._note_end("lost")
        self._deadline.close()
        self._federation.pings.forget(self._ping)

    def _negotiation_took_too_long(self) -> None:
        self.close(StreamError("connection-timeout", "it took too long to agree"))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ours} {self.theirs} {self.peer}>"


def feature(namespace: str, name: str, *children: str) -> etree._Element:
    """A stream feature, or what answers one."""
    element = etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace})
    for child in children:
        etree.SubElement(element, f"{{{namespace}}}{child}")
    return element


def _stream_error(condition: str, text: str | None) -> StreamError:
    try:
        return StreamError(condition, text)
    except AssertionError:
        return StreamError("undefined-condition", text)
