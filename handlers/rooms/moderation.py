"""XEP-0425: a moderator takes back what somebody else has said in a room."""

import time
from typing import TYPE_CHECKING

from handlers.archive import recording, retraction
from handlers.messages.occupants import occupant_id
from handlers.rooms import SUBDOMAIN, tombstones
from handlers.rooms.messages import say
from handlers.rooms.room import Occupant, Room
from handlers.rooms.rooms_here import open_to
from handlers.rooms.telling import refuse_long_reason, text_element
from handlers.rooms.tombstones import APPLY_TO, FASTENED, MODERATION, OLDER_MODERATION, OLDER_RETRACTION, RETRACT
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

MODERATE = f"{{{MODERATION}}}moderate"
REASON = f"{{{MODERATION}}}reason"

feature = Feature("moderation", xep="0425", needs=["rooms"])


@feature.iq_set(MODERATE, to=[SUBDOMAIN.bare])
def moderate(server: "Server", iq: Stanza) -> None:
    """Take back the message of this id, and tell all (section "Use Case")."""
    request = iq.only_child()
    if request.find(RETRACT) is None:
        raise StanzaError("bad-request", "a message is taken back, and nothing else is done with it")
    _take_back(server, iq, request.get("id", ""), request.findtext(REASON) or "")


@feature.iq_set(APPLY_TO, to=[SUBDOMAIN.bare])
def moderate_as_before(server: "Server", iq: Stanza) -> None:
    """The same as version 0.2 of the XEP had it, which clients still send."""
    older = f"{{{OLDER_MODERATION}}}"
    request = iq.only_child().find(f"{older}moderate")
    if request is None or request.find(f"{{{OLDER_RETRACTION}}}retract") is None:
        raise StanzaError("bad-request", "a message is taken back, and nothing else is done with it")
    _take_back(server, iq, iq.only_child().get("id", ""), request.findtext(f"{older}reason") or "")


def _take_back(server: "Server", iq: Stanza, id: str, reason: str) -> None:
    assert iq.to is not None and iq.sender is not None
    room = open_to(server, iq.to)
    moderator = room.by_session.get(iq.sender)
    if moderator is None or moderator.role != "moderator":
        raise StanzaError("forbidden", "only moderators take back what others have said")
    refuse_long_reason(reason)
    original = tombstones.find(room, id)
    if original is None or original.takes_back:
        raise StanzaError("item-not-found", "there is no such message")
    if original.is_taken_back:  # by two at the same time, say
        return
    at = time.time()
    notice_id = recording.new_id(server, int(at * 1000))
    tombstones.bury(room, original, notice_id, at, _moderated(room, moderator) + _reason(reason))
    say(room, room.address, _notice(room, moderator, id, reason, notice_id), "")


def _notice(room: Room, moderator: Occupant, id: str, reason: str, notice_id: str) -> Stanza:
    """What all are told, in the name of the room; and the same for clients that know only the older form."""
    head = f'<retract xmlns="{retraction.NAMESPACE}" id={quoted(id)}>'.encode()
    retract = head + _moderated(room, moderator) + _reason(reason) + b"</retract>"
    by = quoted(room.address.with_resource(moderator.nick))
    older = (
        f'<apply-to xmlns="{FASTENED}" id={quoted(id)}><moderated xmlns="{OLDER_MODERATION}" by={by}>'
        f'<retract xmlns="{OLDER_RETRACTION}"/>'
    ).encode() + _reason(reason) + b"</moderated></apply-to>"  # fmt: skip
    return Stanza.build(
        "message",
        retract + older,
        type="groupchat",
        id=notice_id,
        sender=room.address,
        child_tags=frozenset({RETRACT, APPLY_TO}),
    )


def _moderated(room: Room, moderator: Occupant) -> bytes:
    by = quoted(room.address.with_resource(moderator.nick))
    return f'<moderated xmlns="{MODERATION}" by={by}>'.encode() + occupant_id(moderator.id) + b"</moderated>"


def _reason(reason: str) -> bytes:
    """In the namespace of what it stands in."""
    return text_element("reason", reason).encode()
