"""What one account may do in rooms in a time, so that nobody costs a room, or the server, much more than others do.

What is over is refused; nobody is slowed down, or put out. It counts by account: to enter again, under another nick or
with another device, does not help. What all are told counts by its bytes as well, since that is what it costs.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from handlers.contacts.access import sees_presence
from handlers.rooms.room import Room
from handlers.rooms.settings import RoomSettings
from xmpp.data import rates
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

BOUND = 100_000
"""So many accounts and rooms are remembered for each rate."""
PRESENCE_BYTES = 400
"""What presence in a room takes, beside what its occupant says."""


class Rate(NamedTuple):
    """So much in so many seconds."""

    most: Callable[[RoomSettings], int]
    seconds: float
    refusal: str


MESSAGES = Rate(attrgetter("messages_per_minute"), 60.0, "you say too much in this room at once")
PRESENCES = Rate(attrgetter("presences_per_minute"), 60.0, "you change your presence in this room too often")
NICKS = Rate(attrgetter("nick_changes_per_minute"), 60.0, "you change your nick too often")
ENTERINGS = Rate(attrgetter("enterings_per_minute"), 60.0, "you enter this room too often")
ALL_ENTERINGS = Rate(attrgetter("enterings_per_hour"), 3600.0, "you enter rooms too often")
INVITATIONS = Rate(attrgetter("invitations_per_hour"), 3600.0, "you invite too many people who do not know you")
NOTICES = Rate(lambda settings: 500, 3600.0, "you change what too many people are who do not know you")
VOICE_REQUESTS = Rate(lambda settings: 1, 60.0, "you have asked just now")
ROOMS_MADE = Rate(attrgetter("rooms_made_per_day"), 86_400.0, "you make too many rooms in one day")
BYTES = Rate(attrgetter("told_bytes_per_minute"), 60.0, "you have rooms tell too much at once")


class Counted(OrderedDict[tuple[JID, JID | int | None], float]):
    """What one rate counts, by account and room, the one that was asked about last at the end: see `rates.spend`, on
    the monotonic clock. What is past says nothing, and is forgotten."""

    def forget_some(self, now: float) -> None:
        """Make room for one more: forget a little more than is added, while what is the oldest is past."""
        for _ in range(2):
            if not self or (next(iter(self.values())) > now and len(self) < BOUND):
                return
            self.popitem(last=False)


class PaidUntil(defaultdict[Rate, Counted]):
    """What is counted, by rate."""

    def __init__(self) -> None:
        super().__init__(Counted)


def spend(server: "Server", account: JID, rate: Rate, amount: float = 1.0, *, room: JID | int | None = None) -> None:
    """Count something against the rate of an account: in this room, which is one by its number and another one by that
    if it is made anew, or by its address; or in all rooms. Raises StanzaError if it is too much."""
    counted, now, key = server.state(PaidUntil)[rate], time.monotonic(), (account, room)
    then = rates.spend(counted.get(key, 0.0), now, amount, rate.most(server.settings(RoomSettings)), rate.seconds)
    if then is None:
        raise StanzaError("policy-violation", rate.refusal, type="wait")
    if key not in counted:
        counted.forget_some(now)
    counted[key] = then
    counted.move_to_end(key)


def spend_message(room: Room, account: JID) -> None:
    """Something that is said to the room, or to one in it. Raises StanzaError."""
    spend(room.server, account, MESSAGES, room=room.number)


def refuse_while_behind(room: Room) -> None:
    """Raise StanzaError while a room has more to tell than it can in a while: what is said would be told as much later,
    and later and later, as many as speak there."""
    if room.untold * len(room.by_session) > room.server.settings(RoomSettings).max_untold_copies:
        raise StanzaError("resource-constraint", "too many speak in this room at once")


def spend_told(room: Room, account: JID, size: int, times: int = 1) -> None:
    """Bytes that all in the room are told, so many times. Raises StanzaError, also if the room has too much to tell
    already."""
    waiting = room.server.portions.held(room.address)
    if waiting and waiting + size > room.server.settings(RoomSettings).max_untold_bytes:
        raise StanzaError("resource-constraint", "too many speak in this room at once")
    spend(room.server, account, BYTES, size * times * len(room.by_session))


def spend_presence(room: Room, account: JID, said: bytes, rate: Rate, times: int) -> None:
    """Presence that all in the room are told, so many times. Raises StanzaError."""
    spend(room.server, account, rate, room=room.number)
    spend_told(room, account, PRESENCE_BYTES + len(said), times)


def spend_changes(room: Room, account: JID, changes: int) -> None:
    """So many changes of what people are in the room, of which all are told. Raises StanzaError. One request takes half
    of what there is at most, since all of a large room may change at once; and whoever puts people out does so however
    much the room has to tell."""
    size, most = PRESENCE_BYTES * changes * len(room.by_session), BYTES.most(room.server.settings(RoomSettings))
    spend(room.server, account, BYTES, min(size, most / 2))


def spend_on_strangers(server: "Server", sender: JID, people: Iterable[JID], rate: Rate = INVITATIONS) -> None:
    """Count these people, who hear of somebody by way of a room, but for those who show it their presence. Raises
    StanzaError if they are too many."""
    is_ours = server.ownership.is_ours
    strangers = sum(not is_ours(each) or not sees_presence(server, each.bare, sender) for each in people)
    if strangers:
        spend(server, sender, rate, strangers)
