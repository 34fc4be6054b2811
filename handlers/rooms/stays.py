"""Which sessions are in which rooms elsewhere, and when each room is asked whether they still are: the state of
rooms_elsewhere."""

from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from xmpp.data.jid import JID

if TYPE_CHECKING:
    import gevent

    from xmpp.routing.session import Session

FEW = 100


class Stay:
    """A session in a room elsewhere, or about to enter it until the room says that it `is_in`. `address` is its own in
    the room. `is_asked`: the server waits for the answer to a question. `missed`: how many questions in a row have not
    reached the room's server."""

    __slots__ = ("session", "address", "is_in", "is_asked", "is_over", "missed")

    def __init__(self, session: "Session", address: JID) -> None:
        self.session = session
        self.address = address
        self.is_in = self.is_asked = self.is_over = False
        self.missed = 0


class Stays:
    """The rooms elsewhere that a session is in or enters, by the address of the room."""

    def __init__(self) -> None:
        self.rooms: dict[JID, Stay] = {}


class Rounds:
    """When which room is asked. `due`: moments of time.monotonic, in order; stays that are over remain in there until
    their time comes, or until they are too many."""

    def __init__(self) -> None:
        self.due: list[tuple[float, int, Stay]] = []
        self.over = 0  # how many of them may be over
        self.under_way = 0  # questions that wait for an answer
        self.greenlet: gevent.Greenlet[..., None] | None = None
        self._numbers = count()

    def add(self, stay: Stay, at: float) -> None:
        """Ask about it then."""
        heappush(self.due, (at, next(self._numbers), stay))

    def take(self, now: float) -> Stay | None:
        """One that is due, or None; out of the list then."""
        while self.due and (self.due[0][0] <= now or self.due[0][2].is_over):
            stay = heappop(self.due)[2]
            if not stay.is_over:
                return stay
        return None

    def note_over(self) -> None:
        """One more is over."""
        self.over += 1
        if self.over > FEW and 2 * self.over > len(self.due):
            self.due = [each for each in self.due if not each[2].is_over]
            heapify(self.due)
            self.over = 0
