"""The stream of a component (XEP-0114): its handshake, and stanzas in the name of its domain and of nobody else."""

import hashlib
import hmac
import logging
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from lxml import etree

from xmpp.components.framing import ComponentFraming
from xmpp.components.unconfirmed import Left, Unconfirmed, Waiting
from xmpp.config.component_settings import home
from xmpp.data import names
from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.routing.components import COMPONENT_SENT
from xmpp.routing.delivery import Delivery
from xmpp.running.handling import Handled
from xmpp.stream import intake, limits
from xmpp.stream.connection import Connection
from xmpp.stream.framing import Opening
from xmpp.stream.negotiation import new_stream_id
from xmpp.stream.pace import Pace
from xmpp.stream.places import Place
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns
from xmpp.stream.xml.xmlfeed import StreamEnd, StreamHeader, XMLFeed

if TYPE_CHECKING:
    from xmpp.components.domain import ComponentDomain
    from xmpp.components.listener import ComponentListener

log = logging.getLogger(__name__)

HANDSHAKE = f"{{{names.CLIENT}}}handshake"  # the reader has put it into the namespace of clients
ERROR = f"{{{names.STREAM}}}error"
TAGS = names.STANZA_TAGS | {HANDSHAKE, ERROR}
PING = b"<ping xmlns='urn:xmpp:ping'/>"
ANSWER_SECONDS = 30.0  # a component that has never answered a ping by then is not asked any more


def handshake(stream_id: str, secret: str) -> str:
    """What shows that a component knows the secret (section 3)."""
    return hashlib.sha1((stream_id + secret).encode()).hexdigest()


