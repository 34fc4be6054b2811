"""All that a server has to do with others: whom it talks to, the links to them, and the streams that come from them."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import gevent

from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.stanza import Stanza
from xmpp.federation import dialback
from xmpp.federation.allowances import Allowances
from xmpp.federation.broken import Broken
from xmpp.federation.certificates import CertificateRejected, verify
from xmpp.federation.crowd import Crowd
from xmpp.federation.dialback import Pair
from xmpp.federation.dns.dialing import Dialled
from xmpp.federation.incoming import IncomingStream
from xmpp.federation.lines import Lines
from xmpp.federation.links import Links
from xmpp.federation.outgoing import OutgoingStream
from xmpp.federation.owed import Owed
from xmpp.federation.pings import Pings
from xmpp.federation.remembered import ForADay
from xmpp.federation.roots import Roots
from xmpp.federation.settings import FederationSettings, is_beneath, plain_fingerprint
from xmpp.federation.sharing import Sharing
from xmpp.federation.stream import ServerStream
from xmpp.federation.unwanted import Unwanted
from xmpp.federation.verifying import Verifying
from xmpp.routing.others import LinkShown
from xmpp.routing.tables import SENT_ELSEWHERE
from xmpp.running.handling import Handled
from xmpp.stream.outbox import Flusher
from xmpp.stream.places import Place
from xmpp.stream.tls.between_servers import ClientTLS
from xmpp.stream.tls.tls import ServerTLS
from xmpp.stream.transport import SocketTransport
from xmpp.stream.xml.nameguard import ProcessNames

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)

WATCH_SECONDS = 5.0  # how often idle links, and those that do not confirm, are looked for


class Dialer(Protocol):
    """What finds the servers of domains."""

    def dial(self, domain: str, sender: str) -> Iterator[Dialled]:
        """Connections to its servers, one after the other as long as somebody asks. `sender` is the cause. Raises
        NoSuchServer, Unreachable. Yields."""


class Federation:
    """The router's destination for all domains that are not ours, and what serves other servers' connections.

    `tls` is None only in tests. `queued`: the stanzas that wait for all domains. `no_both`: the domains whose servers
    hang up when they are asked for both directions on one stream (XEP-0288).
    """

    def __init__(
        self,
        server: "Server",
        secret: bytes,
        dialer: Dialer,
        roots: Roots,
        tls: ServerTLS | None = None,
    ) -> None:
        self.server = server
        self.dialer = dialer
        self.tls = tls
        self.names, self.flusher = ProcessNames(), Flusher()
        self.pings = Pings()
        self.queued = Crowd()
        self.allowances = Allowances()
        self.lines, self.owed = Lines(), Owed()
        self._secret = secret
        self.roots = roots
        self._links = Links(self)
        self._broken = Broken(self)
        self._unwanted = Unwanted(self.settings)
        self._streams: set[ServerStream] = set()
        self.no_both = ForADay[str]()
        self.sharing = Sharing(self)
        self.verifying = Verifying(self)
        self._watcher: gevent.Greenlet[[], None] | None = None

    @property
    def client_tls(self) -> ClientTLS | None:
        """Our side of TLS where we connect to others."""
        return self.tls.as_client if self.tls is not None else None

    @property
    def settings(self) -> FederationSettings:
        """The settings of federation."""
        return self.server.settings(FederationSettings)

    # -- what people here send

    def send(self, stanza: Stanza) -> None:
        """Send a stanza to another domain. Never yields. Raises StanzaError for what the sender has to be told."""
        assert stanza.to is not None
        if stanza.sender is None or not self.is_ours(stanza.sender.domain):
            log.error("a stanza of somebody else was to be sent elsewhere: %r", stanza)
            return
        kept = stanza.kept()
        kept.origin = None  # by the time that an error comes, its session may have ended
        for step in self.server.tables[SENT_ELSEWHERE]:
            kept = step(self.server, kept) or kept
        self.pass_on(kept)

    def pass_on(self, stanza: Stanza) -> None:
        """Send a stanza of somebody here, which nothing else keeps in memory. Never yields. Raises StanzaError."""
        assert stanza.sender is not None and stanza.to is not None
        self.owed.shown(stanza)
        try:
            self._links.of(Pair(stanza.sender.domain, stanza.to.domain)).send(stanza)
        except StanzaError as error:
            self.owed.note(stanza, error)
            raise

    # -- who may be talked to

    def is_ours(self, domain: str) -> bool:
        """True if this domain is served here, or is that of a service or component of ours."""
        return self.server.router.has(domain)

    def may_talk_to(self, domain: str) -> bool:
        """True if people here may exchange stanzas with this domain."""
        settings = self.settings
        if is_beneath(domain, settings.all_denied):
            return False
        return settings.mode != "listed" or is_beneath(domain, settings.allowed)

    def check_who_asks(self, domain: str) -> None:
        """Raise StreamError if the other server says that it is this domain, and that cannot be, or must not."""
        if self.is_ours(domain):
            raise StreamError("policy-violation", f"{domain} is served here: your server was led to itself")
        if not self.may_talk_to(domain):
            raise StreamError("policy-violation", f"this server does not talk to {domain}")

    def may_be_plain(self, domain: str) -> bool:
        """True if this domain may do without TLS."""
        return domain in self.settings.without_tls

    def may_dial_back(self, domain: str) -> bool:
        """True if dialback is proof enough for this domain, whatever its certificate."""
        return domain in self.settings.dialback or self.may_be_plain(domain)

    def judge(self, chain: Sequence[bytes], domain: str) -> CertificateRejected | None:
        """Why these certificates do not show that a server is this domain's; None if they do."""
        pinned = self.settings.pinned.get(domain)
        try:
            verify(chain, domain, self.roots, pinned=plain_fingerprint(pinned) if pinned else None)
        except CertificateRejected as rejected:
            return rejected
        return None

    # -- dialback

    def own_key(self, pair: Pair, stream_id: str) -> str:
        """The key that shows that it is us who speak for our domain on that stream."""
        return dialback.key(self._secret, pair.theirs, pair.ours, stream_id)

    def is_own_key(self, pair: Pair, stream_id: str, key: str) -> bool:
        """True if we have made this key for that stream."""
        return dialback.is_key(self._secret, pair.theirs, pair.ours, stream_id, key)

    # -- streams

    def serve(self, stream: ServerStream) -> None:
        """Serve a stream until it has ended. Yields."""
        self._streams.add(stream)
        try:
            stream.serve()
        finally:
            self._streams.discard(stream)

    def settle(self, stream: OutgoingStream) -> None:
        """Serve a stream by a greenlet of its own; yields until it is known whether it comes to something."""
        gevent.spawn(self.serve, stream)
        stream.settled.wait()

    def no_more_addresses_after(self) -> float:
        """When, on the monotonic clock, to try no other address of a domain that is looked for from now on: each of
        twenty could accept a connection and say nothing more. After one such there is time for another."""
        return monotonic() + 1.5 * float(self.settings.negotiation_seconds)

    def serve_connection(self, transport: SocketTransport, peer: str, place: Place, *, has_tls: bool) -> None:
        """Serve a connection that another server has made until its end. Yields."""
        self.serve(IncomingStream(self, transport, peer, place, has_tls=has_tls))

    def came(self, stream: IncomingStream, pair: Pair) -> None:
        """Another server speaks for this pair from now on."""
        most = self.settings.domain_connections * len(self.server.domains)  # one pair each, if its server shares none
        one_too_many = self.allowances.add(stream, pair.theirs, most)
        if one_too_many is not None:
            one_too_many.close(StreamError("policy-violation", "your domain has too many connections here"))
        self._is_there(pair)
        for owed in self.owed.pairs(pair.theirs):
            if owed not in stream.says:  # there it is said as soon as something may be said
                self._is_there(owed)
                for stanza in self.owed.take(owed):
                    with suppress(StanzaError):  # then it is owed still
                        self.pass_on(stanza)

    def _is_there(self, pair: Pair) -> None:
        link = self._links.get(pair)
        if link is not None:
            link.is_there()

    def may_say(self, stream: IncomingStream, *pairs: Pair) -> None:
        """What people here send for these pairs may be sent on this stream from now on, too."""
        for pair in pairs:
            self.adopt(stream, pair)

    def adopt(self, stream: ServerStream, pair: Pair) -> None:
        """A stream may carry what is sent for this pair, if none does yet."""
        try:
            self._links.of(pair).adopt(stream)
        except StanzaError as error:
            lines = self.lines.of(pair.theirs)
            lines.say(log.info, "%s: nothing is sent to %s there: %s", stream.peer, pair.theirs, error)

    def gone(self, stream: ServerStream) -> None:
        """A stream has ended: what may not have arrived there is said again, or goes back to who sent it."""
        self.allowances.remove(stream)
        for pair in stream.says:
            link = self._links.get(pair)
            if link is not None:
                link.lost(stream)
        self._broken.take(stream.unconfirmed())

    @property
    def streams(self) -> Collection[ServerStream]:
        """All streams with other servers."""
        return tuple(self._streams)

    def links(self) -> Iterator[LinkShown]:
        """What there is between our domains and others, in no order."""
        return (link.shown() for link in self._links)

    # -- as the listener starts and stops it

    def start(self) -> None:
        """Begin to look after links."""
        self.server.router.others = self
        self._watcher = gevent.spawn(self._watch)

    def _watch(self) -> None:
        while True:
            gevent.sleep(WATCH_SECONDS)
            try:
                self.look_after(monotonic())
            except Exception:  # or nobody would look after the others any more
                log.exception("looking after connections to other servers failed")

    def look_after(self, now: float) -> None:
        """Close connections that are idle, unwanted, or whose other end does not confirm; forget what is not needed."""
        with Handled():
            self._unwanted.close(self)
            self._links.look_after(now)
            self._limit_unconfirmed()
            self.allowances.forget_needless(now)

    def _limit_unconfirmed(self) -> None:
        """Give up the streams on which most is not confirmed, if it is too much together."""
        held = sorted(((stream.unconfirmed_bytes, id(stream), stream) for stream in self._streams), reverse=True)
        surplus = sum(size for size, *_ in held) - self.settings.all_unconfirmed_bytes
        for size, _, stream in held:
            if surplus <= 0:
                break
            surplus -= size
            stream.drop(BufferError("too much is not confirmed on all connections together"))

    def close(self, error: StreamError) -> None:
        """Close every stream."""
        if self._watcher is not None:
            self._watcher.kill(block=False)
        for stream in tuple(self._streams):
            stream.close(error)

    @property
    def is_told(self) -> bool:
        """True if all that was written has been handed to the kernel."""
        return all(stream.is_told for stream in self._streams)
