"""What a session is to be sent in bulk is fetched as its client takes it, and what comes after it waits behind.

The last items of nodes, the presence of contacts, messages that waited, a page of an archive, what a resumed stream has
missed: any of it may be more than may wait for a client (`unsent_bytes`), and the client has done nothing wrong. So it
comes as an iterator, which is asked for more only while little waits to be written, and holds no memory until then.
"""

import logging
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP
from xmpp.routing.tables import MORE_SENT
from xmpp.running.handling import Handled, handled
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

STEPS = 100  # of an iterator in one go: then others have their turn,
SECONDS = 0.005  # as they have after this, for what has led to nothing that was sent may have taken long
ITERATOR_BYTES = 1024  # what an iterator that waits counts for, beside what it holds

Source = Iterator[Stanza | bytes | None]
"""Stanzas, or bytes that are written as they are; None where a step had nothing to send."""


class _Begun(NamedTuple):
    """A bulk, and what it counts for for as long as it lasts."""

    source: Source
    size: int


class _Later(NamedTuple):
    """A stanza that was sent after a bulk, and the ticket of what had been stored then."""

    stanza: Stanza
    ticket: Ticket | None


class Bulk:
    """All of it for one session, in order. `is_passing`: something of it is being sent just now."""

    __slots__ = ("is_passing", "_session", "_line", "_size", "_ahead")

    def __init__(self, session: "Session") -> None:
        self.is_passing = False
        self._session = session
        self._line: deque[_Begun | _Later] = deque()
        self._size = 0  # bytes of what waits behind
        self._ahead: _Begun | None = None  # what was begun before all others

    def begin(self, source: Source, *, first: bool, held: int) -> None:
        """One more bulk, which holds so many bytes itself, behind all others; or before them, in place of another one
        that was begun so."""
        begun = _Begun(source, ITERATOR_BYTES + held)
        if first:
            self._begin_ahead(begun)
        else:
            self._line.append(begun)
        self._count(begun.size)

    def add(self, stanza: Stanza) -> None:
        """A stanza that is to go behind them."""
        later = _Later(stanza.kept(), handled().ticket)
        self._line.append(later)
        self._count(_size(later))

    def send_some(self) -> bool:
        """Send as much as the client takes now; returns whether that was all. The rest follows when there is room."""
        session, self.is_passing = self._session, True
        try:
            is_held = self._send_while_there_is_room()
        except Exception:
            log.exception("%r: what it was to be sent in bulk could not be fetched", session)
            self._line.clear()
            session.fail_soon()
            return True
        finally:
            self.is_passing = False
        if self._line and not is_held and session.connection is not None:
            session.connection.when_room(session.send_more)
        return not self._line

    def let_through(self) -> bool:
        """What waits behind goes at once, since nobody knows when the bulks go on; returns whether something is left.

        Answers stay behind the bulk that they are the end of: a page of an archive would seem whole without it.
        """
        line, self.is_passing = self._line, True
        self._line = deque(each for each in line if _stays(each))
        self._size = sum(map(_size, self._line))
        for each in line:
            if isinstance(each, _Later) and not _stays(each):
                with Handled(each.ticket):
                    self._session.send(each.stanza)
        self.is_passing = False
        return bool(self._line)

    def _begin_ahead(self, begun: _Begun) -> None:
        if self._ahead is not None:
            self._forget(self._ahead)
        self._ahead = begun
        self._line.appendleft(begun)

    def _forget(self, begun: _Begun) -> None:
        self._line.remove(begun)
        self._size -= begun.size
        if begun is self._ahead:
            self._ahead = None

    def _count(self, size: int) -> None:
        self._size += size
        connection = self._session.connection
        if self._size > self._session.server.stream_settings.unsent_bytes and connection is not None:
            connection.lose(BufferError(f"{self._size} bytes wait behind what its client does not read"))

    def _send_while_there_is_room(self) -> bool:
        """Returns whether a step of MORE_SENT has stopped it."""
        session, ends = self._session, monotonic() + SECONDS
        for _ in range(STEPS):
            if monotonic() > ends or not self._line or session.connection is None or not session.connection.has_room:
                return False
            if any(step(session) is STOP for step in session.server.tables[MORE_SENT]):
                return True
            self._send_next(self._line[0])
        return False

    def _send_next(self, first: _Begun | _Later) -> None:
        session = self._session
        if isinstance(first, _Later):
            self._line.popleft()
            self._size -= _size(first)
            with Handled(first.ticket):
                session.send(first.stanza)
            return
        with Handled():
            try:
                each = next(first.source)
            except StopIteration:
                self._forget(first)
                return
            if isinstance(each, bytes):
                session.write(each)
            elif each is not None:
                session.send(each)


def _stays(waiting: _Begun | _Later) -> bool:
    return isinstance(waiting, _Begun) or (waiting.stanza.kind == "iq" and not waiting.stanza.is_request)


def _size(waiting: _Begun | _Later) -> int:
    return waiting.size if isinstance(waiting, _Begun) else len(waiting.stanza.wire())
