"""How many people somebody writes to in private, of those in rooms with it, who have not written to it first (7.5).

Who comes to a room and writes to everybody in it is not let to. Members, who are known in a room, write to more people,
and moderators, owners and admins to all.
"""

import time
from collections import Counter, OrderedDict

from handlers.admin.roles import are_apart
from handlers.rooms.ranks import Standing
from handlers.rooms.room import Occupant, Room
from handlers.rooms.settings import RoomSettings
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

SECONDS = 3600.0
BOUND = 100_000
"""So many pairs are remembered."""
TIMES_FOR_MEMBERS = 10
"""Anybody may register with an open room, so members are not quite free either (7.10)."""


class Written:
    """Who has written to whom of late, in whatever room, by account; the earliest first."""

    def __init__(self) -> None:
        self._at: OrderedDict[tuple[JID, JID], float] = OrderedDict()
        self._addressees = Counter[JID]()

    def __len__(self) -> int:
        return len(self._at)

    def note(self, sender: JID, addressee: JID, now: float, most: int | None) -> bool:
        """Note that one writes to another one, who may have written first. False, and nothing is noted, if it would be
        more than so many people. `now`: on the monotonic clock."""
        while self._at and next(iter(self._at.values())) <= now - SECONDS:
            self._forget_first()
        if (sender, addressee) in self._at or (addressee, sender) in self._at:
            return True
        if most is not None and self._addressees[sender] >= most:
            return False
        if len(self._at) >= BOUND:
            self._forget_first()
        self._at[sender, addressee] = now
        self._addressees[sender] += 1
        return True

    def _forget_first(self) -> None:
        (sender, _), _ = self._at.popitem(last=False)
        self._addressees[sender] -= 1
        if not self._addressees[sender]:
            del self._addressees[sender]


def refuse_apart(room: Room, sender: Occupant, addressee: Occupant) -> None:
    """Raise StanzaError if one of them may exchange nothing with people of other servers, and the other is there. What
    is said to all in the room they hear from each other."""
    if are_apart(room.server, sender.account, addressee.account):
        raise StanzaError("forbidden", "nothing goes between the two of you in private")


def refuse_too_many(room: Room, sender: Occupant, addressee: Occupant) -> None:
    """Count that an occupant writes to another one. Raises StanzaError if these are too many within an hour."""
    if sender.account == addressee.account:
        return
    most = _most(room, room.standing_of(sender))
    if not room.server.state(Written).note(sender.account, addressee.account, time.monotonic(), most):
        raise StanzaError("policy-violation", "you write to too many people who do not know you", type="wait")


def _most(room: Room, standing: Standing) -> int | None:
    most = room.server.settings(RoomSettings).strangers_written_to_per_hour
    if standing.has_role("moderator") or standing.is_at_least("admin"):
        return None
    return most * TIMES_FOR_MEMBERS if standing.is_at_least("member") else most
