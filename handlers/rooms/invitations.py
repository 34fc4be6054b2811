"""XEP-0045 section 7.8.2: invitations that go through the room, and those that are declined. Direct ones (XEP-0249) are
messages like others, and none of the room's business."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lxml import etree

from db import accounts
from db.rooms import Affiliation
from handlers.admin.roles import are_apart
from handlers.contacts.access import is_blocked
from handlers.rooms import rates
from handlers.rooms.ranks import Standing
from handlers.rooms.room import NOBODY, Occupant, Room
from handlers.rooms.telling import MUC_USER, text_element
from handlers.rooms.versions import Chain
from xmpp.data import addresses
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, AddressReader
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted, wire

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

INVITE, DECLINE = f"{{{MUC_USER}}}invite", f"{{{MUC_USER}}}decline"
PASSED_ON = frozenset({f"{{{MUC_USER}}}reason", f"{{{MUC_USER}}}continue"})
MOST_AT_ONCE = 20
MAX_BYTES = 2_000
"""Of a reason: it is passed on to each, and waits for who is away."""


def invite(room: Room, inviter: Occupant, stanza: Stanza, x: etree._Element) -> None:
    """Pass invitations on; those who are invited to a room of members become members. All of them, or none: raises
    StanzaError."""
    invites = list(x.iterchildren(INVITE))
    if len(invites) > MOST_AT_ONCE:
        raise StanzaError("policy-violation", f"one invites {MOST_AT_ONCE} people at once at most")
    _refuse_long(invites)
    reader = AddressReader()
    invited = [(_address(each, reader), each) for each in invites]
    _refuse_who_may_not(room, inviter)
    for jid, _ in invited:
        _refuse_unheard(room.server, jid, inviter.account)
    rates.spend_on_strangers(room.server, inviter.account, (jid for jid, _ in invited))
    _make_members(room, {jid.bare for jid, _ in invited if _has_to_become_member(room, jid)})
    password = password_of(room)
    for jid, each in invited:
        _send(room, stanza, "invite", each, inviter.account, jid, password)


def password_of(room: Room) -> str:
    """By which who is invited enters, if one is asked for."""
    configured = room.configuration
    return text_element("password", configured.roomsecret) if configured.passwordprotectedroom else ""


def decline(room: Room, stanza: Stanza, x: etree._Element) -> None:
    """Tell who has invited somebody that it does not come. Nobody else is told anything, and whether there is somebody
    is not said: or strangers would learn by it who is in a room, who belongs to it, and who has blocked them."""
    assert stanza.sender is not None
    element = next(x.iterchildren(DECLINE))
    _refuse_long([element])
    to = _address(element, AddressReader())
    rates.spend(room.server, stanza.sender.bare, rates.INVITATIONS)
    inviter = _inviter(room, to)
    if inviter is not None and not _is_unheard(room.server, inviter, stanza.sender):
        _send(room, stanza, "decline", element, stanza.sender.bare, inviter)


def _inviter(room: Room, named: JID) -> JID | None:
    """Who may have invited somebody: by the address in the room, or by its own, if it is there or belongs to it."""
    if named.bare == room.address:
        occupant = room.occupants.get(named.resource)
        return occupant.account if occupant is not None else None
    standing = room.standing(named.bare)
    return named if standing.has_role("visitor") or standing.is_at_least("member") else None


def _refuse_long(elements: Iterable[etree._Element]) -> None:
    if any(sum(len(wire(child)) for child in each) > MAX_BYTES for each in elements):
        raise StanzaError("not-acceptable", f"a reason may have {MAX_BYTES} bytes")


def _refuse_who_may_not(room: Room, inviter: Occupant) -> None:
    is_admin = Standing(room.affiliation(inviter.account)).is_at_least("admin")
    if room.configuration.membersonly and not (is_admin or room.configuration.allowinvites):
        raise StanzaError("forbidden", "admins invite people to this room")


def _has_to_become_member(room: Room, jid: JID) -> bool:
    affiliation = room.affiliation(jid.bare)
    if affiliation == "outcast":
        raise StanzaError("not-allowed", "who is banned from this room is not invited to it")
    return room.configuration.membersonly and affiliation == "none"


def _make_members(room: Room, people: set[JID]) -> None:
    if people:
        room.refuse_more_affiliations(len(people))
        nicks = {jid: room.affiliations.get(jid, NOBODY).nick for jid in people}
        step = room.set_affiliations({jid: Affiliation("member", nick) for jid, nick in nicks.items()})
        Chain(room, step).tell_the_rest()


def _refuse_unheard(server: "Server", jid: JID, sender: JID) -> None:
    """It looks as if there were no account: who invites one that does not exist is told so (7.8.2)."""
    if _is_unheard(server, jid, sender):
        raise StanzaError("item-not-found", "there is no such account")


def _is_unheard(server: "Server", jid: JID, sender: JID) -> bool:
    """Who has blocked somebody does not hear of it by way of a room either, nor who may not hear of it otherwise."""
    if are_apart(server, jid, sender):
        return True
    is_ours = server.ownership.is_ours(jid)
    return is_ours and (not accounts.exists(server.db, jid.bare) or is_blocked(server, jid.bare, sender))


def _address(element: etree._Element, reader: AddressReader) -> JID:
    jid = addresses.read(element.get("to", ""), reader)
    if not jid.local:
        raise StanzaError("jid-malformed", "people are invited, by their addresses")
    return jid


def _send(room: Room, stanza: Stanza, what: str, said: etree._Element, sender: JID, to: JID, more: str = "") -> None:
    inner = b"".join(wire(child) for child in said if child.tag in PASSED_ON)
    content = f'<x xmlns="{MUC_USER}"><{what} from={quoted(sender)}>'.encode() + inner + f"</{what}>{more}</x>".encode()
    room.server.router.route(Stanza.build("message", content, type="normal", id=stanza.id, to=to, sender=room.address))
