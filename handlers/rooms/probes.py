"""XEP-0045 section 16.3: probes, by which who is in a room, or its server, learns what it may have missed."""

from typing import TYPE_CHECKING

from handlers.rooms import presence
from handlers.rooms.presence import Change
from handlers.rooms.room import Occupant, Room
from handlers.rooms.rooms_here import Rooms
from handlers.rooms.telling import tell_each
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def answer(server: "Server", stanza: Stanza) -> None:
    """The presence of the occupant that is asked about, as the asker sees it; of the room, the asker's own. Of who is
    away, but has the nick, that it is. Others than those in the room learn nothing."""
    assert stanza.to is not None and stanza.sender is not None
    room = server.state(Rooms).here.get(stanza.to.bare)
    asker = None if room is None else _asker(room, stanza.sender)
    if room is None or asker is None:
        return
    answer = _presence_of(room, stanza.to, asker)
    if answer is not None:
        sessions = [stanza.sender] if stanza.sender.is_full else [*asker.sessions]
        tell_each(room, [(session, answer) for session in sessions])


def _asker(room: Room, sender: JID) -> Occupant | None:
    """Who asks: a session, or the server of an account for what that has in the room."""
    if sender.is_full:
        return room.by_session.get(sender)
    return next(iter(room.of_account(sender)), None)


def _presence_of(room: Room, asked: JID, asker: Occupant) -> Stanza | None:
    occupant = asker if asked.is_bare else room.occupants.get(asked.resource)
    if occupant is not None:
        return presence.as_seen_by(room, occupant, asker) if presence.is_shown(room, occupant, asker) else None
    owner = room.reserved_by(asked.resource)
    if owner is None:
        return None
    away = Occupant(asked.resource, owner, room.id_of(owner), "none")
    return presence.to_nobody(room, away, Change(), is_own=False)
