"""XEP-0160: messages to an account that is not online are kept, and delivered when it is."""

import logging
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db import accounts, offline, rosters
from handlers.archive import Queried, retraction
from handlers.archive.rules import RETRACT
from handlers.contacts.access import is_blocked
from handlers.messages import delay, stanza_ids
from handlers.messages.payloads import CHAT_STATES, NO_STORE, ONE_TO_ONE
from handlers.pubsub import waiting
from handlers.sessions.managed_sessions import Management
from xmpp.config.configuration import setting
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature
from xmpp.running.handling import handled
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

AT_A_TIME = 4  # messages that are read from the storage
FOR_CONTACTS = 2  # contacts alone have this part of the room in addition
# The children of a chat message that only says that somebody is typing (XEP-0085 section 5.5 allows the thread).
PASSING = CHAT_STATES | {"{jabber:client}thread"}


@dataclass(frozen=True)
class OfflineSettings:
    """Messages that wait for an account to come online."""

    max_messages: int = setting(200, "How many messages wait for one account, and half as many more of contacts; their "
                                "senders are told beyond that.", minimum=0, maximum=1_000_000)  # fmt: skip
    max_bytes: int = setting(4 << 20, "How long they may be together, and half as much more of contacts.",
                             minimum=0, maximum=1 << 40)  # fmt: skip


feature = Feature(
    "offline", xep="0160", disco=["msgoffline"], settings=OfflineSettings, optional=False, needs=["stanza_ids"]
)


class Delivered:
    """What a session was sent of the messages that had waited.

    `messages`: the ids of those that are not deleted yet; they leave once `ticket` has closed, and have arrived when
    the client has acknowledged `count` stanzas. `turn`: not None while this session is the one that is sent what waits;
    each delivery has an object of its own there, and stops when it is replaced. `had`: the ids of messages that wait
    for another session only, as this one has got them otherwise.
    """

    def __init__(self, most: int) -> None:
        self.messages: list[int] = []
        self.count = 0
        self.ticket: Ticket | None = None
        self.turn: object | None = None
        self.had: deque[int] = deque(maxlen=most)

    @property
    def under_way(self) -> list[int]:
        """The ids of messages that the client may still acknowledge; none if their ticket has failed."""
        return self.messages if self.ticket is None or self.ticket.failed is None else []


# -- delivery steps


