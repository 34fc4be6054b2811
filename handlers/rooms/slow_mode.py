"""XEP-0500: where a room is in slow mode, people wait between two messages, whatever their nick and on all devices."""

import time

from handlers.rooms.configuration import SLOW_MODE_MOST
from handlers.rooms.ranks import Standing
from handlers.rooms.room import Occupant, Room
from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

MOST = 50_000
"""So many people are remembered, of all rooms together; beyond it, those who have not spoken for longest are not."""


class LastSaid:
    """When people have said something in rooms in slow mode, by time.monotonic; the latest last. It stays when they
    leave, or are the last to leave: who enters again has not waited by that."""

    def __init__(self) -> None:
        self._at: dict[tuple[int, JID], float] = {}

    def __len__(self) -> int:
        return len(self._at)

    def of(self, room: Room, account: JID) -> float | None:
        """When somebody has said something in a room; None where that is long ago."""
        return self._at.get((room.number, account))

    def note(self, room: Room, account: JID, now: float) -> None:
        """Somebody says something in a room."""
        self._at.pop((room.number, account), None)
        self._at[room.number, account] = now
        first = next(iter(self._at))
        while len(self._at) > MOST or self._at[first] < now - SLOW_MODE_MOST:
            del self._at[first]
            first = next(iter(self._at))


def refuse_too_soon(room: Room, occupant: Occupant, stanza: Stanza) -> None:
    """Raise StanzaError where somebody has to wait before it says this."""
    if not room.configuration.slow_mode_duration or not _is_slowed(room, occupant, stanza):
        return
    seconds, last = room.configuration.slow_mode_duration, room.server.state(LastSaid).of(room, occupant.account)
    left = 0 if last is None else last + seconds - time.monotonic()
    if left > 0:
        raise StanzaError(
            "policy-violation",
            f"this room is in slow mode: you have to wait {seconds} seconds between messages, "
            f"and can send the next one in {int(left) + 1} seconds",
            type="wait",
        )


def note(room: Room, occupant: Occupant, stanza: Stanza) -> None:
    """Somebody has said this, and nobody has refused it."""
    if room.configuration.slow_mode_duration and _is_slowed(room, occupant, stanza):
        room.server.state(LastSaid).note(room, occupant.account, time.monotonic())


def _is_slowed(room: Room, occupant: Occupant, stanza: Stanza) -> bool:
    """Whatever has a body counts, and whoever is neither admin nor owner (section "Server-side rate limiting")."""
    return names.BODY in stanza.child_tags and not Standing(room.affiliation(occupant.account)).is_at_least("admin")
