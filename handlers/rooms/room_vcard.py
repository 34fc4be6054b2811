"""XEP-0054 and XEP-0486: the vCard of a room, which its owners set, and the avatars in it."""

from typing import TYPE_CHECKING

from lxml import etree

from db import room_vcards
from handlers.profile import avatars, photo_hash
from handlers.profile.current_avatar import Avatar
from handlers.rooms import rates
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import open_to
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import CHANGED, tell, tell_codes
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

VCARD = f"{{{avatars.NAMESPACE}}}vCard"
MOST_PHOTOS = 10
"""The same picture in several formats: the hash of each is told to all who ask what the room is."""


def show(server: "Server", iq: Stanza) -> bytes:
    """The vCard, for who may know of the room."""
    assert iq.to is not None and iq.sender is not None
    room = open_to(server, iq.to, iq.sender.bare)
    if not room.is_known_to(iq.sender):
        raise StanzaError("forbidden", "this is for who may enter the room")
    vcard = room_vcards.get(server.db, room.number)
    if vcard is None:
        raise StanzaError("item-not-found", "the room has no vCard")
    return vcard


def publish(server: "Server", iq: Stanza) -> None:
    """Have another vCard, for good; an empty one removes it (XEP-0486 section "Owner of the Room Publishes Avatar").
    All in the room are told that something has changed."""
    assert iq.to is not None and iq.sender is not None
    room, vcard = open_to(server, iq.to, iq.sender.bare), iq.only_child()
    if room.affiliation(iq.sender.bare) != "owner":
        raise StanzaError("forbidden", "only owners set the vCard of a room")
    xml = wire(vcard)
    most = server.settings(RoomSettings).max_vcard_bytes
    if len(xml) > most:
        raise StanzaError("policy-violation", f"the vCard of a room may have {most} bytes")
    hashes, had = _hashes(vcard), room_vcards.photo_hashes(server.db, room.number)
    if (xml if len(vcard) else None) == room_vcards.get(server.db, room.number):
        return
    rates.spend_changes(room, iq.sender.bare, 1)
    if len(vcard):
        room_vcards.put(server.db, room.number, xml, hashes)
    else:
        room_vcards.remove(server.db, room.number)
    iq.after_reply(lambda: _tell(room, is_another_picture=hashes != had))


def _hashes(vcard: etree._Element) -> tuple[str, ...]:
    """The hash of each photo. Raises StanzaError where one is no base64, or where there are too many."""
    photos = list(vcard.iterchildren(avatars.PHOTO))
    if len(photos) > MOST_PHOTOS:
        raise StanzaError("policy-violation", f"a room has {MOST_PHOTOS} photos at most")
    images = [image for photo in photos if (image := avatars.image_in(photo))]
    return tuple(dict.fromkeys(Avatar(image).hash for image in images))


# -- how people learn of it


def hashes_for(room: Room, asker: JID) -> tuple[str, ...]:
    """What disco#info tells somebody of the avatars, by which a client knows whether it has them. No query, as a
    rule."""
    return room_vcards.photo_hashes(room.server.db, room.number) if room.is_known_to(asker) else ()


def presence_of(room: Room) -> Stanza | None:
    """XEP-0486 section "Previous Usage of Presence for Avatar Advertising": presence of the room itself, which older
    clients wait for, and others take for somebody without a nick. None if it is not to be sent, or has no picture."""
    if not room.server.settings(RoomSettings).avatar_in_presence:
        return None
    hashes = room_vcards.photo_hashes(room.server.db, room.number)
    return _presence(room, hashes[0]) if hashes else None


def _presence(room: Room, hash: str) -> Stanza:
    return Stanza.build("presence", photo_hash.update(hash), sender=room.address)


def _tell(room: Room, *, is_another_picture: bool) -> None:
    tell_codes(room, CHANGED)
    if is_another_picture and room.server.settings(RoomSettings).avatar_in_presence:
        tell(room, presence_of(room) or _presence(room, ""))
