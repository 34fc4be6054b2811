"""XEP-0045: rooms, at a service of their own. What comes there is sorted here.

room is what a room knows and keeps, rooms_here how one is found, made and ended, ranks who may do what, telling how all
hear of it; the others are what people do.
"""

from typing import TYPE_CHECKING, Literal

from lxml import etree

from handlers.discovery import ping
from handlers.rooms import (
    administration,
    channel_search,
    discovery,
    entering,
    forgetting,
    hat_commands,
    invitations,
    messages,
    ownership,
    private_messages,
    probes,
    registration,
    restarts,
    room_vcard,
    rooms_here,
    to_occupants,
    visits,
    voice,
)
from handlers.rooms.announced import SERVICE_FEATURES, UNIQUE
from handlers.rooms.presence import Change
from handlers.rooms.rooms_here import Rooms, open_to
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import MUC, X
from xmpp.data import commands, dataforms
from xmpp.data.disco import INFO_QUERY, ITEMS_QUERY, Identity
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import Feature, Subdomain

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SUBDOMAIN = Subdomain(
    "rooms",
    label_setting="label",
    identity=Identity("conference", "text", "Rooms"),
    disco=SERVICE_FEATURES,
)

feature = Feature("rooms", xep="0045", settings=RoomSettings, subdomains=[SUBDOMAIN], needs=["occupants"])

feature.iq_get(administration.QUERY, to=[SUBDOMAIN.bare])(administration.answer_list)
feature.iq_set(administration.QUERY, to=[SUBDOMAIN.bare])(administration.change)
feature.iq_get(ownership.QUERY, to=[SUBDOMAIN.bare])(ownership.answer_form)
feature.iq_set(ownership.QUERY, to=[SUBDOMAIN.bare])(ownership.receive)

# A session cannot be reached, or does not exist, where one of these comes back from it (17.1.3); what others mean, such
# as a block list, concerns one stanza.
GONE = frozenset(
    {
        "gone",
        "internal-server-error",
        "item-not-found",
        "jid-malformed",
        "recipient-unavailable",
        "redirect",
        "remote-server-not-found",
        "remote-server-timeout",
        "service-unavailable",
    }
)


@feature.step
def receive(delivery: Delivery) -> Literal["stop"] | None:
    """SUBDOMAIN.received: presence and messages to rooms and to their occupants."""
    server, stanza = delivery.server, delivery.stanza
    assert stanza.to is not None
    try:
        if stanza.kind == "presence":
            _receive_presence(server, stanza)
            return STOP if stanza.to.local else None
        if stanza.kind == "message":
            return _receive_message(server, stanza)
    except StanzaError as error:
        error.by = stanza.to.bare
        if stanza.kind == "presence":
            error.about = etree.Element(f"{{{MUC}}}x", nsmap={None: MUC})  # as the texts show it (7.2, 7.6)
        raise
    return None


feature.step(forgetting.forget_account)
feature.step(to_occupants.pass_on)
feature.step(restarts.tell_shutdown)
feature.step(restarts.warn_of_unreachable_rooms)
feature.step(restarts.begin)
feature.step(rooms_here.note_entered)
feature.step(rooms_here.note_left)
feature.step(rooms_here.keep_link)
feature.step(visits.note_said)
feature.step(visits.note_left)
feature.step(visits.forget)
feature.iq_get(ITEMS_QUERY, to=[SUBDOMAIN.service])(discovery.list_rooms)
feature.iq_get(channel_search.SEARCH, to=[SUBDOMAIN.service])(channel_search.answer)
feature.iq_get(f"{{{UNIQUE}}}unique", to=[SUBDOMAIN.service])(discovery.make_unique_name)
feature.iq_get(ping.PING, to=[SUBDOMAIN.service])(ping.answer_for_server)
feature.iq_get(ping.PING, to=[SUBDOMAIN.bare])(discovery.answer_ping)
feature.iq_get(INFO_QUERY, to=[SUBDOMAIN.bare])(discovery.describe_room)
feature.iq_get(ITEMS_QUERY, to=[SUBDOMAIN.bare])(discovery.list_items_of_room)
feature.iq_get(registration.QUERY, to=[SUBDOMAIN.bare])(registration.show)
feature.iq_set(registration.QUERY, to=[SUBDOMAIN.bare])(registration.register)
feature.iq_get(room_vcard.VCARD, to=[SUBDOMAIN.bare])(room_vcard.show)
feature.iq_set(room_vcard.VCARD, to=[SUBDOMAIN.bare])(room_vcard.publish)
feature.iq_set(commands.COMMAND, to=[SUBDOMAIN.bare])(hat_commands.execute)


def _receive_presence(server: "Server", stanza: Stanza) -> None:
    assert stanza.to is not None
    if stanza.type == "error":
        _note_error(server, stanza)
    elif not stanza.to.local:
        return
    elif stanza.type == "probe":
        probes.answer(server, stanza)
    elif stanza.to.is_bare:
        if stanza.type is None:
            raise StanzaError("jid-malformed", "a nick is needed to enter")
    elif stanza.type is None:
        entering.receive(server, stanza)
    elif stanza.type == "unavailable":
        entering.leave(server, stanza)


def _receive_message(server: "Server", stanza: Stanza) -> Literal["stop"] | None:
    assert stanza.to is not None
    if stanza.type == "error":
        _note_error(server, stanza)
    elif not stanza.to.local:
        return None
    elif stanza.to.is_full:
        private_messages.receive(server, stanza)
    elif stanza.type == "groupchat":
        messages.receive_groupchat(server, stanza)
    else:
        _receive_for_room(server, stanza)
    return STOP


def _receive_for_room(server: "Server", stanza: Stanza) -> None:
    """What is not for all to read: invitations, and forms about the floor."""
    assert stanza.to is not None and stanza.sender is not None
    x, form = stanza.child(X), stanza.child(dataforms.X)
    is_decline = x is not None and x.find(invitations.DECLINE) is not None
    is_invite = x is not None and x.find(invitations.INVITE) is not None
    if not is_decline and not is_invite and form is None:
        raise StanzaError("bad-request", "what is said to a room is of type groupchat")
    room = open_to(server, stanza.to)
    occupant = room.by_session.get(stanza.sender)
    if x is not None and is_decline:
        invitations.decline(room, stanza, x)
    elif occupant is None:
        raise StanzaError("not-acceptable", "you are not in this room", type="cancel")
    elif x is not None and is_invite:
        invitations.invite(room, occupant, stanza, x)
    elif form is not None:
        voice.receive(room, occupant, stanza.sender, form)


def _note_error(server: "Server", stanza: Stanza) -> None:
    """Who cannot be reached is not in the room any more. Errors are never answered."""
    assert stanza.to is not None and stanza.sender is not None
    if stanza.kind == "message" and private_messages.pass_error_back(server, stanza):
        return
    error = stanza.element.find("{jabber:client}error")
    conditions = set() if error is None else {str(child.tag).rpartition("}")[2] for child in error}
    room = server.state(Rooms).here.get(stanza.to.bare)
    if room is not None and not GONE.isdisjoint(conditions):
        entering.leave_room(room, stanza.sender, change=Change(codes=["333"]))
