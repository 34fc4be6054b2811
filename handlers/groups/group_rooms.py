"""The room of a group: for its members only, who find it among their bookmarks."""

import logging
from typing import TYPE_CHECKING

from db.groups import Group
from db.rooms import Affiliation
from handlers.profile import bookmarks
from handlers.rooms import SUBDOMAIN as ROOMS
from handlers.rooms import affiliating, ownership, rooms_here
from handlers.rooms.affiliating import Actor, Turned
from handlers.rooms.configuration import RoomConfiguration
from handlers.rooms.room import NOBODY, Room
from xmpp.data.errors import StanzaError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)


def make(server: "Server", domain: str, name: str) -> JID:
    """Make the room of a group; returns its address, which nobody can guess and take before. Raises StanzaError where
    there are no rooms."""
    service = server.subdomains.address(ROOMS, domain)
    if service is None or not server.runs(service):
        raise StanzaError("not-allowed", f"there are no rooms at {domain}")
    address = JID.of(random_id().lower().replace("_", "-"), service)
    configured = RoomConfiguration(roomname=name, membersonly=True, whois="anyone")
    # Nobody's: it is changed through the group. (What a domain owns, all of its people own; and clients take the room
    # itself, as an owner, for somebody who is away, and for whom they have to encrypt.)
    room = rooms_here.create(server, address, JID.parse(domain), configured, is_owned=False)
    room.unlock()
    rooms_here.let_go_if_empty(room)
    return address


def let_in(server: "Server", group: Group, account: JID) -> None:
    """Make somebody a member of the room of a group, who has it among the bookmarks, or else is invited into it."""
    room = _room(server, group)
    if room is None:
        return
    had = room.affiliations.get(account, NOBODY)
    turned = _become(room, account, had._replace(affiliation="member")) if had.affiliation == "none" else None
    if _add_bookmark(server, group, account, room.address) and turned is not None:
        turned = turned._replace(away=[])  # its clients enter by themselves
    _tell(room, group, turned)


def put_out(server: "Server", group: Group, account: JID) -> None:
    """Make somebody no member of the room of a group any more, unless it is more than that in it."""
    room = _room(server, group)
    if room is not None and room.affiliation(account) == "member":
        _tell(room, group, _become(room, account, Affiliation("none")))
        remove_bookmark(server, group, account)


def end(server: "Server", group: Group) -> None:
    """The room of a group is no more. The bookmarks of it are for `remove_bookmark`."""
    room = _room(server, group)
    if room is not None:
        ownership.end(room, "", "")


def remove_bookmark(server: "Server", group: Group, account: JID) -> None:
    """Nobody's clients go on trying to enter a room that is closed to them."""
    if not group.room or bookmarks.feature not in server.registry.features:
        return
    try:
        bookmarks.remove(server, account, JID.parse(group.room))
    except StanzaError as error:
        log.warning("account %s keeps a bookmark of %s: %s", one_word(account), group.room, error)


def _add_bookmark(server: "Server", group: Group, account: JID, address: JID) -> bool:
    if bookmarks.feature not in server.registry.features:
        return False
    try:
        bookmarks.add(server, account, address, bookmarks.formats.Room(group.name, autojoin=True))
    except StanzaError as error:
        log.warning("account %s gets no bookmark of %s: %s", one_word(account), address, error)
        return False
    return True


def _room(server: "Server", group: Group) -> Room | None:
    """None also if it is gone, or there are no rooms any more."""
    address = JID.parse(group.room) if group.room else None
    return rooms_here.find(server, address) if address is not None and server.runs(address.domain) else None


def _become(room: Room, account: JID, now: Affiliation) -> Turned | None:
    try:
        return affiliating.keep(room, {account: now})
    except StanzaError as error:
        log.warning("account %s cannot be a member of %s: %s", one_word(account), room.address, error)
        return None


def _tell(room: Room, group: Group, turned: Turned | None) -> None:
    if turned is not None:
        affiliating.tell(room, turned, Actor(JID.parse(group.domain)))
