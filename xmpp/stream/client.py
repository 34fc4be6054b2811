"""A client's stream: TLS, the features of each state, and what comes in handed to the feature that declared it."""

import logging
import ssl
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import gevent
from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.feature import STREAM, Registry, State
from xmpp.routing.iq_dispatch import dispatch
from xmpp.routing.session import Session
from xmpp.routing.streams import ClientCertificate, Negotiated
from xmpp.routing.tables import OFFERED
from xmpp.running.mypyc import mypyc_attr
from xmpp.stream import limits
from xmpp.stream.admission import Admission
from xmpp.stream.connection import Connection, Transport
from xmpp.stream.framing import ClientFraming, Framing, Opening, Reader
from xmpp.stream.negotiation import Negotiation
from xmpp.stream.outbox import Flusher
from xmpp.stream.pace import Pace
from xmpp.stream.places import Place
from xmpp.stream.tls.any_certificate import shown_chain
from xmpp.stream.tls.certificates import a_label
from xmpp.stream.tls.client_certificates import CertificateRefused
from xmpp.stream.tls.tls import ServerTLS
from xmpp.stream.xml.nameguard import ProcessNames
from xmpp.stream.xml.xmlfeed import StreamEnd, StreamHeader

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)

STARTTLS = f"{{{names.TLS}}}starttls"
OVER_TCP = ClientFraming()
BEFORE_LOGIN = (State.INSECURE, State.OPEN)


class Terms(NamedTuple):
    """What is the same for all streams of one listener."""

    tls: ServerTLS | None
    must_be_secure: bool
    """Clients have to use TLS."""
    names: ProcessNames
    tags: Collection[str]
    """The elements that may stand at the top level of a stream."""


def stream_tags(registry: Registry) -> frozenset[str]:
    """The elements that a server with these features accepts at the top level of a stream."""
    return names.STANZA_TAGS | registry.element_tags | {STARTTLS}


