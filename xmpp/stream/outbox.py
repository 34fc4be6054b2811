"""What waits to be written: in order, in batches, behind the disk where it has to be, and never without bound.

A system call costs more than a stanza, so nothing is written at once: the first write in a turn of the event loop
schedules one flush, and what has gathered by then goes out in one call. What was sent while something was being stored
waits for that storage's ticket (see db/sqlite/groups.py): what a client is told is stored, is stored before it is told.
"""

import logging
from collections.abc import Callable
from typing import Any

import gevent

from xmpp.running.tickets import Ticket

log = logging.getLogger(__name__)


ROOM_BYTES = 65536
"""While less than this waits, there is room for more of what is sent in bulk."""


class Flusher:
    """Flushes every outbox that was written to in this turn of the loop, once."""

    def __init__(self) -> None:
        self._dirty: list[Outbox] = []

    def soon(self, outbox: "Outbox") -> None:
        """Flush this outbox at the end of the turn."""
        if not self._dirty:
            gevent.get_hub().loop.run_callback(self._flush)
        self._dirty.append(outbox)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for outbox in dirty:
            outbox.flush()


class Outbox:
    """The bytes on their way to one peer.

    `lost` is called with a reason when they cannot get there: the peer reads too slowly and `limit` bytes wait, or the
    connection is broken (after either the outbox takes nothing more), or what they report could not be stored (then
    just that is forgotten, so that the peer can be told).

    Outboxes are flushed one after the other, and tickets release many: whatever goes wrong with one, `lost` included,
    is logged, is the end of this one, and reaches nobody else.
    """

    __slots__ = ("_transport", "_flusher", "_limit", "_lost", "_ready", "_held", "_size", "_is_scheduled",
                 "_is_draining", "_is_dead", "_when_empty", "_when_room")  # fmt: skip

    def __init__(self, transport: Any, flusher: Flusher, limit: int, lost: Callable[[Exception], None]) -> None:
        self._transport = transport
        self._flusher = flusher
        self._limit = limit
        self._lost = lost
        self._ready: list[bytes] = []
        self._held: list[tuple[Ticket, list[bytes]]] = []  # few at any time; an empty deque takes ten times as much
        self._size = 0
        self._is_scheduled = self._is_draining = self._is_dead = False
        self._when_empty: Callable[[], None] | None = None
        self._when_room: Callable[[], None] | None = None

    def add(self, data: bytes, after: Ticket | None = None) -> None:
        """Enqueue bytes, behind the ticket if it is still open. Never yields."""
        if self._is_dead:
            return
        if after is not None and after.is_open:
            self._hold(data, after)
        elif self._held:
            self._held[-1][1].append(data)
        else:
            self._ready.append(data)
            if not self._is_scheduled:
                self._schedule()
        self._size += len(data)
        if self._size > self._limit:
            self._overflow()

    def add_ahead(self, data: bytes) -> None:
        """Enqueue bytes before all that waits for the disk. Never yields."""
        if self._is_dead:
            return
        self._ready.append(data)
        self._schedule()
        self._size += len(data)
        if self._size > self._limit:
            self._overflow()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._size == 0

    def when_empty(self, act: Callable[[], None]) -> None:
        """Have something done once everything has been handed to the kernel."""
        if self._is_dead or self._size == 0:
            act()
        else:
            self._when_empty = act

    @property
    def has_room(self) -> bool:
        """Whether little waits."""
        return self._size < ROOM_BYTES

    def when_room(self, act: Callable[[], None]) -> None:
        """Have something done, in a turn of its own, once there is room; never where the connection is lost before."""
        self._when_room = act
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        if self._when_room is not None and self.has_room and not self._is_dead:
            act, self._when_room = self._when_room, None
            gevent.get_hub().loop.run_callback(act)

    def flush(self) -> None:
        """Write what is ready, as far as the socket takes it now; a greenlet writes the rest when it takes more."""
        self._is_scheduled = False
        if self._is_draining or self._is_dead or not self._ready:
            return
        self._or_die(self._send)
        if self._ready:
            self._is_draining = True
            gevent.spawn(self._drain)

    def _overflow(self) -> None:
        """What the socket takes at once does not wait: only what is left then shows whether the peer reads."""
        if not self._is_draining:
            self.flush()
        if self._size > self._limit:
            self._die(BufferError(f"{self._size} bytes wait for a peer that does not read"))

    def _schedule(self) -> None:
        if not (self._is_scheduled or self._is_draining):
            self._is_scheduled = True
            self._flusher.soon(self)

    def _send(self) -> None:
        data = self._ready[0] if len(self._ready) == 1 else b"".join(self._ready)
        sent = self._transport.try_send(data)
        self._size -= sent
        self._ready = [data[sent:]] if sent < len(data) else []
        if self._when_room is not None:
            self._tell_of_room()
        if self._size == 0 and self._when_empty is not None:
            self._when_empty()

    def _drain(self) -> None:
        while self._ready:
            self._or_die(self._send_more)
        self._is_draining = False

    def _send_more(self) -> None:
        self._transport.wait_writable()
        self._send()

    def _or_die(self, send: Callable[[], None]) -> None:
        try:
            send()
        except OSError as error:
            self._die(error)
        except Exception as error:
            log.exception("writing failed")
            self._die(error)

    # -- behind the disk

    def _hold(self, data: bytes, ticket: Ticket) -> None:
        if self._held and self._held[-1][0] is ticket:
            self._held[-1][1].append(data)
        else:
            self._held.append((ticket, [data]))
            ticket.when_closed(self._release)

    def _release(self) -> None:
        """Let go what no open ticket stands before."""
        while self._held and not self._held[0][0].is_open:
            ticket, waiting = self._held.pop(0)
            if ticket.failed is not None:
                self._forget_held()
                self._lost(ticket.failed)
                return
            self._ready += waiting
        if self._ready:
            self._schedule()

    def _forget_held(self) -> None:
        self._held.clear()
        self._size = sum(map(len, self._ready))

    def _die(self, reason: Exception) -> None:
        if self._is_dead:
            return
        self._is_dead = True
        self._ready = []
        self._held.clear()
        self._size = 0
        self._when_room = None
        try:
            self._lost(reason)
            if self._when_empty is not None:
                self._when_empty()
        except Exception:
            log.exception("the end of what could not be written failed")
