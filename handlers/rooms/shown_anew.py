"""XEP-0045 sections 7.2.2 to 7.2.4 and 10.2: what those in a room see of each other once it is configured in another
way: addresses that anyone may see from now on, and roles whose presence is shown, or is not any more."""

from collections.abc import Iterator
from typing import NamedTuple

from handlers.rooms.configuration import RoomConfiguration
from handlers.rooms.presence import PLAIN, Views, those_here
from handlers.rooms.room import Occupant, Room
from handlers.rooms.telling import tell_each, unless_back
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

MOST_SESSIONS = 500
"""In a room of more it would be a storm: there everybody sees the others as before until these say something new."""


class _Seen(NamedTuple):
    """An occupant, and whether others were shown its presence before, and are now."""

    occupant: Occupant
    before: bool
    now: bool


def show_anew(room: Room, before: RoomConfiguration) -> None:
    """Tell everybody what he sees now and did not see before, and what he does not see any more. Occupants still have
    the roles that they had before."""
    now = room.configuration
    opens = before.is_anonymous and not now.is_anonymous
    if not opens and set(before.presencebroadcast) == set(now.presencebroadcast):
        return
    if len(room.by_session) > MOST_SESSIONS:
        return
    seen = [
        _Seen(each, each.role in before.presencebroadcast, each.role in now.presencebroadcast)
        for each in room.occupants.values()
    ]
    told = (told for each in seen if each.occupant.sessions for told in _told_of(room, each, opens))
    tell_each(room, unless_back(room, told))


def _told_of(room: Room, seen: _Seen, opens: bool) -> Iterator[tuple[JID, Stanza]]:
    occupant = seen.occupant
    if not seen.before and not seen.now:
        return
    session, said = occupant.shown
    views = Views(room, occupant, PLAIN, None if seen.now else "unavailable", session, said if seen.now else b"")
    for to, viewer in those_here(room):
        if viewer is not occupant and (seen.before != seen.now or (opens and viewer.role != "moderator")):
            yield to, views.of(viewer)
