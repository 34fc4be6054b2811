"""XEP-0198 section 4: what a client has not acknowledged is sent again when its session is resumed. If the session is
over, each stanza goes to another device, into storage, or back to its sender."""

import logging
from collections import deque
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import gevent

from db import accounts as account_records
from handlers.messages import delay, offline, stanza_ids
from handlers.messages.occupants import OCCUPANT_ID
from handlers.messages.payloads import CARBON_RECEIVED, CARBON_SENT, MUC_USER, ONE_TO_ONE, tells_of_affiliations
from handlers.sessions.acknowledgements import Unacknowledged
from handlers.sessions.managed_sessions import Management
from xmpp.data.errors import StanzaError, not_stored
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.data.wire import attributes_of
from xmpp.routing.delivery import Delivery, Step
from xmpp.routing.session import Session
from xmpp.routing.tables import Table
from xmpp.running.handling import Handled, handled
from xmpp.running.logs import log_refusal
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

NOTHING = b"<message/>"  # in place of what cannot be read any more: the client counts a stanza there
STANZAS_AT_ONCE, BYTES_AT_ONCE = 50, 262_144  # takes some milliseconds, for which all others wait
PAUSE_SECONDS = 0.001

# What a client can get in another way: copies, results of an archive, events. (And so it can who is what in a room.)
SECOND_HAND = frozenset(
    {CARBON_SENT, CARBON_RECEIVED, "{urn:xmpp:mam:2}result", "{http://jabber.org/protocol/pubsub#event}event"}
)

BY_ROOM = frozenset({MUC_USER, OCCUPANT_ID})
"""What rooms add to what one occupant says to another."""

# A message that a session never acknowledged before it ended: for the account's other devices, or to be kept.
MESSAGE_REDELIVERED = Table[Step]("MESSAGE_REDELIVERED")
# The same, where other devices were sent it as well: it is kept for the one that has missed it, whoever is online.
MESSAGE_KEPT = Table[Step]("MESSAGE_KEPT")


Outgoing = dict[Session, list[tuple[Stanza, Ticket | None]]]
"""What other sessions are to be sent, each stanza with the ticket that it waits for."""


class UnderWay(set["gevent.Greenlet[..., None]"]):
    """The greenlets that are still sending stanzas of ended sessions another way. A server has one such set."""


def send_another_way(over: Session, stanzas: Collection[Unacknowledged]) -> None:
    """Send the stanzas of a session that is over to another device, into storage, or back to their senders.

    The first ones at once. There may be thousands, so the rest follows in a greenlet. The account may be removed
    meanwhile; somebody who takes its name then gets nothing of it.
    """
    waiting, rooms_told = deque(stanzas), set[JID]()
    _send_some(over, waiting, rooms_told)
    if waiting:
        under_way = over.server.state(UnderWay)
        rest = gevent.spawn(_send_rest, over, waiting, rooms_told)
        under_way.add(rest)
        rest.link(under_way.discard)
    _note_kept(over, {id(each.stanza) for each in stanzas if each.devices})


def _note_kept(over: Session, shared: Collection[int]) -> None:
    """Have the account's other sessions know what they were sent as well: it is not to be kept a second time when they
    end unacknowledged. `shared`: the `id()` of the stanzas' bytes."""
    for other in over.server.online.sessions(over.account) if shared else ():
        management = other.state(Management)
        if management is not None:
            management.sent.note_kept(shared)


def once_more(session: Session, each: Unacknowledged) -> bytes:
    """The bytes to send again to a client that resumes; a message says when it was sent first (XEP-0203)."""
    written = bytes(each.stanza)
    if not written.startswith(b"<message"):
        return written
    try:
        return delay.stamped(Stanza.from_wire(written), session.account.domain, each.at).wire()
    except Unreadable:
        log.exception("what %s has missed cannot be read", session.jid)
        return NOTHING


def finish(server: "Server") -> None:
    """Wait until the stanzas of all ended sessions have been sent another way. Yields."""
    gevent.joinall(list(server.state(UnderWay)))


def _send_rest(over: Session, waiting: deque[Unacknowledged], rooms_told: set[JID]) -> None:
    while waiting:
        gevent.sleep(PAUSE_SECONDS)
        with Handled():
            _send_some(over, waiting, rooms_told)


def _send_some(over: Session, waiting: deque[Unacknowledged], rooms_told: set[JID]) -> None:
    room, outgoing = BYTES_AT_ONCE, Outgoing()
    for _ in range(min(len(waiting), STANZAS_AT_ONCE)):
        each = waiting.popleft()
        with Handled(each.ticket):  # what brought it may not be on the disk yet
            _send_one(over, each, outgoing, rooms_told)
        room -= len(each.stanza)
        if room < 0:
            break
    for session, stanzas in outgoing.items():
        if session.connection is not None:
            session.send_all(_with_tickets(stanzas))
            continue
        for stanza, ticket in stanzas:  # it hibernates: what it is sent is remembered, and wakes the device
            with Handled(ticket):
                session.send(stanza)


