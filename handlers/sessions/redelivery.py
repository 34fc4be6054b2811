"""XEP-0198 section 4: what a session was sent, and never acknowledged, is sent again when it is resumed, and takes one
other way when it is over."""

import logging
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING

import gevent

from db import accounts as account_records
from handlers.messages import delay, offline, stanza_ids
from handlers.messages.payloads import CARBON_RECEIVED, CARBON_SENT, ONE_TO_ONE
from handlers.sessions.acknowledgements import Unacknowledged
from handlers.sessions.managed_sessions import Management
from xmpp.data.errors import StanzaError, not_stored
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.routing.delivery import Delivery, Step
from xmpp.routing.session import Session
from xmpp.routing.tables import Table
from xmpp.running.handling import Handled
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

NOTHING = b"<message/>"  # in place of what cannot be sent again: its client counts it
STANZAS_AT_ONCE, BYTES_AT_ONCE = 50, 262_144  # for some milliseconds: that is how long others wait
PAUSE_SECONDS = 0.001

# What is to be had in another way: copies, results of an archive, events.
SECOND_HAND = frozenset(
    {CARBON_SENT, CARBON_RECEIVED, "{urn:xmpp:mam:2}result", "{http://jabber.org/protocol/pubsub#event}event"}
)

# What a session that is over had been sent and never acknowledged, for whoever else there is, or comes.
MESSAGE_REDELIVERED = Table[Step]("MESSAGE_REDELIVERED")
# The same of what others have got: it waits for the one who has not, although somebody is there.
MESSAGE_KEPT = Table[Step]("MESSAGE_KEPT")


class UnderWay(set["gevent.Greenlet[..., None]"]):
    """What goes on with the stanzas of sessions that are over."""


def send_another_way(over: Session, stanzas: Collection[Unacknowledged]) -> None:
    """Give each stanza of a session that is over its other way: to another device, to those kept, back to its sender,
    or none.

    The first of them at once. There may be thousands, and others have their turn before the rest; the account may have
    been removed by then, and its name be somebody else's, to whom none of them goes.
    """
    waiting = deque(stanzas)
    _send_some(over, waiting)
    if waiting:
        under_way = over.server.state(UnderWay)
        rest = gevent.spawn(_send_rest, over, waiting)
        under_way.add(rest)
        rest.link(under_way.discard)
    _note_kept(over, {id(each.stanza) for each in stanzas if each.devices})


def _note_kept(over: Session, shared: Collection[int]) -> None:
    """What others were sent as well is kept once, also when their sessions end."""
    for other in over.server.online.sessions(over.account) if shared else ():
        management = other.state(Management)
        if management is not None:
            management.sent.note_kept(shared)


def once_more(session: Session, each: Unacknowledged) -> bytes:
    """What a session that is resumed was sent, to be sent again to the same client: with the time of the first."""
    if not each.stanza.startswith(b"<message"):
        return each.stanza
    try:
        return delay.stamped(Stanza.from_wire(each.stanza), session.account.domain, each.at).wire()
    except Unreadable:
        log.exception("what %s has missed cannot be read", session.jid)
        return NOTHING


def finish(server: "Server") -> None:
    """Wait until all of them have gone their way. Yields."""
    gevent.joinall(list(server.state(UnderWay)))


def _send_rest(over: Session, waiting: deque[Unacknowledged]) -> None:
    while waiting:
        gevent.sleep(PAUSE_SECONDS)
        with Handled():
            over.server.db.touch_unfinished()  # the last of it may not have been written yet: it waits for the disk
            _send_some(over, waiting)


def _send_some(over: Session, waiting: deque[Unacknowledged]) -> None:
    room, outgoing = BYTES_AT_ONCE, dict[Session, list[Stanza]]()
    for _ in range(min(len(waiting), STANZAS_AT_ONCE)):
        each = waiting.popleft()
        _send_one(over, each, outgoing)
        room -= len(each.stanza)
        if room < 0:
            break
    for session, stanzas in outgoing.items():
        if session.connection is not None:
            session.send_all(stanzas)
            continue
        for stanza in stanzas:  # to be remembered, and to wake it
            session.send(stanza)


def _send_one(over: Session, each: Unacknowledged, outgoing: dict[Session, list[Stanza]]) -> None:
    server, account = over.server, over.account
    try:
        stanza = Stanza.from_wire(each.stanza)
    except Unreadable:
        log.exception("what %s did not acknowledge cannot be read", account)
        return
    try:
        if stanza.kind == "message":
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
    """Tell the sender, if that is still who has sent it, and not somebody who has its address since."""
    sender, server = stanza.sender, over.server
    if sender is None or each.at >= account_records.since(server.db, sender.bare):
        server.router.refuse(stanza, error)


def _send_message(over: Session, each: Unacknowledged, stanza: Stanza, outgoing: dict[Session, list[Stanza]]) -> None:
    server, account = over.server, over.account
    if stanza.type == "groupchat":
        raise StanzaError("recipient-unavailable")  # the room removes who is no longer there
    if stanza.type not in ONE_TO_ONE or not SECOND_HAND.isdisjoint(stanza.child_tags):
        return
    if stanza.child_tags <= offline.PASSING:  # that somebody was typing then
        return
    if account_records.identity(server.db, account) != over.identity:
        if not each.devices:
            raise StanzaError("service-unavailable")
        return
    # The resource is gone, so this is for the account now (RFC 6121 section 8.5.3.2.1).
    repeat = delay.stamped(stanza, account.domain, each.at).addressed(account)
    if not each.devices:
        _deliver(server, account, repeat, outgoing)
    elif not each.is_kept and stanza_ids.id_by(stanza, account) is None:  # where it has an id, it is in the archive
        _keep(server, account, repeat, each.devices)


def _deliver(server: "Server", account: JID, repeat: Stanza, outgoing: "dict[Session, list[Stanza]]") -> None:
    delivery = Delivery(server, account, repeat)
    if not server.tables.steps(MESSAGE_REDELIVERED).run(delivery):
        return
    if len(delivery.chosen) > 1:
        delivery.stanza.devices = [session.number for session in delivery.chosen]
    for session in delivery.chosen:
        outgoing.setdefault(session, []).append(delivery.stanza)


def _keep(server: "Server", account: JID, repeat: Stanza, had_by: Collection[int]) -> None:
    delivery = Delivery(server, account, repeat)
    try:
        if server.tables.steps(MESSAGE_KEPT).run(delivery):
            offline.keep_for_others(delivery, had_by)
    except StanzaError:
        pass  # somebody has got it, so its sender hears of no error
