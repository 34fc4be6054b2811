"""XEP-0045: the rooms of this server: those in memory, and how they get there, come into being and end.

A room that nobody is in is not in memory.
"""

import time
from collections import Counter
from collections.abc import Iterator
from secrets import token_bytes
from typing import TYPE_CHECKING, Literal, NamedTuple

from db import rooms, rooms_passing
from db.rooms import Affiliation
from db.sqlite.memory import Remembered
from handlers.admin import upkeep
from handlers.rooms import configuration as configurations
from handlers.rooms.configuration import RoomConfiguration
from handlers.rooms.room import Occupant, Room
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.routing.delivery import STOP

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SECRET_BYTES = 32


class Rooms:
    """The rooms that somebody is in, or that are being configured, by their addresses; and in how many each session is
    that has `entered` any."""

    def __init__(self) -> None:
        self.here: dict[JID, Room] = {}
        self.entered = Counter[JID]()

    def __iter__(self) -> Iterator[Room]:
        return iter(tuple(self.here.values()))


class Lately(NamedTuple):
    """A room that nobody is in, and that somebody has asked for; its weight as it was then."""

    room: Room
    weight: int


ROOM_WEIGHT = 100  # as heavy as so many people that are something in it
LATELY = Remembered[Lately](bound=50_000, weigh=lambda lately: lately.weight)
"""So that nobody has all that is kept of a room read with each message to it from outside."""


def find(server: "Server", address: JID) -> Room | None:
    """The room at this address, from memory or as it is kept; None where there is none."""
    room = server.state(Rooms).here.get(address)
    if room is not None:
        return room
    kept = rooms.find(server.db, address)
    if kept is None:
        return None
    lately: Lately | None = server.db.memory[LATELY].get(address)
    if lately is not None and lately.room.number == kept.id:
        return lately.room
    room = Room(server, kept)
    server.db.memory[LATELY].put(address, Lately(room, ROOM_WEIGHT + len(room.affiliations) + room.hats.given))
    return room


def existing(server: "Server", address: JID) -> Room:
    """The same; raises StanzaError if there is none."""
    room = find(server, address)
    if room is None:
        raise StanzaError("item-not-found", "there is no such room")
    return room


def open_to(server: "Server", address: JID, account: JID | None = None) -> Room:
    """The same; one that is locked is not there, but for its creator, if that is who asks."""
    room = existing(server, address)
    if room.is_locked and account != room.creator:
        raise StanzaError("item-not-found", "there is no such room")
    return room


def create(
    server: "Server", address: JID, creator: JID, wanted: RoomConfiguration, *, is_owned: bool = True
) -> Room:
    """Make a room, locked and in memory; who makes it owns it, unless it is to have no owner."""
    secret = token_bytes(SECRET_BYTES)
    with server.db.change():
        number = rooms.create(
            server.db, address, creator, configurations.to_text(wanted), is_public=wanted.publicroom, secret=secret,
            at=time.time(),
        )  # fmt: skip
        rooms_passing.put(server.db, number, is_locked=True)
        if is_owned:
            rooms.put_affiliations(server.db, number, [(creator, Affiliation("owner"))])
    kept = rooms.find(server.db, address)
    assert kept is not None
    room = Room(server, kept, is_locked=True)
    room.is_history_whole = True
    server.state(Rooms).here[address] = room
    return room


def keep_in_memory(room: Room) -> None:
    """Somebody is in it now."""
    room.server.state(Rooms).here[room.address] = room


def let_go_if_empty(room: Room) -> None:
    """Nobody may be in it any more: then it is not in memory, and gone if it was not to stay."""
    if room.occupants:
        return
    if room.is_locked or not room.configuration.persistentroom:
        remove(room)
    else:
        let_go(room)


def destroy(room: Room, *, until: float, venue: str, reason: str) -> None:
    """Nobody is in it any more, and nobody enters one of its name until then."""
    let_go(room)
    rooms.destroy(room.server.db, room.number, room.address, until=until, venue=venue, reason=reason)
    upkeep.note_left(room.server)


def remove(room: Room) -> None:
    """It was never there."""
    let_go(room)
    rooms.remove(room.server.db, room.number)
    upkeep.note_left(room.server)


def let_go(room: Room) -> None:
    """Nobody is in it any more, and it is kept all the same."""
    room.server.state(Rooms).here.pop(room.address, None)
    room.server.db.memory[LATELY].forget(room.address)


def note_entered(room: Room, occupant: Occupant, session: JID) -> None:
    """ROOM_ENTERED: it is in one room more."""
    room.server.state(Rooms).entered[session] += 1


def note_left(room: Room, occupant: Occupant, session: JID) -> None:
    """ROOM_LEFT: it is in one room less."""
    entered = room.server.state(Rooms).entered
    entered[session] -= 1
    if not entered[session]:
        del entered[session]


def keep_link(server: "Server", ours: str, theirs: str) -> Literal["stop"] | None:
    """LINK_IDLE: that people of another domain are in rooms here is not forgotten there while the link stands."""
    if not server.runs(ours):
        return None
    return STOP if any(session.domain == theirs for session in server.state(Rooms).entered) else None


def forget_lately(server: "Server", address: JID) -> None:
    """What is kept of a room that nobody is in is another than it was."""
    server.db.memory[LATELY].forget(address)
