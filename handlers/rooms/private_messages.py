"""XEP-0045 section 7.5: what one occupant says to another one, through the room."""

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from handlers.messages.occupants import occupant_id
from handlers.rooms import rates, strangers
from handlers.rooms.messages import reflect
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import Rooms, find, open_to
from handlers.rooms.telling import MUC_USER, X
from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

FROM_ROLES = {"anyone": "visitor", "participants": "participant", "moderators": "moderator"}
MAX_REMEMBERED = 1_000


class _Passed(NamedTuple):
    """Which session has said something, and to which occupant."""

    sender: JID
    addressee: JID


class Passed(OrderedDict[tuple[JID, JID, str], _Passed]):
    """What was passed on last, by the session that got it, the occupant it was from, and its id. It may come back with
    an error, which does not say that the session has left, and which is for the one who has said it."""


def receive(server: "Server", stanza: Stanza) -> None:
    """A message to an occupant: all its sessions get it, from the sender's address in the room."""
    assert stanza.to is not None and stanza.sender is not None
    if stanza.type == "groupchat":
        raise StanzaError("bad-request", "what is for all goes to the room")
    room = open_to(server, stanza.to.bare, stanza.sender.bare)
    occupant = room.by_session.get(stanza.sender)
    if occupant is None:
        raise StanzaError("not-acceptable", "you are not in this room", type="cancel")
    needed = FROM_ROLES.get(room.configuration.allowpm)
    if needed is None or not room.standing_of(occupant).has_role(needed):
        raise StanzaError("forbidden", "no private messages in this room")
    if stanza.to.resource not in room.occupants:
        raise StanzaError("item-not-found", "nobody of this nick is in the room")
    strangers.refuse_apart(room, occupant, room.occupants[stanza.to.resource])
    rates.spend_message(room, occupant.account)
    strangers.refuse_too_many(room, occupant, room.occupants[stanza.to.resource])
    _pass_on(room, reflect(room, occupant, stanza).with_last(f'<x xmlns="{MUC_USER}"/>'.encode(), X), stanza)


def pass_error_back(server: "Server", error: Stanza) -> bool:
    """Whether this is about such a message: then it goes to who has sent that, unless another session has got it."""
    assert error.sender is not None and error.to is not None
    remembered = server.state(Passed)
    passed = remembered.pop((error.sender, error.to, error.id or ""), None)
    if passed is None:
        return False
    if _has_another_session(server, passed, error, remembered):
        return True
    content, room = b"".join(map(wire, error.children(names.ERROR))), find(server, error.to.bare)
    if room is not None:
        content += occupant_id(room.id_of(error.sender.bare))
    server.router.route(
        Stanza.build("message", content, type="error", id=error.id, to=passed.sender, sender=passed.addressee)
    )
    return True


def _has_another_session(server: "Server", passed: _Passed, error: Stanza, remembered: Passed) -> bool:
    room = server.state(Rooms).here.get(passed.addressee.bare)
    addressee = None if room is None else room.occupants.get(passed.addressee.resource)
    assert error.to is not None
    key = (error.to, error.id or "")
    return addressee is not None and any((session, *key) in remembered for session in addressee.sessions)


def _pass_on(room: Room, passed: Stanza, stanza: Stanza) -> None:
    assert stanza.to is not None and stanza.sender is not None and passed.sender is not None
    server, addressee = room.server, room.occupants[stanza.to.resource]
    remembered = server.state(Passed)
    for session in tuple(addressee.sessions):
        remembered[session, passed.sender, stanza.id or ""] = _Passed(stanza.sender, stanza.to)
        server.router.route(passed.addressed(session))
    while len(remembered) > MAX_REMEMBERED:
        remembered.popitem(last=False)
