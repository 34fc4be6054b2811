"""XEP-0045 sections 6.6, 16.4 and 17: requests to occupants, which pass through the room and back, so that neither side
learns the other's real address; and XEP-0410: whoever asks itself is answered by the room."""

from collections import Counter
from typing import TYPE_CHECKING, Literal

from lxml import etree

from handlers.discovery.ping import PING
from handlers.rooms import strangers
from handlers.rooms.room import Occupant, Room
from handlers.rooms.rooms_here import find
from xmpp.data import names
from xmpp.data.disco import INFO_QUERY, ITEMS_QUERY
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse, wire
from xmpp.routing.delivery import STOP, Delivery

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

PUBSUB = "{http://jabber.org/protocol/pubsub}pubsub"
ITEM = "{http://jabber.org/protocol/pubsub}item"
OF_ACCOUNT = frozenset({"{vcard-temp}vCard", "{urn:ietf:params:xml:ns:vcard-4.0}vcard", PUBSUB})
"""What an account answers itself, be it online or not: to read it one asks the account."""
DISCO = frozenset({INFO_QUERY, ITEMS_QUERY})
SECONDS = 120.0
MAX_WAITING = 200
"""So many requests of one session may wait for answers: a client that enters asks for the picture of everybody."""


class UnderWay(Counter[JID]):
    """How many requests of each session wait for answers."""


def pass_on(delivery: Delivery) -> Literal["stop"] | None:
    """SUBDOMAIN.received: requests to occupants. Answers to those are answers to what the room has asked."""
    iq = delivery.stanza
    assert iq.to is not None
    if not iq.is_request or not iq.to.local or iq.to.is_bare:
        return None
    try:
        _pass_on(delivery.server, iq)
    except StanzaError as error:
        error.by = iq.to.bare
        raise
    return STOP


def _pass_on(server: "Server", iq: Stanza) -> None:
    assert iq.to is not None and iq.sender is not None
    room = find(server, iq.to.bare)
    asker = room.by_session.get(iq.sender) if room is not None else None
    tag = iq.only_child().tag
    if room is None or asker is None:
        if tag in DISCO:
            raise StanzaError("bad-request", "you are not in this room")
        raise StanzaError("not-acceptable", "you are not in this room", type="cancel")
    asked = room.occupants.get(iq.to.resource)
    if asked is None:
        raise StanzaError("item-not-found", "nobody of this nick is in the room")
    if tag == PING and asked.account == asker.account:
        server.router.route(iq.result())
    else:
        strangers.refuse_apart(room, asker, asked)
        _ask(room, asker, asked, iq)


def _ask(room: Room, asker: Occupant, asked: Occupant, iq: Stanza) -> None:
    server, payload, under_way = room.server, iq.only_child(), room.server.state(UnderWay)
    assert iq.type is not None and iq.sender is not None
    if under_way[iq.sender] >= MAX_WAITING:
        raise StanzaError("resource-constraint", "too many of your requests wait for answers", type="wait")
    under_way[iq.sender] += 1
    is_of_account = iq.type == "get" and payload.tag in OF_ACCOUNT
    server.requests.ask(
        iq.type,
        wire(payload),
        to=asked.account if is_of_account else asked.shown[0],
        sender=room.address.with_resource(asker.nick),
        seconds=SECONDS,
        on_reply=_Way(server, iq).back,
    )


class _Way:
    """By which an answer goes back: who has asked whom, and how the request was called."""

    __slots__ = ("_server", "_id", "_asker", "_asked")

    def __init__(self, server: "Server", iq: Stanza) -> None:
        assert iq.sender is not None and iq.to is not None
        self._server, self._id, self._asker, self._asked = server, iq.id, iq.sender, iq.to

    def back(self, answer: Stanza | None) -> None:
        """Pass the answer on to who has asked; None where there was none in time."""
        under_way = self._server.state(UnderWay)
        under_way[self._asker] -= 1
        if not under_way[self._asker]:
            del under_way[self._asker]
        content, type = self._content(answer), "error" if answer is None else answer.type
        self._server.router.route(
            Stanza.build("iq", content, type=type, id=self._id, to=self._asker, sender=self._asked)
        )

    def _content(self, answer: Stanza | None) -> bytes:
        if answer is None:
            return wire(StanzaError("remote-server-timeout", "there was no answer").element())
        return b"".join(wire(_without_addresses(child)) for child in answer.element if isinstance(child.tag, str))


def _without_addresses(child: etree._Element) -> etree._Element:
    """What an answer says, but for who has published what a node has, and for who has found an error."""
    if child.tag not in (PUBSUB, names.ERROR):
        return child
    copy = parse(wire(child))
    for each in (copy, *copy.iter(ITEM)):
        each.attrib.pop("by", None)
        each.attrib.pop("publisher", None)
    return copy
