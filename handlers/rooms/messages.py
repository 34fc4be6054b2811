"""XEP-0045 sections 7.4 and 8.1: what is said to all, and the subject."""

import time
from typing import TYPE_CHECKING

from handlers.archive import recording, rules
from handlers.messages import delay, stanza_ids
from handlers.messages.occupants import HATS, OCCUPANT_ID, occupant_id
from handlers.messages.payloads import MAV
from handlers.messages.stanza_ids import STANZA_ID
from handlers.rooms import activity, history, rates, slow_mode, tombstones
from handlers.rooms.occasions import ROOM_SAID, ROOM_TOLD, Saying
from handlers.rooms.recent import Said
from handlers.rooms.room import Occupant, Room
from handlers.rooms.rooms_here import open_to
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import X, tell
from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SUBJECT = f"{{{names.CLIENT}}}subject"
THREAD = f"{{{names.CLIENT}}}thread"
OURS = frozenset({OCCUPANT_ID, HATS, STANZA_ID, X, MAV})
"""What a room says of a message, and nobody else."""


def receive_groupchat(server: "Server", stanza: Stanza) -> None:
    """A message of type groupchat to the room: the subject, or something for all to read (7.4, 8.1)."""
    assert stanza.to is not None and stanza.sender is not None
    room = open_to(server, stanza.to)
    occupant = room.by_session.get(stanza.sender)
    if occupant is None:
        raise StanzaError("not-acceptable", "you are not in this room", type="cancel")
    if _is_subject(stanza):
        _set_subject(room, occupant, stanza)
        return
    if occupant.role == "visitor":
        raise StanzaError("forbidden", "visitors only listen in this room")
    _spend(room, stanza)
    tombstones.refuse_forged(stanza)
    slow_mode.refuse_too_soon(room, occupant, stanza)
    reflected = reflect(room, occupant, stanza)
    if tombstones.RETRACT in stanza.child_tags:
        _take_back(room, occupant, stanza, reflected)
    else:
        say(room, stanza.sender, reflected, rules.text_if_worthy_in_a_room(stanza))
        activity.count(room, stanza)
    slow_mode.note(room, occupant, stanza)


def _spend(room: Room, stanza: Stanza) -> None:
    assert stanza.sender is not None
    rates.refuse_while_behind(room)
    rates.spend_message(room, stanza.sender.bare)
    rates.spend_told(room, stanza.sender.bare, len(stanza.wire()))


def _take_back(room: Room, occupant: Occupant, stanza: Stanza, reflected: Stanza) -> None:
    """XEP-0424. Such a message is kept in any case (section "Business Rules")."""
    assert stanza.sender is not None
    original = tombstones.taken_back_by(room, occupant, stanza)
    say(room, stanza.sender, reflected, rules.text_if_worthy_in_a_room(stanza) or "")
    if original is not None and stanza.id:
        tombstones.bury(room, original, stanza.id, time.time())


def say(room: Room, sender: JID, stanza: Stanza, text: str | None) -> None:
    """Tell all occupants a message of a session, or of the room itself. It has an id and is kept where there is a text,
    by which it is found; that may raise StanzaError."""
    if text is None:
        tell(room, stanza)
        return
    now = time.time()
    id = recording.new_id(room.server, int(now * 1000))
    saying = Saying(room, sender, stanza, text, id, int(now * 1000))
    for step in room.server.tables[ROOM_SAID]:
        step(saying)
    said = stanza_ids.with_id(stanza, room.address, id)
    tell(room, said)
    if names.BODY in said.child_tags:
        history.remember(room, Said(said, now, id))
    for told in room.server.tables[ROOM_TOLD]:
        told(saying)


def reflect(room: Room, occupant: Occupant, stanza: Stanza) -> Stanza:
    """A message as all occupants get it, from the occupant's address in the room; without an addressee."""
    if not OURS.isdisjoint(stanza.child_tags):
        stanza = stanza.without(lambda child: child.tag in OURS)
    if delay.DELAY in stanza.child_tags:  # by which clients tell what is new from the history
        own = (room.address, room.address.domain)
        stanza = stanza.without(lambda child: child.tag == delay.DELAY and child.get("from", "").lower() in own)
    return stanza.with_last(occupant_id(occupant.id), OCCUPANT_ID).sent_by(room.address.with_resource(occupant.nick))


def _is_subject(stanza: Stanza) -> bool:
    """A message with a subject, and neither body nor thread (8.1)."""
    return SUBJECT in stanza.child_tags and names.BODY not in stanza.child_tags and THREAD not in stanza.child_tags


def _set_subject(room: Room, occupant: Occupant, stanza: Stanza) -> None:
    assert stanza.sender is not None
    may = occupant.role == "moderator" or (room.configuration.changesubject and occupant.role == "participant")
    if not may:
        raise StanzaError("forbidden", "you may not change the subject of this room")
    _spend(room, stanza)
    element, most = stanza.child(SUBJECT), room.server.settings(RoomSettings).max_subject_bytes
    text = "" if element is None else element.text or ""
    if any(len((each.text or "").encode()) > most for each in stanza.children(SUBJECT)):
        raise StanzaError("not-acceptable", "the subject is too long")
    say(room, stanza.sender, reflect(room, occupant, stanza), text)
    room.set_subject(text, occupant)
