"""What waits to be written to a peer: in order, in batches, limited in size, and held back until the disk has its part.

A system call costs more than a stanza, so nothing is written at once: the first write in a turn of the event loop
schedules one flush, and what has gathered by then goes out in one call. What is sent by something that has stored rows
waits for the ticket of those rows (see db/sqlite/groups.py), so that no client is told of what a crash could undo.
"""

import logging
from collections.abc import Callable
from typing import Any

import gevent

from xmpp.running.tickets import Ticket
from xmpp.stream.turns import Rounds

log = logging.getLogger(__name__)


ROOM_BYTES = 65536
"""While less than this waits, there is room for more of what is sent in bulk."""


class Flusher:
    """Flushes each outbox that was written to in this turn of the loop, once. `rounds`: in which is written what was
    waiting for room."""

    def __init__(self) -> None:
        self._dirty: list[Outbox] = []
        self.rounds = Rounds()

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

    `failed` is called with a reason when they cannot get there. If the connection is broken, or more than `limit` bytes
    wait because the peer does not read, the outbox takes nothing more after that. If what is held back could not be
    stored, only that is discarded, so that the peer can be told; so is what is added later behind that ticket.

    Many outboxes are flushed one after the other, or released by one ticket. So whatever goes wrong with one of them,
    in `failed` too, is logged and stops only that one. `lost`: how many bytes waited when it was dropped.
    """

    __slots__ = ("lost", "_transport", "_flusher", "_limit", "_failed", "_ready", "_held", "_size", "_is_scheduled",
                 "_is_draining", "_is_dropped", "_when_empty", "_when_room")  # fmt: skip

    def __init__(self, transport: Any, flusher: Flusher, limit: int, failed: Callable[[Exception], None]) -> None:
        self._transport = transport
        self._flusher = flusher
        self._limit = limit
        self._failed = failed
        self._ready: list[bytes] = []
        self._held: list[tuple[Ticket, list[bytes]]] = []  # few at any time; an empty deque takes ten times as much
        self._size = self.lost = 0
        self._is_scheduled = self._is_draining = self._is_dropped = False
        self._when_empty: Callable[[], None] | None = None
        self._when_room: Callable[[], None] | None = None

    def add(self, data: bytes, after: Ticket | None = None) -> None:
        """Enqueue bytes, behind the ticket unless what it stands for is stored. Never yields."""
        if self._is_dropped:
            return
        self._size += len(data)
        if after is not None and (after.is_open or after.failed is not None):
            self._hold(data, after)
        elif self._held:
            self._held[-1][1].append(data)
        else:
            self._ready.append(data)
            if not self._is_scheduled:  # looked at here as well: nearly all bytes come this way
                self._schedule()
        if self._size > self._limit:
            self._overflow()

    def add_ahead(self, data: bytes) -> None:
        """Enqueue bytes ahead of all that waits for the disk. Never yields."""
        if self._is_dropped:
            return
        self._ready.append(data)
        self._schedule()
        self._size += len(data)
        if self._size > self._limit:
            self._overflow()

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return self._size

    @property
    def is_empty(self) -> bool:
        """True if nothing waits."""
        return self._size == 0

    def when_empty(self, act: Callable[[], None]) -> None:
        """Call act() once everything has been handed to the kernel, or has been discarded."""
        if self._is_dropped or self._size == 0:
            act()
        else:
            self._when_empty = act

    @property
    def has_room(self) -> bool:
        """True if less than ROOM_BYTES wait."""
        return self._size < ROOM_BYTES

    def when_room(self, act: Callable[[], None]) -> None:
        """Call act(), in a turn of its own, as soon as there is room; never if the connection is lost before that."""
        self._when_room = act
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        if self._when_room is not None and self.has_room and not self._is_dropped:
            act, self._when_room = self._when_room, None
            self._flusher.rounds.soon(act)

    def flush(self) -> None:
        """Write what is ready, as far as the socket takes it now; a greenlet writes the rest when it takes more."""
        self._is_scheduled = False
        if self._is_draining or self._is_dropped or not self._ready:
            return
        try:
            self._send()
        except Exception as error:
            self._broke(error)
        if self._ready:
            self._is_draining = True
            gevent.spawn(self._drain)

    def _overflow(self) -> None:
        """Flush first: only what the socket does not take then shows that the peer does not read."""
        if not self._is_draining:
            self.flush()
        if self._size > self._limit:
            self._drop(BufferError(f"{self._size} bytes wait for a peer that does not read"))

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
            try:
                self._transport.wait_writable()
                self._send()
            except Exception as error:
                self._broke(error)
        self._is_draining = False

    def _broke(self, error: Exception) -> None:
        if not isinstance(error, OSError):
            log.error("writing failed", exc_info=error)
        self._drop(error)

    # -- behind the disk

    def _hold(self, data: bytes, ticket: Ticket) -> None:
        if self._held and self._held[-1][0] is ticket:
            self._held[-1][1].append(data)
        else:
            self._held.append((ticket, [data]))
            ticket.when_closed(self._release)

    def _release(self) -> None:
        """Move to the ready bytes what waits for no open ticket any more."""
        while self._held and not self._held[0][0].is_open:
            ticket, waiting = self._held.pop(0)
            if ticket.failed is not None:
                self._held.clear()
                self._size = sum(map(len, self._ready))
                self._failed(ticket.failed)
                return
            self._ready += waiting
        if self._ready:
            self._schedule()

    def _drop(self, reason: Exception) -> None:
        if self._is_dropped:
            return
        self._is_dropped = True
        self._ready = []
        self._held.clear()
        self.lost, self._size = self._size, 0
        self._when_room = None
        try:
            self._failed(reason)
            if self._when_empty is not None:
                self._when_empty()
        except Exception:
            log.exception("the end of what could not be written failed")
