"""A stream that another server has opened: it shows who it is by its certificate (EXTERNAL, XEP-0178), or by dialback
(XEP-0220), for one pair of domains after the other."""

import logging
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

import gevent
from lxml import etree

from xmpp.data import names
from xmpp.data.errors import SASLFailure, StanzaError, StreamError
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.networks import network, unmapped
from xmpp.data.wire import wire
from xmpp.federation import dialback
from xmpp.federation import names as tags
from xmpp.federation.certificates import CertificateRejected
from xmpp.federation.dialback import Pair
from xmpp.federation.stream import ServerStream, feature
from xmpp.running.handling import Handled
from xmpp.stream.framing import Opening
from xmpp.stream.negotiation import check_version, new_stream_id
from xmpp.stream.places import Place
from xmpp.stream.transport import SocketTransport
from xmpp.stream.xml.xmlfeed import StreamHeader

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation

log = logging.getLogger(__name__)

LONGEST_KEY = 1_000  # characters; those that are recommended have 64


class IncomingStream(ServerStream):
    """A stream that another server has opened. `has_tls`: TLS is on, or ends at a proxy that is trusted."""

    def __init__(
        self, federation: "Federation", transport: SocketTransport, peer: str, place: Place, *, has_tls: bool
    ) -> None:
        super().__init__(federation, transport, str(unmapped(ip_address(peer))))
        self._place = place
        self._network = network(peer)
        self._has_tls = has_tls
        self._id = ""
        self._is_bidi = False
        self._verifying = 0
        self._judged: dict[str, CertificateRejected | None] = {}  # by domain, whether the certificate is good for it
        self._handlers |= {
            tags.STARTTLS: self._start_tls,
            tags.AUTH: self._authenticate,
            tags.BIDI: self._agree_on_bidi,
            tags.RESULT: self._take_key,
            tags.VERIFY: self._confirm_key,
        }

    # -- the header (RFC 6120 section 4.7)

    def begun(self, header: StreamHeader) -> None:
        """The other server's header: whom it wants to talk to, and mostly who it is. Raises StreamError."""
        self._id = new_stream_id()
        try:
            self._check(header)
        finally:
            self.write(self.opening())
        self.write(self.framing.features(map(wire, self._features())))
        if self.hears:
            self._federation.may_say(self, *self.says)

    def _check(self, header: StreamHeader) -> None:
        ours, theirs = _domain(header.attributes.get("to")), _domain(header.attributes.get("from"))
        if (self.ours and ours != self.ours) or (self.theirs and theirs != self.theirs):
            raise StreamError("policy-violation", "a stream that begins anew is between the same domains")
        if ours and self._federation.is_ours(ours):
            self.ours = ours
        if header.default_namespace != names.SERVER:
            raise StreamError("invalid-namespace", f"the content namespace of servers is {names.SERVER}")
        check_version(header.attributes.get("version"))
        self.speaks(header)
        if not self.ours:
            raise StreamError("host-unknown")
        if theirs:
            self._federation.check_who_asks(theirs)
        self.theirs = theirs
        if theirs and self._has_tls:
            self._refuse_bad_certificate()

    def _refuse_bad_certificate(self) -> None:
        """Say at once what is wrong: features without EXTERNAL would leave its administrator in the dark. A server that
        shows no certificate here may show one where it is dialled back."""
        rejected = self._judgement(self.theirs)
        if rejected is not None and self.transport.peer_chain and not self._federation.may_dial_back(self.theirs):
            lines, text = self._federation.lines.strangers, "%s: the certificate of %s was refused: %s"
            lines.say(log.info, text, self.peer, self.theirs, rejected)
            raise StreamError("not-authorized", rejected.told)

    def _features(self) -> Iterator[etree._Element]:
        if not self._has_tls and self._federation.tls is not None:
            if not self.theirs or not self._federation.may_be_plain(self.theirs):
                yield feature(names.TLS, "starttls", "required")
                return
            yield feature(names.TLS, "starttls")
        if not self.hears:
            if self._has_tls and self.theirs and self._judgement(self.theirs) is None:
                yield _mechanisms()
            yield feature(tags.BIDI_FEATURES, "bidi")
        yield feature(tags.DIALBACK_FEATURES, "dialback", "errors")
        yield feature(tags.SM, "sm")
        yield self.limits_announced()

    def header(self) -> Opening:
        """What our stream header says."""
        return Opening(self._id or new_stream_id(), self.ours or self.server.default_domain, self.theirs or None)

    # -- TLS

    def _start_tls(self, _: etree._Element) -> None:
        tls = self._federation.tls
        if tls is None or self._has_tls or self.hears:
            self.write(f"<failure xmlns='{names.TLS}'/>".encode())
            self.close()
            return
        self.write(f"<proceed xmlns='{names.TLS}'/>".encode())
        self.flush()
        with gevent.Timeout(self.settings.negotiation_seconds, TimeoutError("no handshake")):
            self.transport.start_tls(tls, self._pace, for_servers=True, asked_for=self.ours)
        self._has_tls = True
        self.begin_anew()

    def _judgement(self, domain: str) -> CertificateRejected | None:
        """Why the other server's certificate is not good for this domain; None if it is."""
        if domain not in self._judged and len(self._judged) < self.settings.pairs_per_stream:
            self._judged[domain] = self._federation.judge(self.transport.peer_chain, domain)
        return self._judged.get(domain, CertificateRejected("too many domains on one stream"))

    # -- EXTERNAL (XEP-0178 section 3)

    def _authenticate(self, element: etree._Element) -> None:
        try:
            self._check_external(element)
        except SASLFailure as failure:
            self.write(wire(failure.element()))
            self.close()
            return
        self.write(f"<success xmlns='{names.SASL}'/>".encode())
        self._agree(Pair(self.ours, self.theirs))
        self.begin_anew()  # nothing is to be said before

    def _check_external(self, element: etree._Element) -> None:
        if self.hears or not self._has_tls or not self.theirs:
            raise SASLFailure("not-authorized", "not now")
        if element.get("mechanism") != "EXTERNAL":
            raise SASLFailure("invalid-mechanism")
        authzid = _decoded(element.text or "")
        if authzid and not _is(authzid, self.theirs):
            raise SASLFailure("invalid-authzid", "not the `from` of the stream")
        rejected = self._judgement(self.theirs)
        if rejected is not None:
            raise SASLFailure("not-authorized", rejected.told)

    # -- bidi (XEP-0288)

    def _agree_on_bidi(self, bidi: etree._Element) -> None:
        if self.hears:
            raise StreamError("policy-violation", "asked for both directions too late")
        self._is_bidi = True
        self.learn(bidi)

    # -- dialback (XEP-0220), as the receiving and as the authoritative server

    def _take_key(self, element: etree._Element) -> None:
        """The other server wants to speak for a pair. Its certificate may be proof enough; else its key is verified by
        the server that DNS names for the domain, which has to show a good one."""
        pair, error = self._asked_pair(element), None
        if pair in self.hears:
            self.write(dialback.written("result", pair, type="valid"))
            return
        try:
            self._check_pair(pair)
            if self._has_tls and self._judgement(pair.theirs) is None:
                self._found_valid(pair)
                return
            if len(element.text or "") > LONGEST_KEY:
                raise StanzaError("policy-violation", "that is too long for a key")
            if self._verifying >= self.settings.pairs_per_stream:
                raise StanzaError("resource-constraint", "too many keys at a time")
        except StanzaError as refused:
            error = refused
        if error is not None:
            self.write(dialback.written("result", pair, type="error", error=error))
            return
        self._verifying += 1
        gevent.spawn(self._verify, pair, (element.text or "").strip())

    def _asked_pair(self, element: etree._Element) -> Pair:
        ours, theirs = _domain(element.get("to")), _domain(element.get("from"))
        if not ours or not theirs:
            raise StreamError("improper-addressing", "dialback needs domains in `from` and `to`")
        return Pair(ours, theirs)

    def _check_pair(self, pair: Pair) -> None:
        if not self._federation.is_ours(pair.ours):
            raise StanzaError("item-not-found", "no such domain here")
        if not self._has_tls and not self._federation.may_be_plain(pair.theirs):
            raise StanzaError("policy-violation", "TLS is required")
        if len(self.hears) >= self.settings.pairs_per_stream:
            raise StanzaError("resource-constraint", "too many pairs of domains on one stream")
        try:
            self._federation.check_who_asks(pair.theirs)
        except StreamError as error:
            raise StanzaError("not-allowed", error.text) from None

    def _verify(self, pair: Pair, key: str) -> None:
        """Ask the server that DNS names for the domain whether the key is its own. Yields."""
        try:
            is_valid = self._federation.verifying.verify(
                pair, self._id, key, self._network, is_wanted=lambda: not self.is_closing
            )
            error = None
        except StanzaError as failed:
            is_valid, error = False, failed
        finally:
            self._verifying -= 1
        with Handled():
            if self.is_closing:
                return
            if error is not None:
                self.write(dialback.written("result", pair, type="error", error=error))
            elif is_valid:
                self._found_valid(pair)
            else:
                lines = self._federation.lines.strangers
                lines.say(log.warning, "%s: somebody pretends to be %s", self.peer, pair.theirs)
                self.write(dialback.written("result", pair, type="invalid"))
                self.close()

    def _found_valid(self, pair: Pair) -> None:
        self.write(dialback.written("result", pair, type="valid"))
        if not self.theirs:
            self.theirs = pair.theirs
        self._agree(pair)
        self._federation.may_say(self, *self.says & {pair})

    def _confirm_key(self, element: etree._Element) -> None:
        """Another server asks whether a key that somebody showed it is ours: that takes our secret and nothing else."""
        pair = self._asked_pair(element)
        id, text = element.get("id") or "", (element.text or "").strip()
        if not self._federation.is_ours(pair.ours):
            error = StanzaError("item-not-found", "no such domain here")
            self.write(dialback.written("verify", pair, type="error", id=id, error=error))
            return
        is_valid = self._federation.is_own_key(pair, id, text)
        self.write(dialback.written("verify", pair, type="valid" if is_valid else "invalid", id=id))

    # -- agreed

    def _agree(self, pair: Pair) -> None:
        self.agreed(pair, hears=True, says=self._is_bidi)
        self._place.known()
        lines = self._federation.lines.of(pair.theirs)
        lines.say(log.info, "%s: %s sends to %s", self.peer, pair.theirs, pair.ours)
        self._federation.came(self, pair)

    def closed(self, *, is_lost: bool) -> None:
        """Nothing comes any more, and nothing can be said here."""
        super().closed(is_lost=is_lost)
        self._place.linger(self.transport.close)
        self._federation.gone(self)


def _mechanisms() -> etree._Element:
    mechanisms = etree.Element(tags.MECHANISMS, nsmap={None: names.SASL})
    etree.SubElement(mechanisms, tags.MECHANISM).text = "EXTERNAL"
    return mechanisms


def _domain(text: str | None) -> str:
    """The domain that this text spells; "" if it is none. Raises StreamError for what is no address at all."""
    try:
        address = JID.parse(text) if text else None
    except MalformedJID:
        raise StreamError("improper-addressing", "no such domain can be") from None
    return address if address is not None and address == address.domain else ""


def _is(authzid: str, domain: str) -> bool:
    try:
        return _domain(authzid) == domain
    except StreamError:
        return False


def _decoded(text: str) -> str:
    if text.strip() in ("", "="):
        return ""
    try:
        return b64decode(text.strip(), validate=True).decode()
    except UnicodeDecodeError:
        raise SASLFailure("malformed-request") from None
    except (NotBase64, ValueError):
        raise SASLFailure("incorrect-encoding") from None