def _with_tickets(stanzas: list[tuple[Stanza, Ticket | None]]) -> Iterator[Stanza]:
    for stanza, ticket in stanzas:
        if not _is_lost(ticket):
            handled().ticket = ticket
            yield stanza


def _is_lost(ticket: Ticket | None) -> bool:
    """True if a stanza could not be stored, of which its sender has been told."""
    return ticket is not None and ticket.failed is not None


def _send_one(over: Session, each: Unacknowledged, outgoing: Outgoing, rooms_told: set[JID]) -> None:
    if _is_lost(each.ticket):
        return
    server, account, written = over.server, over.account, bytes(each.stanza)
    if written.startswith(b"<presence") or _is_of_a_room_of_ours(server, written):
        return
    try:
        stanza = Stanza.from_wire(written)
    except Unreadable:
        log.exception("what %s did not acknowledge cannot be read", account)
        return
    try:
        if stanza.type == "groupchat":
            _tell_room(stanza, rooms_told)
        elif stanza.kind == "message":
            _send_message(over, each, stanza, outgoing)
        elif stanza.is_request:
            raise StanzaError("service-unavailable")
    except StanzaError as error:
        _refuse(over, each, stanza, error)
    except server.storage_errors as error:
        log_refusal(log, error, "cannot keep what %s did not acknowledge", account)
        _refuse(over, each, stanza, not_stored())
    except Exception:  # what is wrong with one must not take the others with it
        log.exception("cannot send another way: %r", stanza)


def _refuse(over: Session, each: Unacknowledged, stanza: Stanza, error: StanzaError) -> None:
    """Tell the sender, unless the address has passed to somebody else since."""
    sender, server = stanza.sender, over.server
    if sender is None or each.at >= account_records.since(server.db, sender.bare):
        server.router.refuse(stanza, error)


def _is_of_a_room_of_ours(server: "Server", written: bytes) -> bool:
    """True for what was said to all in a room that the session has left: the room has it. Hundreds may wait for each of
    hundreds of devices, so these are not parsed."""
    if b' type="groupchat"' not in written.partition(b">")[0]:
        return False
    sender = attributes_of(written).get(b"from", b"").decode()
    return server.runs(sender.partition("/")[0].rpartition("@")[2])


def _tell_room(stanza: Stanza, rooms_told: set[JID]) -> None:
    """A room elsewhere may not have heard that the session has left, and removes who is no longer there: one error says
    so, not one for each message (XEP-0045 section 17.1.3)."""
    room = stanza.sender
    if room is not None and room.bare not in rooms_told:
        rooms_told.add(room.bare)
        raise StanzaError("recipient-unavailable")


def _send_message(over: Session, each: Unacknowledged, stanza: Stanza, outgoing: Outgoing) -> None:
    server, account = over.server, over.account
    if stanza.type not in ONE_TO_ONE or not SECOND_HAND.isdisjoint(stanza.child_tags) or tells_of_affiliations(stanza):
        return
    is_private = _is_private_message(stanza)
    tags = stanza.child_tags - BY_ROOM if is_private else stanza.child_tags
    if tags <= offline.PASSING:  # that somebody was typing is over
        return
    if is_private:
        if stanza_ids.id_by(stanza, account) is None:  # with an id, it is in the archive, and not lost
            raise StanzaError("recipient-unavailable")  # it is for who was in the room, and for no other device
        return
    if account_records.identity(server.db, account) != over.identity:
        if not each.devices:
            raise StanzaError("service-unavailable")
        return
    # The resource is gone, so this is for the account now (RFC 6121 section 8.5.3.2.1).
    repeat = delay.stamped(stanza, account.domain, each.at).addressed(account)
    if not each.devices:
        _deliver(server, account, repeat, outgoing)
    elif not each.is_kept and stanza_ids.id_by(stanza, account) is None:  # with an id, it is in the archive
        _keep(server, account, repeat, each.devices)


def _is_private_message(stanza: Stanza) -> bool:
    """True for what another occupant of a room has said to this one (XEP-0045 section 7.5)."""
    return MUC_USER in stanza.child_tags and stanza.sender is not None and stanza.sender.is_full


def _deliver(server: "Server", account: JID, repeat: Stanza, outgoing: Outgoing) -> None:
    delivery = Delivery(server, account, repeat)
    if not server.tables.steps(MESSAGE_REDELIVERED).run(delivery):
        return
    if len(delivery.chosen) > 1:
        delivery.stanza.devices = [session.number for session in delivery.chosen]
    for session in delivery.chosen:
        outgoing.setdefault(session, []).append((delivery.stanza, handled().ticket))


def _keep(server: "Server", account: JID, repeat: Stanza, had_by: Collection[int]) -> None:
    delivery = Delivery(server, account, repeat)
    try:
        if server.tables.steps(MESSAGE_KEPT).run(delivery):
            offline.keep_for_others(delivery, had_by)
    except StanzaError:
        pass  # another device has got the message, so its sender is not told
