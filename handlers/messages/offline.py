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

AT_A_TIME = 4
FOR_CONTACTS = 2  # this part of the room comes in addition, for contacts alone
# What a chat message that only says that somebody is typing consists of (XEP-0085 section 5.5 allows the thread).
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
    """What a session was sent of what had waited: messages by their ids, held back for `ticket`. They have arrived when
    the client has acknowledged `count` stanzas in all. `turn`: there may be more of them, and they are this session's
    for as long as that is what it was when they were begun.

    `had`: those that the session has got otherwise, and that wait for another one.
    """

    def __init__(self, most: int) -> None:
        self.messages: list[int] = []
        self.count = 0
        self.ticket: Ticket | None = None
        self.turn: object | None = None
        self.had: deque[int] = deque(maxlen=most)

    @property
    def under_way(self) -> list[int]:
        """Those that are in the file still, and were not lost with what they were held back for."""
        return self.messages if self.ticket is None or self.ticket.failed is None else []


# -- delivery steps


@feature.step
@concerns(RETRACT)
def drop_retracted(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED, whoever gets it: the message that it takes back is not passed on any more (XEP-0424)."""
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
    """MESSAGE_RECEIVED: a chat or normal message for which no session was chosen. It goes on: to wake a device."""
    if not delivery.chosen:
        _keep(delivery)


def keep_for_others(delivery: Delivery, had_by: Collection[int]) -> None:
    """The same for a message that some of the account's sessions, by their numbers, have got, or will when they are
    resumed: it waits for those that have not."""
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
    if stanza_ids.id_by(stanza, account) is None:  # otherwise it is in the archive, and not lost
        raise StanzaError("service-unavailable")  # XEP-0160 section 2
    return False


@feature.step
def deliver(delivery: Delivery) -> None:
    """PRESENCE_SENT: a session that is there for messages gets those that waited."""
    if delivery.stanza.to is None:
        (go_on if _is_there(delivery.origin) else hand_over)(delivery.origin)


@feature.step
def go_on(session: "Session") -> None:
    """SESSION_RESUMED: what waits is for one session at a time; nobody may have been there to go on with it."""
    server, account = session.server, session.account
    if not _is_there(session) or not offline.count(server.db, account):
        return
    sessions = server.online.sessions(account)
    if not any(_is_being_sent_them(each) for each in sessions):
        for each in sessions:
            _take_turn(each)
        delivered, turn = _delivered(session), object()
        delivered.turn = turn
        session.send_all(_messages(session, delivered, turn))


@feature.step
def hand_over(session: "Session") -> None:
    """CONNECTION_LOST, SESSION_ENDED: what this session was to be sent, and was not yet, is for another one that is
    there: none may come for a long time that has to be told of it by its presence."""
    delivered = session.state(Delivered)
    if delivered is None or delivered.turn is None:
        return
    for other in session.server.online.available(session.account):
        if other is not session and other.connection is not None and _is_there(other):
            go_on(other)
            return


def drop_arrived(session: "Session") -> None:
    """Delete what was delivered: after it was sent, or acknowledged where the client does that. Killed in between, the
    server delivers twice rather than never."""
    delivered, management = session.state(Delivered), session.state(Management)
    if delivered is not None and (management is None or management.sent.acknowledged >= delivered.count):
        _drop(session, delivered)


@feature.step
def let_go(session: "Session") -> None:
    """SESSION_ENDED: what was delivered and has not arrived takes another way, like all that was not acknowledged."""
    delivered = session.state(Delivered)
    if delivered is not None:
        _drop(session, delivered)


def _drop(session: "Session", delivered: Delivered) -> None:
    if delivered.under_way:
        with suppress(*session.server.storage_errors):  # then it is delivered again, one day
            offline.drop(session.server.db, session.account, delivered.messages)
            delivered.messages = []


def _has_room(delivery: Delivery, size: int) -> bool:
    """Whether one more may wait. Contacts have room that strangers cannot fill: else one of those could keep all whom
    somebody knows from reaching them."""
    db, account, settings = delivery.server.db, delivery.account, delivery.server.settings(OfflineSettings)
    most: int = settings.max_messages
    most_bytes: int = settings.max_bytes
    if _is_known(delivery):
        most, most_bytes = most + most // FOR_CONTACTS, most_bytes + most_bytes // FOR_CONTACTS
    used = offline.usage(db, account)
    return used.messages < most and used.bytes + size <= most_bytes


def _is_known(delivery: Delivery) -> bool:
    """Whether it comes from the account itself, its server, or a contact: one of both sees the other's presence."""
    sender, account = delivery.stanza.sender, delivery.account
    if sender is None or sender.bare in (account, account.domain):
        return True
    item = rosters.item(delivery.server.db, account, sender.bare)
    return item is not None and (item.is_subscriber or item.is_subscribed_to)


def _is_worth_keeping(stanza: Stanza) -> bool:
    """XEP-0160 section 3, and the hint of XEP-0334."""
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


def _is_there(session: "Session") -> bool:
    """Whether it gets messages that are for whichever session is there (RFC 6121 section 8.5.2.1.1)."""
    return session.is_available and session.priority >= 0


def _is_being_sent_them(session: "Session") -> bool:
    delivered = session.state(Delivered)
    is_its_turn = delivered is not None and delivered.turn is not None
    return is_its_turn and session.connection is not None and _is_there(session)


def _take_turn(session: "Session") -> None:
    delivered = session.state(Delivered)
    if delivered is not None:
        delivered.turn = None


def _messages(session: "Session", delivered: Delivered, turn: object) -> Iterator[Stanza | None]:
    """The messages that waited, oldest first; what is noted of each is so once it is sent."""
    server, account = session.server, session.account
    for message in _waiting(session, delivered):
        if delivered.turn is not turn:
            return
        stanza = _wanted(session, message)
        is_wanted = stanza is not None
        server.db.touch_unfinished()  # it may have come just now
        management = session.state(Management)
        delivered.messages.append(message.id)
        delivered.ticket = handled().ticket or delivered.ticket
        delivered.count = 0 if management is None else management.sent.total + is_wanted
        yield delay.stamped(stanza, account.domain, message.at) if stanza is not None else None
    if delivered.turn is turn:
        delivered.turn = None


def _wanted(session: "Session", message: offline.Waiting) -> Stanza | None:
    """The message, if it is still to be sent. One that cannot be read is not: it would keep all others, and their
    account, away for good."""
    try:
        stanza = Stanza.from_wire(message.stanza)
    except Unreadable:
        log.exception("a message that waits for %s cannot be read", session.account)
        return None
    return None if _has_been_found(session, message, stanza) or _is_blocked(session, stanza, message.at) else stanza


def _waiting(session: "Session", delivered: Delivered) -> Iterator[offline.Waiting]:
    """Those not delivered yet, oldest first, read a few at a time: each may be as large as a stanza can be."""
    server, account, last = session.server, session.account, 0
    while _is_there(session):
        but_for = {id for id in (*delivered.had, *_under_way(server, account)) if id > last}
        some = offline.waiting(server.db, account, last, but_for, most=AT_A_TIME)
        yield from some
        drop_arrived(session)
        if not some:
            return
        last = some[-1].id


def _under_way(server: "Server", account: JID) -> Iterator[int]:
    """The messages that sessions have been sent already, and may still acknowledge."""
    for session in server.online.sessions(account):
        delivered = session.state(Delivered)
        if delivered is not None:
            yield from delivered.under_way


def _has_been_found(session: "Session", message: offline.Waiting, stanza: Stanza) -> bool:
    """Whether the session could have it from the archive already (XEP-0313 section "User Archives")."""
    queried = session.state(Queried)
    if queried is None or message.at > queried.at:
        return False
    return stanza_ids.id_by(stanza, session.account) is not None


def _is_blocked(session: "Session", stanza: Stanza, at: float) -> bool:
    """Whether its sender was blocked meanwhile, or whom it speaks for."""
    server, account = session.server, session.account
    if stanza.sender is not None and is_blocked(server, account, stanza.sender):
        return True
    return waiting.is_unheard(server, account, stanza, at)
