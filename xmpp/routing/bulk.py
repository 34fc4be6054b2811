"""What is sent to a session in bulk is fetched as its client reads; whatever is sent later waits behind it.

The last items of nodes, the presence of contacts, messages that waited, a page of an archive, what a resumed stream has
missed: each may be larger than what may wait for a client (`unsent_bytes`), through no fault of the client. So it comes
as an iterator, which is asked for more only while little waits to be written, and takes no memory until then.
"""

import logging
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import gevent

from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP
from xmpp.routing.tables import MORE_SENT
from xmpp.running.handling import Handled, handled
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.routing.session import Session
    from xmpp.routing.streams import Connection

log = logging.getLogger(__name__)

STEPS = 100  # taken from iterators in one go; then others have their turn
SECONDS = 0.005  # the most that one go may take, since a step may take long and send nothing
ITERATOR_BYTES = 1024  # what a waiting iterator counts as, beside the memory that it says it holds

Source = Iterator[Stanza | bytes | None]
"""Stanzas, or bytes that are written as they are; None where a step had nothing to send."""


class _Begun(NamedTuple):
    """A bulk, and the bytes that it counts as while it lasts."""

    source: Source
    size: int


class _Later(NamedTuple):
    """A stanza that was sent after a bulk had begun, and the ticket of what had been stored by then."""

    stanza: Stanza
    ticket: Ticket | None


class Bulk:
    """All bulks of one session and the stanzas between them, in order. `is_passing`: something is being sent now."""

    __slots__ = ("is_passing", "_session", "_line", "_size", "_ahead")

    def __init__(self, session: "Session") -> None:
        self.is_passing = False
        self._session = session
        self._line: deque[_Begun | _Later] = deque()
        self._size = 0  # bytes of all that waits
        self._ahead: _Begun | None = None  # the bulk that was begun as the first

    def begin(self, source: Source, *, first: bool, held: int) -> None:
        """Add a bulk that holds so many bytes of memory behind all others.

        `first`: before all others, in place of an earlier one that was begun this way.
        """
        begun = _Begun(source, ITERATOR_BYTES + held)
        if first:
            if self._ahead is not None:
                self._discard(self._ahead)
            self._ahead = begun
            self._line.appendleft(begun)
        else:
            self._line.append(begun)
        self._count(begun.size)

    def add(self, stanza: Stanza) -> None:
        """Add a stanza behind all bulks."""
        later = _Later(stanza.kept(), handled().ticket)
        self._line.append(later)
        self._count(_size(later))

    def send_some(self) -> bool:
        """Send as much as the client takes now; True if that was all. The rest follows when there is room."""
        session, self.is_passing = self._session, True
        try:
            is_stopped = self._send_while_there_is_room()
        except Exception:
            log.exception("%r: what it was to be sent in bulk could not be fetched", session)
            self._line.clear()
            session.fail_soon()
            return True
        finally:
            self.is_passing = False
        if self._line and not is_stopped and session.connection is not None:
            session.connection.when_room(session.send_more)
        return not self._line

    def release(self) -> bool:
        """Send at once the stanzas that wait behind bulks, since nobody knows when these go on; True if any are left.

        Answers stay behind the bulk that they conclude: without it a page of an archive would seem complete.
        """
        line, self.is_passing = self._line, True
        self._line = deque(each for each in line if _stays(each))
        self._size = sum(map(_size, self._line))
        for each in line:
            if isinstance(each, _Later) and not _stays(each) and not _is_lost(each.ticket):
                with Handled(each.ticket):
                    self._session.send(each.stanza)
        self.is_passing = False
        return bool(self._line)

    def _discard(self, begun: _Begun) -> None:
        self._line.remove(begun)
        self._size -= begun.size
        if begun is self._ahead:
            self._ahead = None

    def _count(self, size: int) -> None:
        self._size += size
        connection = self._session.connection
        if self._size > self._session.server.stream_settings.unsent_bytes and connection is not None:
            connection.drop(BufferError(f"{self._size} bytes wait behind what its client does not read"))

    def _send_while_there_is_room(self) -> bool:
        """True if a step of MORE_SENT has stopped it, or the end of the connection will."""
        session, ends = self._session, monotonic() + SECONDS
        for _ in range(STEPS):
            if monotonic() > ends or not self._line or session.connection is None or not session.connection.has_room:
                return False
            if any(step(session) is STOP for step in session.server.tables[MORE_SENT]):
                return True
            if not self._send_next(self._line[0]):
                return True
        return False

    def _send_next(self, first: _Begun | _Later) -> bool:
        """False if what it tells of could not be stored: then the stream ends as if this had waited in the outbox, at
        the end of this turn of the loop, and nothing more is sent before."""
        session = self._session
        with Handled(first.ticket if isinstance(first, _Later) else None) as one_stanza:
            each = self._take(first)
            if one_stanza.ticket is not None and one_stanza.ticket.failed is not None:
                gevent.get_hub().loop.run_callback(_drop, session, session.connection, one_stanza.ticket.failed)
                return False
            if isinstance(each, bytes):
                session.write(each)
            elif each is not None:
                session.send(each)
        return True

    def _take(self, first: _Begun | _Later) -> Stanza | bytes | None:
        if isinstance(first, _Later):
            self._line.popleft()
            self._size -= _size(first)
            return first.stanza
        try:
            return next(first.source)
        except StopIteration:
            self._discard(first)
            return None


def _drop(session: "Session", connection: "Connection | None", reason: Exception) -> None:
    is_over = session.server.online.session(session.jid) is not session
    if connection is not None and session.connection is connection and not is_over:
        with Handled():
            connection.drop(reason)


def _is_lost(ticket: Ticket | None) -> bool:
    return ticket is not None and ticket.failed is not None


def _stays(waiting: _Begun | _Later) -> bool:
    return isinstance(waiting, _Begun) or (waiting.stanza.kind == "iq" and not waiting.stanza.is_request)


def _size(waiting: _Begun | _Later) -> int:
    return waiting.size if isinstance(waiting, _Begun) else len(waiting.stanza.wire())
