"""What streams with other servers have in common, whoever has opened them: which pairs of domains may be spoken for,
stanzas in and out, and their acknowledgement (RFC 6120 section 8, XEP-0198)."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted
from xmpp.federation import names as tags
from xmpp.federation.confirmation import COUNTER, Confirmation
from xmpp.federation.dialback import Pair
from xmpp.federation.failures import MOST_WORDS, one_line
from xmpp.federation.framing import ServerFraming
from xmpp.federation.names import SM
from xmpp.routing.delivery import Delivery
from xmpp.routing.tables import CAME_FROM_ELSEWHERE
from xmpp.running.handling import handled
from xmpp.running.tickets import Ticket
from xmpp.stream import intake, limits
from xmpp.stream.connection import Connection
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
STANZA_OVERHEAD = 400  # bytes of memory that a stanza takes beside its own
MAX_BYTES = f"{{{limits.NAMESPACE}}}max-bytes"


class ServerStream(Connection):
    """A stream with another server.

    `theirs` is the domain that its server speaks for first, "" until it has said so; `ours` the one it speaks to.
    `hears`: the pairs in whose name it may send stanzas. `says`: those in whose name we may.
    """

    transport: SocketTransport
    feed: XMLFeed
    framing = ServerFraming()

    def __init__(self, federation: "Federation", transport: SocketTransport, peer: str) -> None:
        server = federation.server
        super().__init__(server, transport, federation.flusher, peer)
        self._federation = federation
        self._pace = Pace(self.settings.bytes_per_second, server.state(Turns))
        self.ours = self.theirs = ""
        self.hears: set[Pair] = set()
        self.says: set[Pair] = set()
        self.used_at = monotonic()
        self._network = ""  # where it comes from, if the other server has opened it
        self._unpaid = 0  # stanzas that the domain was not charged for yet
        self.told: StreamError | None = None  # why the other server closes it
        self._limits = limits.before_login(server.stream_settings)
        self._language: str | None = None
        self._received: int | None = None  # stanzas, since they are counted
        self._stored: Ticket | None = None  # of what was stored last
        self._confirmation = Confirmation()
        self._ping = ""  # the id of the last one
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

    @property
    def settings(self) -> Any:
        """The settings of federation."""
        return self._federation.settings

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
        if self._received is not None:
            self._received = (self._received + 1) % COUNTER
        if stanza is None or (stanza.kind == "iq" and self._federation.pings.take(stanza)):
            return
        intake.take(self.server, stanza, self._route)
        if own.ticket is not None:
            self._stored = own.ticket

    def _read_stanza(self, element: etree._Element) -> Stanza | None:
        """The stanza, whose sender its server may speak for; None if its addressee cannot be anybody. Raises
        StreamError (RFC 6120 sections 8.1.1.2 and 8.1.2.2)."""
        try:
            stanza = Stanza(element, content=self.feed.content)
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
        stanza = Stanza(element)
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
        if self._confirmation.add(stanza, len(data), self._outbox.size):
            self._ask()
        if self._confirmation.size > self.settings.unconfirmed_bytes:
            self.drop(BufferError(f"{self._confirmation.size} bytes are not confirmed"))

    def _ask(self) -> None:
        """Ask the other server what it has, or ping it."""
        if self._confirmation.is_counted:
            self.write(f"<r xmlns='{SM}'/>".encode())
            return
        ours, theirs = next(iter(self.says))
        self._ping = self._federation.pings.expect(self, JID.parse(theirs), JID.parse(ours))
        head = f"<iq type='get' id='{self._ping}' from={quoted(ours)} to={quoted(theirs)}>"
        self.write(f"{head}<ping xmlns='urn:xmpp:ping'/></iq>".encode())

    def ponged(self) -> None:
        """The other server has answered the ping."""
        self._confirmation.ponged()

    def look_after(self, now: float) -> None:
        """See to it that what was sent is confirmed, or that it goes back."""
        waits_since = self._confirmation.asked_at
        if waits_since is None:
            if self._confirmation.is_to_be_pinged(now):
                self._ask()
        elif now - waits_since > self.settings.answer_seconds:
            if self._confirmation.is_owed:
                self.drop(TimeoutError("the other server does not say what it has got"))
            else:
                self._confirmation.is_not_ponged(self._outbox.size)

    @property
    def waits_since(self) -> float | None:
        """Since when the other server owes an answer, on the monotonic clock; None if it owes none."""
        return self._confirmation.asked_at

    @property
    def confirms(self) -> bool:
        """True if the other server acknowledges what it has got."""
        return self._confirmation.is_counted

    @property
    def waiting(self) -> int:
        """How many stanzas may not have arrived."""
        return len(self._confirmation)

    @property
    def unconfirmed_bytes(self) -> int:
        """How much memory these take, about."""
        return self._confirmation.size + STANZA_OVERHEAD * len(self._confirmation)

    def unconfirmed(self) -> list[Stanza]:
        """What may not have arrived, once the stream has ended; nobody is told of it twice."""
        return self._confirmation.left(self._outbox.lost or self._outbox.size)

    # -- acknowledgements (XEP-0198)

    def _enable(self, element: etree._Element) -> None:
        if not self.hears or self._received is not None:
            self.write(f"<failed xmlns='{SM}'/>".encode())
            return
        self.write(f"<enabled xmlns='{SM}'/>".encode())
        self.enabled()

    def enabled(self) -> None:
        """Both servers count what they get from now on."""
        self._received = 0
        self._confirmation.count()

    def _say_what_has_come(self, _: etree._Element) -> None:
        """It has come when it is on the disk, or its sender has been told that it could not be stored."""
        if self._received is None:
            raise StreamError("undefined-condition", "acknowledgements were not enabled")
        if self._stored is not None and self._stored.is_open:
            self._stored.when_closed(partial(self._outbox.add_ahead, self._what_has_come()))
        else:
            self.write_ahead(self._what_has_come())

    def _what_has_come(self) -> bytes:
        return f"<a xmlns='{SM}' h='{self._received}'/>".encode()

    def _confirmed(self, element: etree._Element) -> None:
        if not self._confirmation.is_counted:
            raise StreamError("undefined-condition", "acknowledgements were not enabled")
        if self._confirmation.answered(element.get("h")):
            self.write(f"<r xmlns='{SM}'/>".encode())

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
        self._limits = _limits(self.settings.stanza_bytes, self.server.stream_settings)
        self.feed.widen(self._limits)
        self.transport.trust()

    def learn(self, features: etree._Element) -> None:
        """Note what the other server announces of its limits (XEP-0478)."""
        text = features.findtext(f"{LIMITS}/{MAX_BYTES}", "").strip()
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
        log.info("%s: %s closes the stream: %s", self.peer, self.theirs or "the server there", self.told)
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
            log.info("%s: the connection with %s was %s", self.peer, self.theirs or "the server there", how)

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
    """A stream feature."""
    element = etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace})
    for child in children:
        etree.SubElement(element, f"{{{namespace}}}{child}")
    return element


def _limits(stanza_bytes: int, settings: Any) -> XMLLimits:
    return replace(limits.after_login(settings), stanza_bytes=stanza_bytes)


def _stream_error(condition: str, text: str | None) -> StreamError:
    try:
        return StreamError(condition, text)
    except AssertionError:
        return StreamError("undefined-condition", text)
