"""XEP-0424, XEP-0425: what was taken back in a room, by who wrote it or by a moderator: a tombstone in its archive, and
nothing in the history that who enters gets."""

from typing import NamedTuple

from db import accounts, archive, archives
from handlers.archive import retraction
from handlers.messages.occupants import OCCUPANT_ID
from handlers.rooms.room import Occupant, Room
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.data.wire import wire

MODERATION = "urn:xmpp:message-moderate:1"
OLDER_MODERATION = "urn:xmpp:message-moderate:0"
OLDER_RETRACTION = "urn:xmpp:message-retract:0"
FASTENED = "urn:xmpp:fasten:0"
RETRACT = f"{{{retraction.NAMESPACE}}}retract"
APPLY_TO = f"{{{FASTENED}}}apply-to"
MODERATED = frozenset({f"{{{MODERATION}}}moderated", f"{{{OLDER_MODERATION}}}moderated"})
MAY_HOLD_THEM = frozenset({RETRACT, retraction.RETRACTED, APPLY_TO, *MODERATED})


class Original(NamedTuple):
    """A message that is known by its id here; `row` is that in the archive, None where it is in the history alone."""

    id: str
    stanza: Stanza
    at: float
    row: int | None

    @property
    def occupant_id(self) -> str | None:
        """By which its author is known."""
        element = self.stanza.child(OCCUPANT_ID)
        return None if element is None else element.get("id")

    @property
    def is_taken_back(self) -> bool:
        """Whether it is a tombstone."""
        return retraction.RETRACTED in self.stanza.child_tags

    @property
    def takes_back(self) -> bool:
        """Whether it takes another one back itself, which has to stay (XEP-0424 section "Business Rules")."""
        return RETRACT in self.stanza.child_tags


def refuse_forged(stanza: Stanza) -> None:
    """Raise StanzaError where somebody says what the room alone says: that a moderator has done something."""
    if MAY_HOLD_THEM.isdisjoint(stanza.child_tags):
        return
    for child in stanza.element:
        if child.tag in MODERATED or any(inner.tag in MODERATED for inner in child):
            raise StanzaError("forbidden", "only the room says what a moderator has done")


def find(room: Room, id: str) -> Original | None:
    """The message that has this id in the room; None where there is none, or not any more."""
    db = room.server.db
    kept = archive.message(db, archives.of_room(db, room.number).number, id)
    if kept is not None:
        try:
            return Original(id, Stanza.from_wire(kept.stanza), kept.at, kept.row)
        except Unreadable:
            return None
    said = next((said for said in room.history if said.id == id), None)
    return None if said is None else Original(id, said.stanza, said.at, None)


def taken_back_by(room: Room, occupant: Occupant, request: Stanza) -> Original | None:
    """What an occupant takes back by this message; None where that is not known any more, or has to stay. Raises
    StanzaError where it is somebody else's."""
    id = retraction.retracted_id(request)
    if not id or not request.id:  # the tombstone could not name the retraction
        return None
    original = find(room, id)
    if original is None or original.is_taken_back or original.takes_back:
        return None
    if original.occupant_id != occupant.id or original.at < accounts.since(room.server.db, occupant.account):
        raise StanzaError("forbidden", "this is somebody else's message")
    return original


def bury(room: Room, original: Original, retraction_id: str, at: float, by: bytes = b"") -> None:
    """Put a tombstone in its place, which names the message that takes it back, and `by` whom, if not by its author."""
    if original.row is not None:
        author = original.stanza.child(OCCUPANT_ID)
        beside = b"" if author is None else wire(author)
        tombstone = retraction.tombstone(original.stanza, retraction_id, at, by=by, beside=beside)
        archive.replace(room.server.db, original.row, tombstone.wire())
    room.history.remove(original.id)
