"""A stream that we open to another server: TLS, its certificate, and how we show who we are (RFC 6120 sections 5 and 6,
XEP-0178, XEP-0220, XEP-0288)."""

import logging
from base64 import b64encode
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StanzaError, StreamError
from xmpp.federation import dialback
from xmpp.federation import names as tags
from xmpp.federation.dialback import Pair
from xmpp.federation.failures import not_found, not_us, timeout, unnamed
from xmpp.federation.stream import ServerStream
from xmpp.stream.framing import Opening
from xmpp.stream.transport import SocketTransport
from xmpp.stream.xml.xmlfeed import StreamHeader

if TYPE_CHECKING:
    from xmpp.federation.dns.dialing import Dialled
    from xmpp.federation.federation import Federation
    from xmpp.federation.link import Link

log = logging.getLogger(__name__)


class OutgoingStream(ServerStream):
    """A stream that we open, up to where the other server offers ways to show who we are.

    `failure`: why it came to nothing; None while nobody knows, and once it has come to something. `is_final`: to try
    another address of the domain would not help. `settled`: set as soon as it is known whether it comes to something.
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
        self._has_tls = False
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
        if self._has_tls:
            self._check_certificate()
        if "version" not in header.attributes:  # it knows no features (RFC 6120 section 4.7.5)
            self._features_came(etree.Element(tags.FEATURES))

    def _features_came(self, features: etree._Element) -> None:
        """They come once after each header; what was agreed on is not begun again."""
        if self._has_features:
            raise StreamError("policy-violation", "features come once, after the stream header")
        self._has_features = True
        self.learn(features)
        if self._has_tls or self._federation.client_tls is None:
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
        if self._has_tls or self._federation.client_tls is None:
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
        self._has_tls = True

    def _no_tls(self, _: etree._Element) -> None:
        self.fail(timeout("its server refuses to encrypt"))

    def _check_certificate(self) -> None:
        rejected = self._federation.judge(self.transport.peer_chain, self.theirs)
        if rejected is None or self._federation.may_dial_back(self.theirs):
            return
        log.info("%s: the certificate of %s was refused: %s", self.peer, self.theirs, rejected)
        self.fail(timeout(rejected.sender_told), StreamError("not-authorized", rejected.told))

    def begin_anew(self) -> None:
        """Open the stream again, after TLS or SASL."""
        super().begin_anew()
        self._has_features = False
        self.write(self.opening())

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


class LinkStream(OutgoingStream):
    """A stream for what people here send. `asked_for_both`: it was offered to carry what comes from there, too."""

    def __init__(self, federation: "Federation", link: "Link", dialled: "Dialled", *, asks_for_both: bool) -> None:
        super().__init__(federation, link.pair, dialled)
        self._link = link
        self._asks_for_both = asks_for_both
        self._is_asked = self._has_ignored = False
        self.asked_for_both = False
        self.is_open = False
        self._features: etree._Element | None = None
        self._is_external = False
        self._handlers |= {tags.SUCCESS: self._succeeded, tags.FAILURE: self._refused, tags.RESULT: self._answered,
                           tags.ENABLED: self._is_counted, tags.SM_FAILED: self._is_not_counted}  # fmt: skip

    def secured(self, features: etree._Element) -> None:
        """Show who we are, or begin: by our certificate if that is wanted, else by dialback."""
        self._features = features
        if self._is_external:
            self._open()
            return
        if self._asks_for_both and features.find(tags.BIDI_FEATURE) is not None:
            self.asked_for_both = True
            self.write(b"<bidi xmlns='urn:xmpp:bidi'/>")
        offered = {(each.text or "").strip() for each in features.iterfind(f"{tags.MECHANISMS}/{tags.MECHANISM}")}
        if "EXTERNAL" in offered:
            authzid = b64encode(self.ours.encode()).decode()
            self.write(f"<auth xmlns='{names.SASL}' mechanism='EXTERNAL'>{authzid}</auth>".encode())
        else:
            self._dial_back()

    def _dial_back(self) -> None:
        key = self._federation.own_key(self.pair, self.id)
        self._is_asked = True
        self.write(dialback.written("result", self.pair, text=key))

    def _succeeded(self, _: etree._Element) -> None:
        if self._is_asked or self.is_open:
            raise StreamError("policy-violation", "nobody asked for that")
        self._is_external = True
        self.begin_anew()

    def _refused(self, failure: etree._Element) -> None:
        """Our certificate was not good enough; a server that offers dialback may take that."""
        if self._features is not None and self._features.find(tags.DIALBACK_FEATURE) is not None:
            self._dial_back()
            return
        text = failure.findtext(f"{{{names.SASL}}}text", "")
        condition = next((str(child.tag).partition("}")[2] for child in failure), "")
        self.fail(timeout(f"its server does not accept ours: {unnamed(text or condition, self.theirs)}"))

    def _answered(self, result: etree._Element) -> None:
        """The answer to our dialback key; there is only one that we have sent on this stream."""
        pair = Pair(result.get("to") or "", result.get("from") or "")
        if not self._is_asked or pair != self.pair or self.is_open:
            if not self._has_ignored:  # once, or it could fill the log
                log.warning("%s: an answer of dialback that nobody asked for was ignored", self.peer)
            self._has_ignored = True
            return
        if result.get("type") == "valid":
            self._open()
        elif result.get("type") == "invalid":
            self.fail(not_us("its server found that ours is not ours"), is_final=True)
        else:
            condition = unnamed(dialback.error_condition(result), self.theirs)
            self.fail(timeout(f"its server does not accept ours: {condition}"), is_final=True)

    def _open(self) -> None:
        self.is_open = True
        self.failure = None
        self.agreed(self.pair, hears=self.asked_for_both, says=True)
        assert self._features is not None
        if self._features.find(tags.SM_FEATURE) is not None:
            self.write(f"<enable xmlns='{tags.SM}'/>".encode())
            self.enabled()
        self._features = None  # a parsed tree
        log.info("%s: ours sends to %s for %s", self.peer, self.theirs, self.ours)
        self.settled.set()
        self._link.opened(self)

    def _is_counted(self, _: etree._Element) -> None:
        if self._received is None:
            raise StreamError("policy-violation", "nobody asked for that")

    def _is_not_counted(self, _: etree._Element) -> None:
        self._received = None
        self._confirmation.stop()

    def closed(self, *, is_lost: bool) -> None:
        """Nothing can be said here any more."""
        super().closed(is_lost=is_lost)
        self._federation.gone(self)


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
