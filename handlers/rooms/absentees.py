"""Which of the people of a room are to be woken when something is said in it. Works on data alone.

Of thousands who are not there nearly all have been woken just now, so they are not even looked at: who is to be woken
by the next message is in `due`, who is left alone for a while is in a queue by the end of that.
"""

from collections import OrderedDict
from collections.abc import Iterable
from heapq import heappop, heappush
from math import inf

from handlers.rooms.mentions import Nicks
from xmpp.data.jid import JID

MAX_RESTING = 50_000
"""Accounts; beyond that the one is woken again that was woken longest ago."""
MOST_TIMES = 20
"""Nobody is left alone for longer than after so many."""


class Resting:
    """An account that is left alone `until` a moment (by the monotonic clock), after it was woken so many `times` and
    has not come since; and the rooms in which it may have something to be told after that."""

    __slots__ = ("times", "until", "rooms")

    def __init__(self) -> None:
        self.times = 0
        self.until = 0.0
        self.rooms: set[JID] = set()


class Absentees:
    """Those who belong to a room and have devices to be woken. `nicks`: by what they are mentioned, None as long as
    nobody has asked for that. `is_put_off`: some are to be woken a little later."""

    def __init__(self, people: Iterable[JID], here: Iterable[JID]) -> None:
        self.people = set(people)
        self.due = dict.fromkeys(self.people.difference(here))
        self.nicks: Nicks | None = None
        self.is_put_off = False
        self._queue: list[tuple[float, JID]] = []
        self._queued: dict[JID, float] = {}

    def add(self, account: JID, *, is_here: bool) -> None:
        """Somebody belongs to the room now, and has devices to be woken."""
        self.people.add(account)
        if not is_here:
            self.due[account] = None

    def remove(self, account: JID) -> None:
        """Somebody is nobody to be woken."""
        self.people.discard(account)
        self.due.pop(account, None)
        self.is_called(account, ())

    def is_called(self, account: JID, nicks: Iterable[str]) -> None:
        """Somebody is mentioned by these nicks from now on."""
        if self.nicks is not None:
            self.nicks.put(account, nicks)

    def wants(self, account: JID) -> None:
        """Somebody is to be woken by the next message."""
        if account in self.people:
            self.due[account] = None

    def rests(self, account: JID, until: float) -> None:
        """Somebody is left alone until then, or `wants` says otherwise."""
        self.due.pop(account, None)
        if until < self._queued.get(account, inf):
            self._queued[account] = until
            heappush(self._queue, (until, account))

    def wake_up(self, now: float) -> None:
        """Who was left alone until now is to be woken again."""
        while self._queue and self._queue[0][0] <= now:
            until, account = heappop(self._queue)
            if self._queued.get(account) == until:  # else there is another entry for it
                del self._queued[account]
                self.wants(account)


class AbsentMembers:
    """The rooms in memory in which something was said, with those who may have to be woken for it; and those who are
    left alone, the one last that was the last to be woken."""

    def __init__(self) -> None:
        self.rooms: dict[JID, Absentees] = {}
        self._resting: OrderedDict[JID, Resting] = OrderedDict()

    def is_resting(self, account: JID, room: JID, now: float) -> bool:
        """Whether somebody is left alone now, whatever it was woken for; if so, in this room too until that is over."""
        resting = self._resting.get(account)
        if resting is None or resting.until <= now:
            return False
        self._let_rest(account, room, resting)
        return True

    def was_woken(self, account: JID, room: JID, now: float, *, seconds: float, at_most: float) -> None:
        """Somebody was woken for a room, and is left alone for so many seconds; for twice as long each time that it
        does not come."""
        resting = self._resting_of(account)
        resting.until = now + min(seconds * 2**resting.times, max(seconds, at_most))
        resting.times = min(resting.times + 1, MOST_TIMES)
        self._let_rest(account, room, resting)

    def is_awake(self, account: JID, room: JID) -> None:
        """No device of an account is away: it is left alone until one goes."""
        resting = self._resting_of(account)
        resting.until = inf
        self._let_rest(account, room, resting)

    def goes(self, account: JID) -> None:
        """A device of an account was here until now, or never has been: it is to be woken."""
        resting = self._resting.pop(account, None)
        for room in resting.rooms if resting is not None else ():
            absentees = self.rooms.get(room)
            if absentees is not None:
                absentees.wants(account)

    def _resting_of(self, account: JID) -> Resting:
        resting = self._resting.setdefault(account, Resting())
        self._resting.move_to_end(account)
        if len(self._resting) > MAX_RESTING:
            self.goes(next(iter(self._resting)))
        return resting

    def _let_rest(self, account: JID, room: JID, resting: Resting) -> None:
        resting.rooms.add(room)
        absentees = self.rooms.get(room)
        if absentees is not None:
            absentees.rests(account, resting.until)
