"""XEP-0502: how many messages an hour are sent in a public room, from counters of hours in memory."""

import time
from array import array

from handlers.rooms.room import Room
from xmpp.data import names
from xmpp.data.stanza import Stanza

FIELD = "{urn:xmpp:muc-activity}message-activity"
CORRECTS = "{urn:xmpp:message-correct:0}replace"
HOUR_SECONDS = 3_600
HOURS = 25
"""A day that is whole, and the hour that has begun."""
MOST_ROOMS = 20_000
"""So many rooms are counted in; beyond it, those in which nothing was said for longest are not known any more."""


class Hours:
    """The messages of one room in the hour that it was counted in last, and in those before, that one first."""

    __slots__ = ("last", "_counters")

    def __init__(self, hour: int) -> None:
        self.last = hour
        self._counters = array("L", [0] * HOURS)

    def count(self, hour: int) -> None:
        """One more in this hour."""
        self._shift_to(hour)
        self._counters[0] += 1

    def since(self, hour: int) -> int:
        """How many there were in this hour and later."""
        return sum(self._counters[: max(self.last - hour + 1, 0)])

    def _shift_to(self, hour: int) -> None:
        passed = min(max(hour - self.last, 0), HOURS)
        if passed:
            self._counters = array("L", [0] * passed) + self._counters[: HOURS - passed]
            self.last = hour


class Activity:
    """The messages of all rooms in the hours of the last day, as far as the server has run; the room in which somebody
    has spoken last is the last. They stay when nobody is in a room. All times are in seconds since 1970."""

    def __init__(self) -> None:
        self._rooms: dict[int, Hours] = {}  # by number
        self._forgotten_at = 0.0

    def __len__(self) -> int:
        return len(self._rooms)

    def count(self, room: int, now: float) -> None:
        """One more message in a room."""
        hour = int(now // HOUR_SECONDS)
        hours = self._rooms.pop(room, None) or Hours(hour)
        hours.count(hour)
        self._rooms[room] = hours
        if len(self._rooms) > MOST_ROOMS:
            del self._rooms[next(iter(self._rooms))]
            self._forgotten_at = now

    def per_hour(self, room: int, now: float, began: float) -> float | None:
        """How many messages an hour there were in the last day, or since the server `began`; None: not known."""
        first = int(now // HOUR_SECONDS) - HOURS + 1
        if room not in self._rooms:
            return 0.0 if now - self._forgotten_at > HOURS * HOUR_SECONDS else None
        seconds = now - max(began, first * HOUR_SECONDS)
        return self._rooms[room].since(first) / max(seconds / HOUR_SECONDS, 1.0)


def count(room: Room, stanza: Stanza) -> None:
    """Count what somebody has said to all in a room, if it is more than a correction of what was counted before."""
    if names.BODY in stanza.child_tags and CORRECTS not in stanza.child_tags and _is_told(room):
        room.server.state(Activity).count(room.number, time.time())


def of(room: Room) -> str | None:
    """How many messages an hour there are, in text; None where nobody is told."""
    if not _is_told(room):
        return None
    per_hour = room.server.state(Activity).per_hour(room.number, time.time(), room.server.started_at)
    return None if per_hour is None else f"{per_hour:.2f}"


def _is_told(room: Room) -> bool:
    """Of rooms that are listed, and that everybody may enter (section "Privacy Considerations")."""
    told = room.configuration
    return told.publicroom and told.persistentroom and not told.membersonly and not told.passwordprotectedroom