@feature.step
@concerns(RETRACT)
def drop_retracted(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED and others: drop the waiting message that this one retracts (XEP-0424)."""
    stanza = delivery.stanza
    taken_back = retraction.retracted_id(stanza)
    if taken_back is None or stanza.sender is None or stanza.type not in ONE_TO_ONE:
        return
    db, account = delivery.server.db, delivery.account
    original = offline.newest(db, account, stanza.sender.bare, taken_back)
    if original is None or original.at < accounts.since(db, stanza.sender.bare):
        return
    if retraction.retractable(original.stanza, stanza) is not None:
        offline.drop(db, account, [original.id])


@feature.step
def keep(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED, MESSAGE_REDELIVERED: keep a chat or normal message for which no session was chosen."""
    if not delivery.chosen:
        _keep(delivery)


def keep_for_others(delivery: Delivery, had_by: Collection[int]) -> None:
    """Keep a message for the account's other sessions: those with the numbers `had_by` have got it, or will when they
    are resumed, and are not sent it again."""
    if not _keep(delivery):
        return
    server, account = delivery.server, delivery.account
    kept = offline.last(server.db, account)
    for session in server.online.sessions(account):
        if session.number in had_by:
            _delivered(session).had.append(kept)


def _keep(delivery: Delivery) -> bool:
    stanza = delivery.stanza
    if not _is_worth_keeping(stanza):
        return False
    db, account, content = delivery.server.db, delivery.account, stanza.wire()
    if _has_room(delivery, len(content)):
        sender = "" if stanza.sender is None else stanza.sender.bare
        offline.keep(db, account, content, time.time(), sender, stanza.id or "")
        return True
    if stanza_ids.id_by(stanza, account) is None:  # with an id it is in the archive, and not lost
        raise StanzaError("service-unavailable")  # XEP-0160 section 2
    return False


@feature.step
def deliver(delivery: Delivery) -> None:
    """PRESENCE_SENT: a session that comes to accept messages is sent those that waited; one that no longer does leaves
    the rest to another."""
    if delivery.stanza.to is None:
        (send_waiting if _accepts_messages(delivery.session) else hand_over)(delivery.session)


@feature.step
def send_waiting(session: "Session") -> None:
    """SESSION_RESUMED: send a session what waits, unless another session is being sent it: one at a time."""
    server, account = session.server, session.account
    if not _accepts_messages(session) or not offline.count(server.db, account):
        return
    sessions = server.online.sessions(account)
    if any(_is_being_sent_them(each) for each in sessions):
        return
    for each in sessions:
        earlier = each.state(Delivered)
        if earlier is not None:
            earlier.turn = None
    delivered, turn = _delivered(session), object()
    delivered.turn = turn
    session.send_all(_messages(session, delivered, turn))


@feature.step
def hand_over(session: "Session") -> None:
    """CONNECTION_LOST, SESSION_ENDED: send what this session was not sent yet to another that is connected: it may be
    long until the next one comes online."""
    delivered = session.state(Delivered)
    if delivered is None or delivered.turn is None:
        return
    for other in session.server.online.available(session.account):
        if other is not session and other.connection is not None and _accepts_messages(other):
            send_waiting(other)
            return


def drop_arrived(session: "Session") -> None:
    """Delete the messages that a session was sent, with stream management once they are acknowledged. A server that is
    killed before delivers them twice rather than never."""
    delivered, management = session.state(Delivered), session.state(Management)
    if delivered is not None and (management is None or management.sent.acknowledged >= delivered.count):
        _drop(session, delivered)


@feature.step
def let_go(session: "Session") -> None:
    """SESSION_ENDED: delete what was delivered. If it was not acknowledged, stream management sends it another way."""
    delivered = session.state(Delivered)
    if delivered is not None:
        _drop(session, delivered)


def _drop(session: "Session", delivered: Delivered) -> None:
    if delivered.under_way:
        with suppress(*session.server.storage_errors):  # then they are delivered again, one day
            offline.drop(session.server.db, session.account, delivered.messages)
            delivered.messages = []


def _has_room(delivery: Delivery, size: int) -> bool:
    """True if a message of this size (bytes) may wait. Contacts have some room of their own, or a stranger who fills it
    could keep them all from reaching the account."""
    db, account, settings = delivery.server.db, delivery.account, delivery.server.settings(OfflineSettings)
    most: int = settings.max_messages
    most_bytes: int = settings.max_bytes
    if _is_known(delivery):
        most, most_bytes = most + most // FOR_CONTACTS, most_bytes + most_bytes // FOR_CONTACTS
    used = offline.usage(db, account)
    return used.messages < most and used.bytes + size <= most_bytes


def _is_known(delivery: Delivery) -> bool:
    """True if the sender is the account itself, its server, or a contact: one who sees its presence, or whose presence
    it sees."""
    sender, account = delivery.stanza.sender, delivery.account
    if sender is None or sender.bare in (account, account.domain):
        return True
    item = rosters.item(delivery.server.db, account, sender.bare)
    return item is not None and (item.is_subscriber or item.is_subscribed_to)


def _is_worth_keeping(stanza: Stanza) -> bool:
    """True for the messages that XEP-0160 section 3 stores, without the hint <no-store/> (XEP-0334)."""
    tags = stanza.child_tags
    if stanza.type not in ONE_TO_ONE or NO_STORE in tags:
        return False
    return not (stanza.type == "chat" and tags <= PASSING)


# -- delivering


def _delivered(session: "Session") -> Delivered:
    delivered = session.state(Delivered)
    if delivered is None:
        most: int = session.server.settings(OfflineSettings).max_messages
        delivered = Delivered(most + most // FOR_CONTACTS)
        session.keep(delivered)
    return delivered


def _accepts_messages(session: "Session") -> bool:
    """True if the session gets messages for the bare address (RFC 6121 section 8.5.2.1.1)."""
    return session.is_available and session.priority >= 0


def _is_being_sent_them(session: "Session") -> bool:
    delivered = session.state(Delivered)
    is_its_turn = delivered is not None and delivered.turn is not None
    return is_its_turn and session.connection is not None and _accepts_messages(session)


def _messages(session: "Session", delivered: Delivered, turn: object) -> Iterator[Stanza | None]:
    """The messages that waited, oldest first. Each is noted in `delivered` just before it is sent."""
    server, account = session.server, session.account
    for message in _waiting(session, delivered):
        if delivered.turn is not turn:
            return
        stanza = _wanted(session, message)
        is_wanted = stanza is not None
        server.db.touch_unfinished()  # the message may not be on the disk yet
        management = session.state(Management)
        delivered.messages.append(message.id)
        delivered.ticket = handled().ticket or delivered.ticket
        delivered.count = 0 if management is None else management.sent.total + is_wanted
        yield delay.stamped(stanza, account.domain, message.at) if stanza is not None else None
    if delivered.turn is turn:
        delivered.turn = None


def _wanted(session: "Session", message: offline.Waiting) -> Stanza | None:
    """The message, unless it is not to be sent any more. One that cannot be read is skipped: it would be in the way of
    all others for good."""
    try:
        stanza = Stanza.from_wire(message.stanza)
    except Unreadable:
        log.exception("a message that waits for %s cannot be read", session.account)
        return None
    return None if _has_been_found(session, message, stanza) or _is_blocked(session, stanza, message.at) else stanza


def _waiting(session: "Session", delivered: Delivered) -> Iterator[offline.Waiting]:
    """The messages that no session was sent yet, oldest first, read a few at a time: each may be as large as a stanza
    can be."""
    server, account, last = session.server, session.account, 0
    while _accepts_messages(session):
        but_for = {id for id in (*delivered.had, *_under_way(server, account)) if id > last}
        some = offline.waiting(server.db, account, last, but_for, most=AT_A_TIME)
        yield from some
        drop_arrived(session)
        if not some:
            return
        last = some[-1].id


def _under_way(server: "Server", account: JID) -> Iterator[int]:
    """The ids of messages that some session was sent already, and may still acknowledge."""
    for session in server.online.sessions(account):
        delivered = session.state(Delivered)
        if delivered is not None:
            yield from delivered.under_way


def _has_been_found(session: "Session", message: offline.Waiting, stanza: Stanza) -> bool:
    """True if the session may have it from the archive already, where it asked before its first presence (XEP-0313
    section "User Archives")."""
    queried = session.state(Queried)
    if queried is None or message.at > queried.at:
        return False
    return stanza_ids.id_by(stanza, session.account) is not None


def _is_blocked(session: "Session", stanza: Stanza, at: float) -> bool:
    """True if the sender was blocked while it waited, or, for an event of a node, whoever may have caused the event.
    `at`: when the message came."""
    server, account = session.server, session.account
    if stanza.sender is not None and is_blocked(server, account, stanza.sender):
        return True
    return waiting.is_unheard(server, account, stanza, at)
