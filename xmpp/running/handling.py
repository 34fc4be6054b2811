"""What is being handled just now, and the ticket of what it has stored: what it sends waits until that is on the disk.

A client's stanza, a portion of a larger work, one stanza of a bulk, the work of a timer: each is begun by
`with Handled():`, and whatever runs inside can call `handled()`. A greenlet handles one thing at a time, and still
handles the same after it has waited. The callbacks of the loop share one greenlet, so each begins its own.
"""

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from xmpp.running.tickets import Ticket


class Handled:
    """One thing that is being handled, for as long as a `with` block lasts. It shares nothing with one around it.

    `ticket` is that of what was stored last, or None: what is sent meanwhile waits for it. To tell somebody of what was
    stored earlier, begin with the ticket of that. If the ticket fails, all that is handled here is lost: the storage
    takes nothing more of it. `works_left`: how many works begun here in portions are not done yet.
    """

    __slots__ = ("ticket", "works_left", "_token")

    def __init__(self, ticket: Ticket | None = None) -> None:
        self.ticket = ticket
        self.works_left = 0

    @property
    def is_lost(self) -> bool:
        """True if what was stored here has been undone."""
        return self.ticket is not None and self.ticket.failed is not None

    def raise_if_lost(self) -> None:
        """Raise what the ticket has failed with, for whoever would write or tell more as if all were well."""
        if self.ticket is not None and self.ticket.failed is not None:
            raise self.ticket.failed

    def forget_lost(self) -> None:
        """Go on as if nothing had been stored, because whoever asked for it is told so."""
        if self.is_lost:
            self.ticket = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _current.reset(self._token)  # or a greenlet that only waits would keep it in memory


_current: ContextVar[Handled] = ContextVar("handled")


def handled() -> Handled:
    """What this greenlet is handling. If nothing was begun, one is begun now, for all that the greenlet does."""
    try:
        return _current.get()
    except LookupError:
        return _Unbegun().__enter__()


class _Unbegun(Handled):
    """What a greenlet handles that has begun nothing. It has no end, so what was lost is only forgotten: or nothing
    could ever be stored there again."""

    __slots__ = ()

    def raise_if_lost(self) -> None:
        self.forget_lost()


def even_if_lost() -> AbstractContextManager[object]:
    """For what has to be done in any case: if what is being handled is lost, it is something of its own."""
    return Handled() if handled().is_lost else nullcontext()
