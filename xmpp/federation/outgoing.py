"""A stream that we open to another server, up to what it offers: TLS, and its certificate (RFC 6120 section 5); and one
that asks about a key (XEP-0220)."""

import logging
from functools import cached_property
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StanzaError, StreamError
from xmpp.federation import dialback
from xmpp.federation import names as tags
from xmpp.federation.certificates import shown_names
from xmpp.federation.dialback import Pair
from xmpp.federation.failures import not_found, timeout, unnamed
from xmpp.federation.stream import ServerStream
from xmpp.stream.framing import Opening
from xmpp.stream.transport import SocketTransport
from xmpp.stream.xml.xmlfeed import StreamHeader

if TYPE_CHECKING:
    from xmpp.federation.dns.dialing import Dialled
    from xmpp.federation.federation import Federation

log = logging.getLogger(__name__)


class OutgoingStream(ServerStream):
    """A stream that we open, up to where the other server offers ways to show who we are.

    `failure`: why it came to nothing; None while nobody knows, and once it has come to something. `is_final`: to try
    another address of the domain would not help. `settled`: set as soon as it is known whether it comes to something.
    `has_tls`: TLS is on.
    """

    def __init__(self, federation: "Federation", pair: Pair, dialled: "Dialled") -> None:
        transport = SocketTransport(dialled.sock, federation.server.stream_settings.dead_peer_seconds)
        super().__init__(federation, transport, dialled.where)
        self.ours, self.theirs = self.pair = pair
        self.failure: StanzaError | None = None
        self.is_final = False
        self.settled = Event()
        self.id = ""  # which the other server has given the stream
        self._is_direct = dialled.is_direct
        self.has_tls = False
        self._has_features = False
        self._handlers |= {tags.FEATURES: self._features_came, tags.PROCEED: self._proceed,
                           tags.TLS_FAILURE: self._no_tls}  # fmt: skip

    def serve(self) -> None:
        """Open the stream, and read until it is closed. Yields."""
        try:
            if self._is_direct:
                self._shake_hands()
            self.write(self.opening())
        except OSError as error:
            self.fail(timeout(f"no encrypted connection: {error}"))
            self._linger()
            return
        super().serve()

    def header(self) -> Opening:
        """What our stream header says."""
        return Opening("", self.ours, self.theirs)

    def begun(self, header: StreamHeader) -> None:
        """The other server's header."""
        self.speaks(header)
        self.id = header.attributes.get("id", "")
        if header.default_namespace != names.SERVER:
            raise StreamError("invalid-namespace", f"the content namespace of servers is {names.SERVER}")
        if self.has_tls:
            self._check_certificate()
        if "version" not in header.attributes:  # it knows no features (RFC 6120 section 4.7.5)
            self._features_came(etree.Element(tags.FEATURES))

    def _features_came(self, features: etree._Element) -> None:
        """They come once after each header; what was agreed on is not begun again."""
        if self._has_features:
            raise StreamError("policy-violation", "features come once, after the stream header")
        self._has_features = True
        self.learn(features)
        if self.has_tls or self._federation.client_tls is None:
            self.secured(features)
        elif features.find(tags.STARTTLS) is not None:
            self.write(f"<starttls xmlns='{names.TLS}'/>".encode())
        elif self._federation.may_be_plain(self.theirs):
            self.secured(features)
        else:
            self.fail(timeout("its server offers no encryption"))

    def secured(self, features: etree._Element) -> None:
        """The other server has said what it offers, and who it is if that can be known."""
        raise NotImplementedError

    # -- TLS

    def _proceed(self, _: etree._Element) -> None:
        if self.has_tls or self._federation.client_tls is None:
            raise StreamError("policy-violation", "nobody asked for that")
        self.flush()
        try:
            self._shake_hands()
        except OSError as error:
            self.fail(timeout(f"no encrypted connection: {error}"))
            raise
        self.begin_anew()

    def _shake_hands(self) -> None:
        tls = self._federation.client_tls
        assert tls is not None
        with gevent.Timeout(self.settings.negotiation_seconds, TimeoutError("no handshake")):
            self.transport.start_tls_as_client(tls, self.ours, self.theirs, self._pace, is_direct=self._is_direct)
        self.has_tls = True

    def _no_tls(self, _: etree._Element) -> None:
        self.fail(timeout("its server refuses to encrypt"))

    def _check_certificate(self) -> None:
        rejected = self._federation.judge(self.transport.peer_chain, self.theirs)
        if rejected is None or self._federation.may_dial_back(self.theirs):
            return
        lines, text = self._federation.lines.unreachable, "%s: the certificate of %s was refused: %s"
        lines.say(log.info, text, self.peer, self.theirs, rejected)
        self.fail(timeout(rejected.sender_told), StreamError("not-authorized", rejected.told))

    def begin_anew(self) -> None:
        """Open the stream again, after TLS or SASL."""
        super().begin_anew()
        self._has_features = False
        self.write(self.opening())

    @cached_property
    def shown_names(self) -> frozenset[str] | None:
        """The names in the certificate that the other server has shown (`is_among_shown`)."""
        return shown_names(self.transport.peer_chain)

    # -- the end

    def _negotiation_took_too_long(self) -> None:
        """Say so to people here, who might be told otherwise that its server has closed the connection."""
        self.fail(timeout("its server does not answer"), StreamError("connection-timeout", "it took too long to agree"))

    def fail(self, failure: StanzaError, error: StreamError | None = None, *, is_final: bool = False) -> None:
        """Close the stream, which has come to nothing."""
        self.failure, self.is_final = failure, is_final
        self.close(error)

    def closed(self, *, is_lost: bool) -> None:
        """Nothing comes of it any more."""
        super().closed(is_lost=is_lost)
        self.settled.set()

    @property
    def reason(self) -> StanzaError:
        """Why it came to nothing, for whoever wanted to say something."""
        if self.failure is not None:
            return self.failure
        if self.told is not None and self.told.condition == "host-unknown":
            return not_found("its server does not know that domain")
        if self.told is not None:
            return timeout(f"its server closed the connection: {unnamed(str(self.told), self.theirs)}")
        return timeout("its server closed the connection")


class VerifyingStream(OutgoingStream):
    """A stream that asks the server of a domain whether a key that somebody has shown us is its own."""

    def __init__(self, federation: "Federation", pair: Pair, dialled: "Dialled", stream_id: str, key: str) -> None:
        super().__init__(federation, pair, dialled)
        self._asks_about, self._key = stream_id, key
        self.is_valid: bool | None = None
        self._handlers[tags.VERIFY] = self._answered

    def secured(self, features: etree._Element) -> None:
        """Ask."""
        self.write(dialback.written("verify", self.pair, id=self._asks_about, text=self._key))

    def _answered(self, verified: etree._Element) -> None:
        pair = Pair(verified.get("to") or "", verified.get("from") or "")
        if pair != self.pair or verified.get("id") != self._asks_about:
            return
        if verified.get("type") == "error":
            condition = unnamed(dialback.error_condition(verified), self.theirs)
            self.fail(timeout(f"the authoritative server: {condition}"), is_final=True)
            return
        self.is_valid = verified.get("type") == "valid"
        self.close()
