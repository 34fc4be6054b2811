"""What is being handled just now, and what has been stored meanwhile: whoever is told of it is told once that is safe.

A stanza of a client, a portion of what is done for many, one stanza of what is sent in bulk, the work of a timer: each
is begun by `with Handled():`, and whatever runs in it says `handled()`. Each greenlet handles one thing at a time, and
goes on with the same when it has waited; the callbacks of the loop share one greenlet, so each begins its own.
"""

from contextvars import ContextVar
from types import TracebackType
from typing import Self

from xmpp.running.tickets import Ticket


class Handled:
    """One thing that is being handled, for as long as a `with` block lasts; within another one it stands for itself.

    `ticket` is that of what was stored last, None where that is nothing: what is told meanwhile waits for it. Who tells
    of what was stored before begins it with that ticket. `works_left`: how many of the works that it has begun in
    portions are not done yet.
    """

    __slots__ = ("ticket", "works_left", "_token")

    def __init__(self, ticket: Ticket | None = None) -> None:
        self.ticket = ticket
        self.works_left = 0

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _current.reset(self._token)  # so that a greenlet that only waits keeps nothing


_current: ContextVar[Handled] = ContextVar("handled")


def handled() -> Handled:
    """What this greenlet is handling: where nothing was begun, all that it does is one thing."""
    try:
        return _current.get()
    except LookupError:
        return Handled().__enter__()
