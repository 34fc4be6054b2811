"""XEP-0045 section 7.10: who registers with a room becomes a member of it, and has a nick that is nobody else's."""

from typing import TYPE_CHECKING

from lxml import etree

from handlers.rooms import affiliating, nicks
from handlers.rooms.affiliating import Actor
from handlers.rooms.room import NOBODY, Room
from handlers.rooms.rooms_here import open_to
from xmpp.data import dataforms
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "jabber:iq:register"
QUERY = f"{{{NAMESPACE}}}query"
REMOVE = f"{{{NAMESPACE}}}remove"
FORM_TYPE = "http://jabber.org/protocol/muc#register"
NICK = "muc#register_roomnick"
FIELDS = (Field(NICK, label="The nick that is to be yours", required=True),)


def show(server: "Server", iq: Stanza) -> etree._Element:
    """The form to register with; or the nick of who has."""
    room, account = _room_for(server, iq)
    query = etree.Element(QUERY, nsmap={None: NAMESPACE})
    nick = room.affiliations.get(account, NOBODY).nick
    if nick:
        etree.SubElement(query, f"{{{NAMESPACE}}}registered")
        etree.SubElement(query, f"{{{NAMESPACE}}}username").text = nick
    else:
        query.append(dataforms.form(FORM_TYPE, FIELDS, title="Registration with the room"))
    return query


def register(server: "Server", iq: Stanza) -> None:
    """Reserve a nick for the asker, and make it a member where it is nothing yet; or give the nick back."""
    room, account = _room_for(server, iq)
    is_removed = iq.only_child().find(REMOVE) is not None
    nick = "" if is_removed else _nick_in(room, iq.only_child())
    if nick:
        nicks.refuse_taken(room, account, nick)
    had = room.affiliations.get(account, NOBODY)
    is_new = had.affiliation == "none" and not is_removed
    becomes = had._replace(nick=nick, affiliation="member" if is_new else had.affiliation)
    turned = affiliating.keep(room, {account: becomes})
    iq.after_reply(lambda: affiliating.tell(room, turned, Actor(account)))


def _room_for(server: "Server", iq: Stanza) -> tuple[Room, JID]:
    """The room, and who asks, if it may register there: nobody gets the floor by that, or an entrance."""
    assert iq.to is not None and iq.sender is not None
    account = iq.sender.bare
    room = open_to(server, iq.to, account)
    standing, configured = room.standing(account), room.configuration
    is_restricted = configured.membersonly or (configured.moderatedroom and not standing.has_role("participant"))
    if standing.affiliation == "outcast" or (is_restricted and not standing.is_at_least("member")):
        raise StanzaError("not-allowed", "you may not register with this room")
    if configured.passwordprotectedroom and standing.affiliation == "none" and standing.role == "none":
        raise StanzaError("not-allowed", "who registers with this room has entered it")
    return room, account


def _nick_in(room: Room, query: etree._Element) -> str:
    """The nick that is asked for, in its normal form."""
    x = query.find(dataforms.X)
    if x is None:
        raise StanzaError("bad-request", "to register one fills in the form")
    try:
        [nick] = dataforms.submitted(x, FORM_TYPE, FIELDS)[NICK]
        nicks.check(room.server, nick)
        return room.address.with_resource(nick).resource
    except MalformedJID as error:
        raise StanzaError("jid-malformed", str(error)) from None
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None