class ComponentStream(Connection[SocketTransport]):
    """One connection of a component. `domain` is the one that it has asked for, and that is its own once it
    `is_attached`."""

    feed: XMLFeed
    framing: ComponentFraming

    def __init__(self, listener: "ComponentListener", transport: SocketTransport, peer: str, place: Place) -> None:
        server = listener.server
        self.framing = ComponentFraming()
        super().__init__(server, transport, listener.flusher, peer)
        self._listener = listener
        settings = listener.settings
        self._pace = Pace(settings.bytes_per_second, server.state(Turns))
        self._place = place
        self.domain: ComponentDomain | None = None
        self.is_attached = False
        self._id = new_stream_id()
        self._host = server.default_domain
        self._unconfirmed = Unconfirmed(settings.waiting_stanzas, settings.waiting_bytes)
        self._pinged: tuple[str, int, float] | None = None  # the id of the ping, what it confirms, when it was sent
        self._confirms: bool | None = None  # None: not known yet
        self._asking: gevent.Greenlet[[], None] | None = None
        self.feed = self.framing.reader(limits.before_login(server.stream_settings), listener.names, TAGS)
        self._deadline = gevent.get_hub().loop.timer(server.stream_settings.login_seconds)
        self._deadline.start(self._handshake_took_too_long)

    # -- what comes in

    def handle(self, event: Any) -> None:
        """Handle a stream header, a top-level element, or the end of the stream."""
        if event.__class__ is StreamHeader:
            self._open(event)
        elif event.__class__ is StreamEnd or event.tag == ERROR:
            self.close()
        elif event.tag == HANDSHAKE:
            self._shake_hands(event)
        elif not self.is_attached:
            raise StreamError("not-authorized", "a component begins with a handshake")
        else:
            self._receive(event)

    def _open(self, header: StreamHeader) -> None:
        try:
            self._check(header)
        finally:
            self.write(self.opening())

    def _check(self, header: StreamHeader) -> None:
        to = header.attributes.get("to")
        if to is None:
            raise StreamError("improper-addressing", "the stream header needs a `to`: the domain of the component")
        if header.default_namespace != names.COMPONENT:
            raise StreamError("invalid-namespace", f"the content namespace of components is {names.COMPONENT}")
        try:
            self.domain = self._listener.domains.get(JID.parse(to))
        except MalformedJID:
            raise StreamError("improper-addressing", "`to` is no address") from None
        if self.domain is None:
            raise StreamError("host-unknown", "no component is configured for that domain")
        self._host = self.domain.address.domain

    def _shake_hands(self, element: etree._Element) -> None:
        if self.domain is None or self.is_attached:
            raise StreamError("not-authorized", "no handshake is expected now")
        expected = handshake(self._id, self._listener.secret(self.domain))
        if not hmac.compare_digest((element.text or "").strip().encode(), expected.encode()):
            self._listener.refused(self.peer, f"it has another secret for the component {self._host}")
            raise StreamError("not-authorized", "this is not the secret of that component")
        self.domain.attach(self)

    def accept(self) -> None:
        """The handshake is right."""
        self.is_attached = True
        self._deadline.close()
        self._place.known()
        self.transport.trust()
        usual = limits.after_login(self.server.stream_settings)
        self.feed.widen(replace(usual, stanza_bytes=self._listener.settings.stanza_bytes))
        self.write(b"<handshake/>")

    def _receive(self, element: etree._Element) -> None:
        stanza = self._read_stanza(element)
        if stanza is not None and not self._is_answer_to_ping(stanza):
            intake.take(self.server, stanza, self._route)

    def _route(self, stanza: Stanza) -> None:
        assert self.domain is not None
        delivery = Delivery(self.server, self.domain.address, stanza)
        if self.server.tables.steps(COMPONENT_SENT).run(delivery):
            self.server.router.route(delivery.stanza)

    def _read_stanza(self, element: etree._Element) -> Stanza | None:
        """The stanza, which is of somebody at the component's domain; None if its addressee cannot be anybody. Raises
        StreamError (section 3, RFC 6120 section 4.9.3)."""
        sender, to = element.get("from"), element.get("to")
        if sender is None or to is None:
            raise StreamError("improper-addressing", "a component's stanza needs `from` and `to`")
        try:
            address = JID.parse(sender)
        except MalformedJID:
            raise StreamError("improper-addressing", "`from` is no address") from None
        if address.domain != self._host:
            raise StreamError("invalid-from", f"this component speaks for {self._host} alone")
        try:
            return Stanza.read(element, content=self.feed.content)
        except MalformedJID:
            self._refuse_address(element)
            return None

    def _refuse_address(self, element: etree._Element) -> None:
        if element.get("type") not in ("error", "result"):
            del element.attrib["to"]
            self.server.router.refuse(Stanza.read(element), StanzaError("jid-malformed"))

    # -- what goes out

    def pass_on(self, waiting: Waiting) -> None:
        """Write a stanza, and remember it until the component is known to have read it. Does not yield."""
        self.write(waiting.stanza.wire())
        self._unconfirmed.add(waiting)
        seconds = self._listener.settings.confirm_seconds
        if self._asking is None and seconds and self._confirms is not False:
            self._asking = gevent.spawn_later(seconds, self._ask)

    def left(self) -> Left:
        """What the component may not have read, now that the connection has ended."""
        left = self._unconfirmed.left(self._outbox.lost or self._outbox.size)
        is_asked = self._listener.settings.confirm_seconds and self._confirms is not False
        return left if is_asked else Left([], left.unsent)

    def _ask(self) -> None:
        """Ask the component whether it has read what was written so far."""
        self._asking = None
        with Handled():
            if self.is_closing or not self._unconfirmed:
                return
            if self._pinged is None:
                self._pinged = random_id(), self._unconfirmed.mark, monotonic()
                self._ping(self._pinged[0])
            elif self._confirms is None and monotonic() - self._pinged[2] > ANSWER_SECONDS:
                log.info("component %s answers no pings, so it is not known what it has read", self._host)
                self._confirms = False
                return
        self._asking = gevent.spawn_later(self._listener.settings.confirm_seconds or 1, self._ask)

    def _ping(self, id: str) -> None:
        sender = JID.parse(home(self._host, self.server.domains) or self.server.default_domain)
        self.write(Stanza.build("iq", PING, type="get", id=id, to=JID.parse(self._host), sender=sender).wire())

    def _is_answer_to_ping(self, stanza: Stanza) -> bool:
        """True for the answer to our ping, be it an error: all that was written before it has been read."""
        if self._pinged is None or stanza.id != self._pinged[0] or stanza.type not in ("result", "error"):
            return False
        self._unconfirmed.confirm(self._pinged[1])
        self._pinged, self._confirms = None, True
        return True

    # -- closing

    def header(self) -> Opening:
        """What our stream header says."""
        return Opening(self._id, self._host, None)

    def closed(self, *, is_lost: bool) -> None:
        """The component is away from now on."""
        self._deadline.close()
        if self._asking is not None:
            self._asking.kill(block=False)
        self._place.linger(self.transport.close)
        if self.is_attached and self.domain is not None:
            self.domain.detach(self, is_lost=is_lost)

    def _handshake_took_too_long(self) -> None:
        self.close(StreamError("connection-timeout", "the handshake took too long"))
