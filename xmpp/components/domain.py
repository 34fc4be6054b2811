"""A component's domain, as the router sees it: stanzas go to the component, or wait for it while it is away.

Nobody else waits for it: what it does not read, or what comes while it is away for too long, goes back to the senders.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent

from xmpp.components.unconfirmed import Waiting
from xmpp.config.component_settings import ComponentsSettings
from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.components import COMPONENT_ATTACHED, Components
from xmpp.routing.undelivered import give_all_back, give_back, goes_back
from xmpp.running.handling import Handled, handled
from xmpp.running.lines import LimitedLines
from xmpp.stream.turns import ONE_ROUND

if TYPE_CHECKING:
    from xmpp.components.stream import ComponentStream
    from xmpp.server import Server

log = logging.getLogger(__name__)

END: Any = object()
BULK_STEPS = 50  # in one turn


class ComponentDomain:
    """The router's destination for the domain of one component. `stream`: its connection, None while it is away."""

    def __init__(self, server: "Server", domain: str) -> None:
        self.server = server
        self.address = JID.parse(domain)
        self.stream: ComponentStream | None = None
        self._queue: deque[Waiting] = deque()
        self._queued_bytes = 0
        self._bulks: deque[Iterator[Stanza | None]] = deque()
        self._away_since = monotonic()
        self._clock: gevent.Greenlet[[], None] | None = None  # runs while something waits
        self._waits_for_disk = self._is_resting = False
        self._lines = LimitedLines()  # it may come and go all the time

    @property
    def settings(self) -> ComponentsSettings:
        """The settings of components."""
        return self.server.settings(ComponentsSettings)

    def send(self, stanza: Stanza) -> None:
        """Send a stanza, or keep it until the component is there and reads. Never yields. Raises StanzaError."""
        settings, now = self.settings, monotonic()
        if self.stream is None and now - self._away_since > settings.waiting_seconds:
            if not goes_back(stanza):
                return
            raise _away()
        if not self._keep(stanza, goes_back=goes_back(stanza)):
            raise StanzaError("resource-constraint", "too much waits for that component")

    def tell(self, stanza: Stanza) -> None:
        """Send what only the component is to hear of; left out if too much waits already. Never yields."""
        if self.stream is not None:
            self._keep(stanza, goes_back=False)

    def tell_all(self, stanzas: Iterator[Stanza | None]) -> None:
        """Send what may be a lot, as far as the component reads. Never yields."""
        self._bulks.append(stanzas)
        self._pass_on()

    def _keep(self, stanza: Stanza, *, goes_back: bool) -> bool:
        """Write a stanza now or later; False if too much waits."""
        settings = self.settings
        waiting = _waiting(stanza, goes_back=goes_back)
        is_full = self._queued_bytes + waiting.size > settings.waiting_bytes
        if is_full or len(self._queue) >= settings.waiting_stanzas:
            return False
        self._queue.append(waiting)
        self._queued_bytes += waiting.size
        self._pass_on()
        self._watch_clock()
        return True

    @property
    def waiting(self) -> int:
        """How many stanzas wait."""
        return len(self._queue)

    # -- the connection

    def attach(self, stream: "ComponentStream") -> None:
        """The component has shown its secret on this connection. Raises StreamError if there is one already."""
        older = self.stream
        if older is not None:
            if not self.settings.replace:
                raise StreamError("conflict", "this component is connected already")
            older.close(StreamError("conflict", "replaced by a newer connection"))
        self.stream = stream
        stream.accept()
        self.server.state(Components).attached[self.address.domain] = self
        self._lines.say(log.info, "%s: component %s is connected", stream.peer, self.address)
        self._pass_on()
        for step in self.server.tables[COMPONENT_ATTACHED]:
            step(self.server, self.address)

    def detach(self, stream: "ComponentStream", *, is_lost: bool) -> None:
        """This connection has ended. What the component cannot have read waits for its next one; the senders of what
        it may not have read are told."""
        if self.stream is not stream:
            return
        self.stream = None
        self._away_since = monotonic()
        self._bulks.clear()
        del self.server.state(Components).attached[self.address.domain]
        self._lines.say(log.info, "%s: component %s is gone", stream.peer, self.address)
        left = stream.left()
        if is_lost:
            self._queue.extendleft(reversed(left.unsent))
            self._queued_bytes += sum(each.size for each in left.unsent)
        doubtful = left.doubtful if is_lost else left.doubtful + left.unsent
        self._give_back(doubtful, StanzaError("service-unavailable", "the connection to that component broke, so this "
                                              "may not have arrived", type="wait"))  # fmt: skip
        self._watch_clock()

    def close(self, error: StreamError) -> None:
        """The server stops: the connection is closed with this error."""
        if self.stream is not None:
            self.stream.close(error)
        if self._clock is not None:
            self._clock.kill(block=False)

    # -- what waits

    def give_up(self) -> None:
        """Tell the senders of all that waits that the component is not there."""
        waiting, self._queue, self._queued_bytes = self._queue, deque(), 0
        for each in waiting:
            if each.goes_back:
                give_back(self.server, each.stanza, _away())

    def _pass_on(self) -> None:
        """Write as much as the component reads, in order, and not before what it tells of is on the disk."""
        while (self._queue or self._bulks) and self.stream is not None:
            if not self.stream.has_room:
                self.stream.when_room(self._pass_on)
                return
            if not self._queue:
                if self._is_resting:
                    return
                self._pass_on_bulk()
                continue
            ticket = self._queue[0].ticket
            if ticket is not None and ticket.is_open:
                if not self._waits_for_disk:
                    self._waits_for_disk = True
                    ticket.when_closed(self._is_on_disk)
                return
            waiting = self._queue.popleft()
            self._queued_bytes -= waiting.size
            if ticket is None or ticket.failed is None:  # else its sender is told that it was not stored
                with Handled():
                    self.stream.pass_on(waiting)

    def _pass_on_bulk(self) -> None:
        """Write some of what is sent in bulk; then others have their turn."""
        stream, steps = self.stream, self._bulks[0]
        with Handled():
            for _ in range(BULK_STEPS):
                try:
                    stanza = next(steps, END)
                except Exception:
                    log.exception("what component %s was to be told is left out", self.address)
                    stanza = END
                if stanza is END:
                    self._bulks.popleft()
                    break
                if stanza is not None and stream is not None:
                    stream.pass_on(_waiting(stanza, goes_back=False))
        self._is_resting = True
        gevent.spawn_later(ONE_ROUND, self._rested)

    def _rested(self) -> None:
        self._is_resting = False
        self._pass_on()

    def _is_on_disk(self) -> None:
        self._waits_for_disk = False
        self._pass_on()

    def _watch_clock(self) -> None:
        if self._queue and self._clock is None:
            self._clock = gevent.spawn_later(self.settings.waiting_seconds, self._look_at_clock)

    def _look_at_clock(self) -> None:
        """Give back what has waited for too long."""
        self._clock, seconds, now = None, self.settings.waiting_seconds, monotonic()
        expired = []
        while self._queue and self._queue[0].since + seconds <= now:
            expired.append(self._queue.popleft())
            self._queued_bytes -= expired[-1].size
        if self._queue:
            self._clock = gevent.spawn_later(self._queue[0].since + seconds - now, self._look_at_clock)
        with Handled():
            self._give_back(expired, _away())

    def _give_back(self, waiting: Iterable[Waiting], error: StanzaError) -> None:
        """Tell the senders."""
        give_all_back(self.server, [each.stanza for each in waiting if each.goes_back], error, line=self)


def _waiting(stanza: Stanza, *, goes_back: bool) -> Waiting:
    kept = stanza.kept()
    kept.origin = None  # by the time that an error comes, its session may have ended
    return Waiting(kept, len(kept.wire()), handled().ticket, monotonic(), goes_back)


def _away() -> StanzaError:
    return StanzaError("service-unavailable", "that component is not there at present", type="wait")
