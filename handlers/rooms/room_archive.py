"""XEP-0313 section "MUC Archives": what was said in a room, for those who may enter it when they ask.

It is an archive as those of accounts, and on where they are. Each message is in it once, with the address of who has
written it.
"""

from typing import TYPE_CHECKING

from lxml import etree

from db import archive as archive_records
from db import archives
from db.archive import Entry
from handlers.archive import answers, feature, query, recording, results
from handlers.rooms import SUBDOMAIN
from handlers.rooms.occasions import Saying
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import open_to
from handlers.rooms.telling import MUC_USER
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

MESSAGE_END = b"</message>"


@feature.step
def record(saying: Saying) -> None:
    """ROOM_SAID: keep it, at the expense of who says it."""
    room = saying.room
    if not room.configuration.enablearchiving:
        return
    if saying.sender.bare != room.address:
        recording.spend(room.server, saying.sender.bare, saying.stanza)
    number = archives.of_room(room.server.db, room.number).number
    recording.append(
        room.server, number, saying.id, saying.at, saying.sender, saying.stanza, saying.text, is_sent=False
    )


@feature.iq_get(query.QUERY, to=[SUBDOMAIN.bare])
def describe(server: "Server", iq: Stanza) -> etree._Element:
    """What can be asked for."""
    _readable(server, iq)
    return query.form()


@feature.iq_set(query.QUERY, to=[SUBDOMAIN.bare])
def search(server: "Server", iq: Stanza) -> etree._Element:
    """Send the page that is asked for, message by message, and say what it was. Yields where it takes long to find."""
    room, asked = _readable(server, iq), query.requested(iq.only_child())
    assert iq.sender is not None
    shows_addresses = _may_see_addresses(room, iq.sender)
    if asked.contact is not None and not shows_addresses:
        raise StanzaError("forbidden", "you may not see here who has written what")
    page = answers.find(server, archives.of_room(server.db, room.number).number, asked)

    def read(entry: Entry) -> bytes | None:
        archived = archive_records.stanza(server.db, entry.row)
        return archived if archived is None or not shows_addresses else _with_author(room, entry, archived)

    return answers.send(server, iq, asked, page, read)


@feature.iq_get(results.METADATA, to=[SUBDOMAIN.bare])
def tell_ends(server: "Server", iq: Stanza) -> etree._Element:
    """The oldest and the newest message."""
    room = _readable(server, iq)
    return answers.ends(server, archives.of_room(server.db, room.number).number)


def _readable(server: "Server", iq: Stanza) -> Room:
    assert iq.to is not None and iq.sender is not None
    room = open_to(server, iq.to, iq.sender.bare)
    if not room.configuration.enablearchiving:
        raise StanzaError("service-unavailable", "nothing is kept of what is said in this room")
    if not may_read(room, iq.sender):
        raise StanzaError("forbidden", "you may not enter this room")
    return room


def may_read(room: Room, asker: JID) -> bool:
    """Whether somebody has the right to enter now. Who has not shown the password that a room asks for has to be in it,
    or to be one of those who may see the password."""
    standing = room.standing(asker.bare)
    if standing.affiliation == "outcast":
        return False
    if room.configuration.membersonly and not standing.is_at_least("member"):
        return False
    return not room.configuration.passwordprotectedroom or standing.has_role("visitor") or standing.is_at_least("owner")


def _may_see_addresses(room: Room, asker: JID) -> bool:
    """Whether somebody may know now who has which nick: everybody, or moderators, be they there or not."""
    standing = room.standing(asker.bare)
    return not room.configuration.is_anonymous or standing.has_role("moderator") or standing.is_at_least("admin")


def _with_author(room: Room, entry: Entry, archived: bytes) -> bytes:
    author = archive_records.contact(room.server.db, entry.row)
    if author is None or author == room.address or not archived.endswith(MESSAGE_END):
        return archived
    x = f'<x xmlns="{MUC_USER}"><item jid={quoted(author)}/></x>'.encode()
    return archived.removesuffix(MESSAGE_END) + x + MESSAGE_END
