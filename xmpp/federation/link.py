"""What is sent in the name of one domain of ours to one of theirs: it waits while a server is looked for, leaves in
order, and comes back with the reason if it cannot arrive."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from secrets import randbelow
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple

import gevent

from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.federation.dialback import Pair
from xmpp.federation.dns.dialing import NoSuchServer, Unreachable
from xmpp.federation.failures import not_found, not_talked_to, timeout
from xmpp.federation.link_stream import LinkStream
from xmpp.federation.stream import ServerStream
from xmpp.routing.delivery import STOP
from xmpp.routing.others import LinkShown
from xmpp.routing.tables import LINK_IDLE
from xmpp.routing.undelivered import give_back
from xmpp.running.handling import Handled, handled
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 5.0  # a server that is restarted is back soon
FAILURE_SHOWN_SECONDS = 3_600.0


class _Waiting(NamedTuple):
    """A stanza, its size, and the ticket of what had been stored when it was sent."""

    stanza: Stanza
    size: int
    ticket: Ticket | None


class Link:
    """The way from one domain of ours to one of theirs. `stream` is the one that carries stanzas, None if there is
    none."""

    def __init__(self, federation: "Federation", pair: Pair) -> None:
        self.pair = pair
        self.stream: ServerStream | None = None
        self._federation = federation
        self._queue: list[_Waiting] = []  # an empty deque takes ten times as much
        self._queued_bytes = 0
        self._is_dialling = False
        self._pause = 0.0  # seconds, after the next failure
        self._pause_until = 0.0
        self._failure: StanzaError | None = None  # of the last try
        self.failed_at = 0.0  # on the monotonic clock
        self._since = time()  # that it is as it is

    # -- what people here send

    def send(self, stanza: Stanza) -> None:
        """Send a stanza, or keep it until the other server has been found. Does not yield. Raises StanzaError."""
        if self.stream is not None:
            self.stream.pass_on(stanza)
            return
        if not self._is_dialling:
            if self._failure is not None and monotonic() < self._pause_until:
                raise _again(self._failure)
            if self._federation.server.is_stopping:
                raise timeout("this server is about to stop")
            self._check_wanted()
            self._keep(stanza)
            self._is_dialling, self._since = True, time()
            gevent.spawn(self._reach)
            return
        self._keep(stanza)

    def _check_wanted(self) -> None:
        """Before the other server is looked for: may it be? Settings have changed; older failures count no more."""
        if not self._federation.may_talk_to(self.pair.theirs):
            raise not_talked_to()
        if self.is_needless(monotonic()):
            self._pause = 0.0

    def _keep(self, stanza: Stanza) -> None:
        settings, size = self._federation.settings, len(stanza.wire())
        if len(self._queue) >= settings.queue_stanzas or self._queued_bytes + size > settings.queue_bytes:
            raise StanzaError("resource-constraint", "too much waits for that server")
        if not self._federation.queued.has_room(_account(stanza), settings.all_queued_stanzas):
            raise StanzaError("resource-constraint", "too much waits for other servers")
        self._queue.append(_Waiting(stanza, size, handled().ticket))
        self._queued_bytes += size
        self._federation.queued.add(_account(stanza))

    def is_needless(self, now: float) -> bool:
        """True if nothing would be lost with it."""
        is_idle = self.stream is None and not self._is_dialling
        return is_idle and (self._failure is None or now > self._pause_until + self._pause)

    def failed_lately(self, now: float) -> bool:
        """True if administrators may want to know why there is no connection."""
        return self._failure is not None and now < self.failed_at + FAILURE_SHOWN_SECONDS

    @property
    def used_at(self) -> float:
        """When something was sent there last, or until when it is not tried again, on the monotonic clock."""
        return self._pause_until if self.stream is None else self.stream.used_at

    def is_spare(self, since: float) -> bool:
        """True if it can make room for another one: nothing waits, and nothing was sent since then."""
        if self.stream is None:
            return not self._is_dialling
        return self.stream.used_at < since and not self.stream.waiting

    def shown(self) -> LinkShown:
        """How it is, for administrators."""
        if self.stream is not None:
            return LinkShown(*self.pair, "connected", self._since, self.stream.peer, self.stream.waiting, "")
        problem = (self._failure.text or "") if self._failure else ""
        state = "dialling" if self._is_dialling else "failed" if self._failure else "idle"
        return LinkShown(*self.pair, state, self._since, "", len(self._queue), problem)

    # -- finding the other server

    def _reach(self) -> None:
        """Try one address after the other. Yields until a stream is open, or there is none to be had."""
        try:
            failure = self._tried()
        except Exception:
            log.exception("%s: looking for its server failed", self.pair.theirs)
            failure = timeout("its server could not be looked for")
        with Handled():
            if failure is not None:
                self._failed(failure)

    def _tried(self) -> StanzaError | None:
        """None if a stream is open; else why there is none."""
        sharing = self._federation.sharing
        if sharing.join(self, self.pair.theirs):
            return None
        with sharing.opening(self.pair.theirs):
            return self._dialled()

    def _dialled(self) -> StanzaError | None:
        ends = self._federation.no_more_addresses_after()
        try:
            failure, was_both = self._tried_addresses(ends)
            if was_both:  # its server may not know what that is, and closes the stream
                self._federation.no_both.note(self.pair.theirs)
                failure, _ = self._tried_addresses(ends)
            return failure
        except NoSuchServer as error:
            return not_found(str(error))

    def _tried_addresses(self, ends: float, *, may_share: bool = True) -> tuple[StanzaError | None, bool]:
        """As `_tried`, and True if a server closed the stream without a word after it was asked for both directions. No
        other one is tried after `ends`, on the monotonic clock."""
        failure: StanzaError | None = None
        both = self.pair.theirs not in self._federation.no_both
        try:
            for dialled in self._federation.dialer.dial(self.pair.theirs, self._first_sender):
                if not self._federation.may_talk_to(self.pair.theirs):  # not any more
                    dialled.sock.close()
                    return not_talked_to(), False
                if may_share and self._federation.sharing.may_join(self, dialled.where):
                    dialled.sock.close()  # many at once would be too many for that server
                    if self._federation.sharing.join(self, dialled.where):
                        return None, False
                    with self._federation.sharing.opening(dialled.where):
                        return self._tried_addresses(ends, may_share=False)
                stream = LinkStream(self._federation, self, dialled, asks_for_both=both)
                with self._federation.sharing.opening(dialled.where):
                    self._federation.settle(stream)
                if stream.is_open:
                    return None, False
                if stream.asked_for_both and stream.failure is None:
                    return stream.reason, True
                failure = stream.reason
                if stream.is_final or self._federation.server.is_stopping or monotonic() > ends:
                    break
        except Unreachable as error:
            return failure or timeout(str(error)), False
        return failure or timeout("its server could not be reached"), False

    @property
    def _first_sender(self) -> str:
        return str(_account(self._queue[0].stanza)) if self._queue else self.pair.ours

    def _failed(self, failure: StanzaError) -> None:
        self._is_dialling, self._since = False, time()
        most = float(self._federation.settings.most_pause_seconds)
        self._pause = min(most, max(FIRST_PAUSE_SECONDS, self._pause * 2))
        self._pause_until = monotonic() + self._pause * (50 + randbelow(51)) / 100  # not all servers at once
        self._failure, self.failed_at = failure, monotonic()
        lines, (ours, theirs) = self._federation.lines.unreachable, self.pair
        lines.say(log.info, "%s cannot be reached from %s: %s", theirs, ours, failure)
        for waiting in self._taken():
            self._federation.owed.note(waiting.stanza, failure)
            give_back(self._federation.server, waiting.stanza, failure)

    def _taken(self) -> list[_Waiting]:
        waiting, self._queue = self._queue, []
        self._queued_bytes = 0
        for each in waiting:
            self._federation.queued.remove(_account(each.stanza))
        return waiting

    # -- what streams say

    def opened(self, stream: ServerStream) -> None:
        """This stream carries what is sent from now on; what has waited goes first."""
        older, self.stream = self.stream, stream
        self._is_dialling, self._since = False, time()
        self._pause, self._failure = 0.0, None
        if older is not None:
            older.close()
        for stanza in self._federation.owed.take(self.pair):
            with Handled(), suppress(StanzaError):
                stream.pass_on(stanza)
        for waiting in self._taken():
            if waiting.ticket is not None and waiting.ticket.failed is not None:
                continue  # what it told of was not stored
            with Handled(waiting.ticket):
                try:
                    stream.pass_on(waiting.stanza)
                except StanzaError as error:
                    give_back(self._federation.server, waiting.stanza, error)

    def adopt(self, stream: ServerStream) -> None:
        """A stream that the other server has opened may be used in this direction as well."""
        if self.stream is None and not self._is_dialling:
            self.opened(stream)

    def is_there(self) -> None:
        """The other server has called: it can be tried again at once."""
        self._pause, self._failure = 0.0, None

    def lost(self, stream: ServerStream) -> None:
        """This stream has ended."""
        if self.stream is stream:
            self.stream = None

    def look_after(self, now: float) -> None:
        """See to it that what was sent is confirmed; close a stream on which nothing was sent for long."""
        stream = self.stream
        if stream is None:
            return
        stream.look_after(now)
        if now - stream.used_at > self._federation.settings.idle_seconds and isinstance(stream, LinkStream):
            server = self._federation.server
            if any(step(server, *pair) is STOP for pair in stream.says for step in server.tables[LINK_IDLE]):
                stream.used_at = now
            else:
                stream.close()

    def close(self, error: StreamError | None) -> None:
        """Close the stream, with this error if there is one."""
        if self.stream is not None:
            self.stream.close(error)


def needless(links: Iterable[Link], now: float, shows: int) -> set[Pair]:
    """The links that can be forgotten, since nothing is lost with them. So many of those that have failed lately stay,
    to be shown."""
    found = [link for link in links if link.is_needless(now)]
    failed = sorted((link for link in found if link.failed_lately(now)), key=lambda link: -link.failed_at)
    return {link.pair for link in found} - {link.pair for link in failed[:shows]}


def _again(failure: StanzaError) -> StanzaError:
    return StanzaError(failure.condition, failure.text, type=failure.type)


def _account(stanza: Stanza) -> JID:
    assert stanza.sender is not None
    return stanza.sender.bare
