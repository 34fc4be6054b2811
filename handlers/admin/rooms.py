"""What administrators do to rooms: they need be nothing in them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from db import rooms as room_records
from handlers.admin.given import SHOWN, Administrator, after_address, note, unhurried
from handlers.rooms import configuration as configurations
from handlers.rooms import ownership, rooms_here
from handlers.rooms.room import Room
from handlers.rooms.telling import refuse_long_reason
from xmpp.control import Refused
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

MOST_NAMED = 100  # of the people who are something in a room


class Listed(NamedTuple):
    """A room in a list. `created` is in seconds since 1970."""

    room: str
    name: str
    creator: str
    created: float
    occupants: int
    is_public: bool


class Details(NamedTuple):
    """What is told of one room. `owners`: the first MOST_NAMED; `affiliated`: how many are something in it."""

    listed: Listed
    description: str
    subject: str
    owners: Sequence[str]
    affiliated: int
    is_members_only: bool
    is_kept: bool
    is_archived: bool


def listing(
    server: "Server", by: Administrator, text: str = "", after: str = "", most: int = SHOWN
) -> list[Listed]:
    """At most so many rooms that have this text in their address or name, by address, after this one. Yields."""
    found = list[Listed]()
    wanted = text.strip().casefold()
    for kept in unhurried(room_records.in_order(server.db, after_address(after) or "")):
        if len(found) >= most:
            break
        if not by.may_at_service(server, kept.jid.domain):
            continue
        name = configurations.from_text(kept.configuration).roomname
        if wanted in kept.jid or wanted in name.casefold():
            found.append(_listed(server, kept))
    return found


def details(server: "Server", by: Administrator, room: str) -> Details:
    """All that is told of a room. Raises Refused if there is none."""
    found = _existing(server, by, room)
    configuration, listed = found.configuration, room_records.listed(server.db, found.address)
    assert listed is not None
    return Details(
        _listed(server, listed),
        configuration.roomdesc,
        found.subject.text,
        sorted(found.owners())[:MOST_NAMED],
        len(found.affiliations),
        configuration.membersonly,
        configuration.persistentroom,
        configuration.enablearchiving,
    )


def destroy(server: "Server", by: Administrator, room: str, reason: str = "", venue: str = "") -> None:
    """End a room: all who are in it are told so, with the reason and the room where they go instead. Nobody makes one
    of its name for a while."""
    found = _existing(server, by, room)
    try:
        refuse_long_reason(reason)
        instead = JID.parse(venue).bare if venue else ""
    except (StanzaError, MalformedJID) as error:
        raise Refused(f"{error}.") from error
    ownership.end(found, instead, reason.strip())
    note(by, "room", found.address, "was destroyed")


def _existing(server: "Server", by: Administrator, text: str) -> Room:
    try:
        address = JID.parse(text).bare
    except MalformedJID as error:
        raise Refused(f"{text!r} is not the address of a room: {error}.") from error
    is_there = server.runs(address.domain) and by.may_at_service(server, address.domain)
    room = rooms_here.find(server, address) if is_there else None
    if room is None:
        raise Refused(f"There is no room {text}.")
    return room


def _listed(server: "Server", kept: room_records.Listed) -> Listed:
    configuration = configurations.from_text(kept.configuration)
    here = server.state(rooms_here.Rooms).here.get(kept.jid)
    occupants = len(here.occupants) if here else 0
    return Listed(
        kept.jid, configuration.roomname, kept.creator, kept.created, occupants, is_public=configuration.publicroom
    )