class ClientTransport(Transport, Protocol):
    """What carries a client's stream."""

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS layer of the connection; None if there is none, or it does not end here."""

    def start_tls(self, tls: ServerTLS, pace: Pace, *, asked_for: str = "") -> None:
        """Begin TLS in the middle of the connection, for the domain that the stream has `asked_for`. Yields. Raises
        OSError."""

    def trust(self) -> None:
        """The client has a session."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ClientStream(Connection[ClientTransport]):
    """One connection of a client: what features see of it before it has a session, and what carries its session later.

    `carrier` says what carries it. `place` is told when the client has a session, and when the stream only lingers.
    `identity` is that of the account that has logged in: its name may be somebody else's by the time a resource is
    bound. `exchange` belongs to the feature that negotiates over several elements, such as SASL; it is None between
    negotiations. `access`: what the feature that lets people in knows of that, for the session to keep. `invitation`:
    the one that the client has shown.
    """

    carrier = "tcp"

    def __init__(
        self,
        server: "Server",
        terms: Terms,
        transport: ClientTransport,
        flusher: Flusher,
        peer: str,
        place: Place,
        *,
        is_secure: bool = False,
        framing: Framing = OVER_TCP,
    ) -> None:
        """`is_secure`: nobody can listen even where the connection does not have TLS here."""
        self.framing = framing
        super().__init__(server, transport, flusher, peer)
        self._terms = terms
        self._pace.is_stranger(server.state(Admission), has_begun=transport.tls is not None)
        self._negotiation = Negotiation(
            server.domains, server.default_domain, terms.must_be_secure, is_secure or transport.tls is not None
        )
        self._limits = limits.before_login(server.stream_settings)
        self.feed = self._new_feed()
        self.session: Session | None = None
        self.identity: str | None = None
        self.access: object | None = None
        self.invitation: object | None = None
        self.exchange: Negotiated | None = None
        self._place = place
        # A timer of the loop, which takes less memory than a greenlet.
        self._login_deadline = gevent.get_hub().loop.timer(server.stream_settings.login_seconds)
        self._login_deadline.start(self._login_took_too_long)

    # -- what features ask

    @property
    def host(self) -> str:
        """The domain that the client connected to."""
        return self._negotiation.host

    @property
    def account(self) -> JID | None:
        """Who has logged in."""
        return self._negotiation.account

    @property
    def claimed(self) -> JID | None:
        """Who the client says it is, in its stream header."""
        return self._negotiation.claimed

    @property
    def state(self) -> State:
        """How far this stream has come."""
        return self._negotiation.state

    @property
    def its_session(self) -> Session:
        """The session, for callers that know that there is one."""
        assert self.session is not None
        return self.session

    @property
    def is_secure(self) -> bool:
        """True if nobody can listen: TLS is on, or the client is on this machine, or behind a proxy that is trusted."""
        return self._negotiation.is_secure

    @property
    def must_be_secure(self) -> bool:
        """True if clients have to use TLS here."""
        return self._terms.must_be_secure

    @property
    def tls_version(self) -> str:
        """Such as TLSv1.3; "" if there is no TLS, or it does not end here."""
        return (self.transport.tls.version() or "") if self.transport.tls is not None else ""

    def channel_bindings(self) -> dict[str, bytes]:
        """The channel bindings by type (RFC 5929), strongest first; empty without TLS. Worked out each time."""
        if self._terms.tls is None or self.transport.tls is None:
            return {}
        return self._terms.tls.channel_bindings(self.transport.tls)

    def client_certificate(self) -> ClientCertificate | None:
        """The certificate that the client has shown; None if there is none, or the domain does not ask for any. Looked
        at each time, which may take some milliseconds."""
        if self._terms.tls is None or self.transport.tls is None:
            return None
        authorities = self._terms.tls.client_authorities(self.host)
        chain = shown_chain(self.transport.tls) if authorities is not None else ()
        if authorities is None or not chain:
            return None
        try:
            verified = authorities.verify(chain)
        except CertificateRefused as error:
            return ClientCertificate((), error.reason, 0.0)
        return ClientCertificate(verified.addresses, "", verified.until)

    # -- what features do

    def send_element(self, element: etree._Element) -> None:
        """Enqueue an element that is no stanza."""
        self.write(wire(element))

    def send(self, stanza: Stanza) -> None:
        """Enqueue a stanza: the answer to a request made before binding."""
        self.write(stanza.wire())

    def authenticated(self, account: JID, identity: str, *, in_place: bool = False) -> None:
        """Say that this account has logged in; the client begins a new stream, with larger limits, or goes on with this
        one."""
        self._negotiation.authenticated(account, in_place=in_place)
        self.identity = identity
        self._limits = limits.after_login(self.server.stream_settings)
        if in_place:
            self.exchange = None
            self.feed.widen(self._limits)
        else:
            self._begin_anew()

    def send_features(self) -> None:
        """Enqueue what is offered now."""
        self.write(self.framing.features(self._features()))

    def bind(self, session: Session) -> None:
        """Make this the stream of a new session, which is online from now on."""
        self._has_session(session)
        self.server.online.add(session)

    def resume(self, session: Session) -> None:
        """Make this the stream of a session that goes on."""
        self._has_session(session)
        session.resume(self)

    def _has_session(self, session: Session) -> None:
        self._negotiation.bound()
        self._login_deadline.close()
        self._pace.is_stranger(None)
        self._place.known()
        self.transport.trust()
        self.session = session
        session.language = self._negotiation.language
        if self.access is not None:
            session.keep(self.access)

    # -- what comes in

    def handle(self, event: Any) -> None:
        """Handle a stream header, a top-level element, or the end of the stream."""
        if event.__class__ is StreamHeader:
            self._open(event)
        elif event.__class__ is StreamEnd:
            self._end_in_turn()
            self.close()
        elif self.session is not None and event.tag in names.STANZA_TAGS:
            self.session.handle(event, self.feed.content)
        elif self.exchange is not None and not self.exchange.allows(str(event.tag)):
            raise StreamError("policy-violation", "finish what is being negotiated first")
        elif event.tag in names.STANZA_TAGS:
            self._receive_unbound(event)
        else:
            self._receive_element(event)

    def _open(self, header: StreamHeader) -> None:
        try:
            self._negotiation.opened(header)
        finally:
            self.write(self.opening())
        self.send_features()

    def _features(self) -> list[bytes]:
        """What is offered in this state (RFC 6120 section 4.3.2), as it is written."""
        features = [wire(each) for each in self._offered()]
        for complete in self.server.tables[OFFERED]:
            complete(self, features)
        return features

    def _offered(self) -> "Iterator[etree._Element]":
        if self.state in BEFORE_LOGIN and self._can_start_tls:
            yield _starttls_feature(is_required=self.state is State.INSECURE)
        for provide in self.server.registry.stream_features[self.state]:
            feature = provide(self)
            if feature is not None:
                yield feature
        yield limits.feature(self._limits)

    def _receive_unbound(self, element: etree._Element) -> None:
        """Handle a stanza before there is a session: only an iq that features offer on the stream (RFC 6120 7.1)."""
        iq_offered = self.state is not State.INSECURE and element.tag == names.IQ and len(element) == 1
        if not iq_offered or (element.get("type"), element[0].tag, STREAM) not in self.server.registry.iqs:
            raise StreamError("not-authorized", "log in and bind a resource first")
        for attribute in ("from", "to"):  # they say nothing: the sender has no address yet, and this server is meant
            element.attrib.pop(attribute, None)
        dispatch(self.server, Stanza.read(element, origin=self), to=(STREAM,))

    def _receive_element(self, element: etree._Element) -> None:
        if element.tag == STARTTLS:
            self._start_tls()
            return
        tag = str(element.tag)
        handler = self.server.registry.elements.get((tag, self.state))
        if handler is None:
            condition = "unsupported-stanza-type" if self.account else "not-authorized"
            raise StreamError(condition, f"no {tag} now")
        handler(self.server, self, element)

    # -- TLS (RFC 6120 section 5)

    def _start_tls(self) -> None:
        tls = self._terms.tls
        if tls is None or not self._can_start_tls or self.state not in BEFORE_LOGIN:
            self.write(f"<failure xmlns='{names.TLS}'/>".encode())
            self.close()
            return
        self.write(f"<proceed xmlns='{names.TLS}'/>".encode())
        self.flush()
        # The deadline for logging in calls close(), which has no effect in the middle of a handshake.
        with gevent.Timeout(self.server.stream_settings.login_seconds, TimeoutError("no handshake")):
            self.transport.start_tls(tls, self._pace, asked_for=a_label(self.host))
        self._negotiation.secured()
        self._begin_anew()

    @property
    def _can_start_tls(self) -> bool:
        """True if the client may begin TLS within the stream, as it may over TCP alone."""
        return self._terms.tls is not None and not self.is_secure

    def _begin_anew(self) -> None:
        self.exchange = None  # whatever was being negotiated on the old stream is over
        self._header_is_sent = False
        self.feed = self._new_feed()

    def _new_feed(self) -> Reader:
        return self.framing.reader(self._limits, self._terms.names, self._terms.tags)

    # -- closing

    def header(self) -> Opening:
        """What our stream header says."""
        return self._negotiation.opening()

    def detach(self, error: StreamError) -> None:
        """Close this stream with this error; its session goes on with another stream."""
        self.session = None
        self.close(error)

    def closed(self, *, is_lost: bool) -> None:
        """End the session, or let it hibernate if the connection `is_lost`; nothing is being negotiated any more."""
        self._login_deadline.close()
        self._negotiation.closed()
        self._place.linger(self.transport.close)
        self.exchange = None
        session, self.session = self.session, None
        if session is not None:
            session.connection_lost() if is_lost else session.end()

    def _login_took_too_long(self) -> None:
        self.close(StreamError("connection-timeout", "logging in took too long"))


def _starttls_feature(is_required: bool) -> etree._Element:
    starttls = etree.Element(STARTTLS, nsmap={None: names.TLS})
    if is_required:
        etree.SubElement(starttls, f"{{{names.TLS}}}required")
    return starttls
