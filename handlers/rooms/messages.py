"""XEP-0045 sections 7.4 and 8.1: what is said to all, and the subject."""

from typing import TYPE_CHECKING

from handlers.messages.occupants import HATS, OCCUPANT_ID
from handlers.messages.stanza_ids import STANZA_ID
from handlers.rooms import history
from handlers.rooms.room import Occupant, Room, find
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import X, tell
from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SUBJECT = f"{{{names.CLIENT}}}subject"
THREAD = f"{{{names.CLIENT}}}thread"
OURS = frozenset({OCCUPANT_ID, HATS, STANZA_ID, X})
"""What a room says of a message, and nobody else."""


def receive_groupchat(server: "Server", stanza: Stanza) -> None:
    """A message of type groupchat to the room: the subject, or something for all to read (7.4, 8.1)."""
    assert stanza.to is not None and stanza.sender is not None
    room = find(server, stanza.to)
    if room is None or room.is_locked:
        raise StanzaError("item-not-found", "there is no such room")
    occupant = room.by_session.get(stanza.sender)
    if occupant is None:
        raise StanzaError("not-acceptable", "you are not in this room", type="cancel")
    if _is_subject(stanza):
        _set_subject(room, occupant, stanza)
        return
    if occupant.role == "visitor":
        raise StanzaError("forbidden", "visitors only listen in this room")
    reflected = reflect(room, occupant, stanza)
    tell(room, reflected)
    if names.BODY in stanza.child_tags:
        history.remember(room, reflected)


def reflect(room: Room, occupant: Occupant, stanza: Stanza) -> Stanza:
    """A message as all occupants get it, from the occupant's address in the room; without an addressee."""
    if not OURS.isdisjoint(stanza.child_tags):
        stanza = stanza.without(lambda child: child.tag in OURS)
    id = f'<occupant-id xmlns="urn:xmpp:occupant-id:0" id="{occupant.id}"/>'.encode()
    return stanza.with_last(id, OCCUPANT_ID).sent_by(room.address.with_resource(occupant.nick))


def _is_subject(stanza: Stanza) -> bool:
    """A message with a subject, and neither body nor thread (8.1)."""
    return SUBJECT in stanza.child_tags and names.BODY not in stanza.child_tags and THREAD not in stanza.child_tags


def _set_subject(room: Room, occupant: Occupant, stanza: Stanza) -> None:
    may = occupant.role == "moderator" or (room.configuration.changesubject and occupant.role == "participant")
    if not may:
        raise StanzaError("forbidden", "you may not change the subject of this room")
    element = stanza.child(SUBJECT)
    text = "" if element is None else element.text or ""
    if len(text.encode()) > room.server.settings(RoomSettings).max_subject_bytes:
        raise StanzaError("not-acceptable", "the subject is too long")
    room.set_subject(text, occupant.nick)
    tell(room, reflect(room, occupant, stanza))
