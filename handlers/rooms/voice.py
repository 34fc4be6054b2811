"""XEP-0045 sections 7.13 and 8.6: a visitor asks for the floor, and a moderator gives it, or does not."""

from lxml import etree

from handlers.rooms import affiliating, rates
from handlers.rooms.presence import PLAIN
from handlers.rooms.ranks import refusal_to_set_role
from handlers.rooms.room import Occupant, Room
from handlers.rooms.telling import tell_each
from xmpp.data import dataforms
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire

REQUEST = "http://jabber.org/protocol/muc#request"
ROLE, ADDRESS, NICK, ALLOW = "muc#role", "muc#jid", "muc#roomnick", "muc#request_allow"
ASKED = (Field(ROLE, required=True),)
DECIDED = (
    Field(ROLE, required=True),
    Field(ADDRESS, "jid-single"),
    Field(NICK, required=True),
    Field(ALLOW, "boolean"),
)


def receive(room: Room, sender: Occupant, session: JID, form: etree._Element) -> None:
    """A form about the floor: it is asked for, or decided about. Raises StanzaError."""
    if form.get("type") == "cancel":
        return
    try:
        given = dataforms.values_of(form)
        if ALLOW in given:
            decided = dataforms.submitted(form, REQUEST, DECIDED)
        else:
            [role] = dataforms.submitted(form, REQUEST, ASKED)[ROLE]
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None
    if ALLOW in given:
        _decide(room, sender, decided)
    elif role == "participant":
        _ask_moderators(room, sender, session)
    else:
        raise StanzaError("bad-request", "what can be asked for is the role of a participant")


def _ask_moderators(room: Room, asker: Occupant, session: JID) -> None:
    if asker.role != "visitor":
        raise StanzaError("not-allowed", "you have the floor")
    moderators = [jid for jid, each in room.by_session.items() if each.role == "moderator"]
    if not moderators:
        raise StanzaError("recipient-unavailable", "there is no moderator in the room")
    rates.spend(room.server, asker.account, rates.VOICE_REQUESTS, room=room.number)
    content = wire(dataforms.form(REQUEST, _form(session, asker.nick), title="Voice request"))
    asked = Stanza.build("message", content, type="normal", id=random_id(), sender=room.address)
    tell_each(room, [(jid, asked) for jid in moderators])


def _form(session: JID, nick: str) -> tuple[Field, ...]:
    roles = {"participant": "Participant"}
    return (
        Field(ROLE, "list-single", "The role that is asked for", ("participant",), options=roles),
        Field(ADDRESS, "jid-single", "Who asks", (session,)),
        Field(NICK, "text-single", "Its nick", (nick,)),
        Field(ALLOW, "boolean", "Whether it is given the floor", ("0",)),
    )


def _decide(room: Room, moderator: Occupant, decided: dict[str, tuple[str, ...]]) -> None:
    [nick] = decided[NICK]
    target, asked_by = room.occupants.get(nick), decided.get(ADDRESS, ())
    if target is None or (asked_by and target.account != JID.parse(asked_by[0]).bare):
        raise StanzaError("item-not-found", "who has asked is not in the room any more")
    refusal = refusal_to_set_role(room.standing_of(moderator), room.standing_of(target), "participant")
    if refusal is not None:
        raise StanzaError(refusal)
    if dataforms.boolean(decided[ALLOW]) and decided[ROLE] == ("participant",) and target.role == "visitor":
        affiliating.give_roles(room, [(target, "participant", PLAIN)])
