"""Who of the people of a room has been in it, and what they have not read: kept for as long as they belong to it.

By that clients learn what is new in rooms that they are not in (room_activity), and people are known by the nick under
which they were there (absent_members).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from logging import getLogger
from typing import TYPE_CHECKING

from db import room_visits
from handlers.push.events import is_worth_reading
from handlers.rooms.occasions import Saying
from handlers.rooms.room import NOBODY, Occupant, Room
from xmpp.data.jid import JID
from xmpp.running.handling import Handled
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = getLogger(__name__)

BELONG = frozenset({"owner", "admin", "member"})


class Told:
    """The rooms in which something was said since somebody left, by number: it is kept already that there is news."""

    def __init__(self) -> None:
        self.rooms: set[int] = set()


def belongs(room: Room, account: JID) -> bool:
    """Whether somebody belongs to a room: by itself, and not only as one of its domain, which nobody has asked."""
    return room.affiliations.get(account, NOBODY).affiliation in BELONG


def note_said(saying: Saying) -> None:
    """ROOM_TOLD: there is news for who has left; a write for the first message after somebody did."""
    room, told = saying.room, saying.room.server.state(Told).rooms
    if room.number not in told and is_worth_reading(saying.stanza.element):
        told.add(room.number)
        with _whatever_becomes_of_it(room.server):
            room_visits.said(room.server.db, room.number)


def note_left(room: Room, occupant: Occupant, session: JID) -> None:
    """ROOM_LEFT: an account that is not in the room any more has read all that was said."""
    if occupant.account not in room.accounts and belongs(room, occupant.account):
        room.server.state(Told).rooms.discard(room.number)
        with _whatever_becomes_of_it(room.server):
            room_visits.left(room.server.db, room.number, occupant.account, occupant.nick)
    if not room.occupants:
        room.server.state(Told).rooms.discard(room.number)


def forget(room: Room, people: Collection[JID]) -> None:
    """ROOM_PEOPLE_CHANGED: nothing is kept of those who do not belong to it any more."""
    strangers = [each for each in people if not belongs(room, each)]
    if strangers:
        with _whatever_becomes_of_it(room.server):
            room_visits.forget(room.server.db, room.number, strangers)


@contextmanager
def _whatever_becomes_of_it(server: "Server") -> Iterator[None]:
    """Nobody waits for that to be on the disk, and nothing fails because it cannot be stored."""
    try:
        with Handled():
            yield
    except server.storage_errors as error:
        log_refusal(log, error, "what is new in a room is not kept")
