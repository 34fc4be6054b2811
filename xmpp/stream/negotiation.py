"""How far a client's stream has come, without a socket (RFC 6120 sections 4 to 7).

A table of states: each event is legal in some states, and leads to another. Kept with the state is what both headers
said; the first one pins the host.
"""

import re
import secrets
from collections.abc import Collection

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID, MalformedJID
from xmpp.routing.feature import State
from xmpp.stream.framing import LANGUAGE, Opening
from xmpp.stream.xml.xmlfeed import StreamHeader

_NUMBER = re.compile(r"[0-9]{1,9}")
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,8}")

# (state, event) -> the next state. An event in any other state is the peer's mistake.
TRANSITIONS = {
    (State.NEW, "opened without TLS"): State.INSECURE,  # where it is required
    (State.NEW, "opened"): State.OPEN,
    (State.NEW, "opened again"): State.AUTHENTICATED,  # after SASL
    (State.INSECURE, "secured"): State.NEW,
    (State.OPEN, "secured"): State.NEW,
    (State.OPEN, "authenticated"): State.NEW,
    (State.OPEN, "authenticated in place"): State.AUTHENTICATED,  # XEP-0388
    (State.AUTHENTICATED, "bound"): State.BOUND,
}


class Negotiation:
    """One client stream's progress.

    `host` is the domain that the client connected to, pinned by the first header; `account` who has logged in; `id`
    that of the current stream; `language` the client's, None if it is that of our streams.
    """

    def __init__(self, domains: Collection[str], default_domain: str, must_be_secure: bool, is_secure: bool) -> None:
        self._domains = domains
        self._default_domain = default_domain
        self._must_be_secure = must_be_secure
        self.is_secure = is_secure
        self.state = State.NEW
        self.host = ""
        self.account: JID | None = None
        self.id = ""
        self.language: str | None = None
        self._peer: JID | None = None

    # -- events

    def opened(self, header: StreamHeader) -> None:
        """The client's header has come. Raises StreamError; our header is to be sent in any case."""
        self.id = new_stream_id()
        self._check(header)
        if self._must_be_secure and not self.is_secure:
            self._step("opened without TLS")
        else:
            self._step("opened again" if self.account else "opened")

    def secured(self) -> None:
        """TLS is on: the stream begins anew, still for the pinned host."""
        self.is_secure = True
        self._step("secured")

    def authenticated(self, account: JID, *, in_place: bool = False) -> None:
        """Somebody has logged in: the stream goes on, or begins anew, still for the pinned host."""
        assert account.domain == self.host
        self.account = account
        self._step("authenticated in place" if in_place else "authenticated")

    def bound(self) -> None:
        """A resource is bound."""
        self._step("bound")

    def closed(self) -> None:
        """The stream is closed."""
        self.state = State.CLOSED

    def _step(self, event: str) -> None:
        try:
            self.state = TRANSITIONS[self.state, event]
        except KeyError:
            raise StreamError("policy-violation", f"not now: {event}") from None

    # -- what holds in a state

    @property
    def claimed(self) -> JID | None:
        """Who the client's header says it is: a bare address, which proves nothing; None if it does not say."""
        return self._peer

    def opening(self) -> Opening:
        """What our stream header says."""
        return Opening(self.id or new_stream_id(), self.host or self._default_domain, self._peer)

    # -- the client's header (RFC 6120 section 4.7)

    def _check(self, header: StreamHeader) -> None:
        self._peer = _address_or_none(header.attributes.get("from"))
        self.language = _other_language(header.attributes.get("xml:lang"))
        self._pin_host(header.attributes.get("to"))
        if header.default_namespace != names.CLIENT:
            raise StreamError("invalid-namespace", f"the content namespace of clients is {names.CLIENT}")
        check_version(header.attributes.get("version"))
        if self.account is not None and self._peer is not None and self._peer != self.account:
            raise StreamError("invalid-from", f"you are {self.account}")

    def _pin_host(self, to: str | None) -> None:
        if to is None:
            raise StreamError("improper-addressing", "the stream header needs a `to`")
        host = _address_or_none(to)
        if host is None:
            raise StreamError("host-unknown")
        if self.host:  # a second header must not carry a login over to another domain (CVE-2018-10847)
            if host != self.host:
                raise StreamError("host-unknown", f"this stream is for {self.host}")
            return
        if host not in self._domains:
            raise StreamError("host-unknown")
        self.host = host


def check_version(version: str | None) -> None:
    """Raise StreamError unless the major version is 1 or more; a missing version means 0.9 (RFC 6120 section 4.7.5)."""
    major, _, minor = (version or "0.9").partition(".")
    if not (_NUMBER.fullmatch(major) and _NUMBER.fullmatch(minor) and int(major) >= 1):
        raise StreamError("unsupported-version", "this is XMPP 1.0")


def _other_language(tag: str | None) -> str | None:
    """The language tag, or None if it is malformed (BCP 47) or the language of our streams."""
    if tag is None or tag.lower() == LANGUAGE or not _LANGUAGE_TAG.fullmatch(tag):
        return None
    return tag


def _address_or_none(text: str | None) -> JID | None:
    try:
        return JID.parse(text).bare if text else None
    except MalformedJID:
        return None


def new_stream_id() -> str:
    """An unguessable stream id (RFC 6120 section 4.7.3): 128 bits."""
    return secrets.token_hex(16)
