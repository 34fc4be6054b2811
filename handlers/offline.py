"""XEP-0160: messages to an account that is not online are kept, and delivered when it is."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db import offline
from handlers import delay, stanza_ids
from handlers.access import is_blocked
from handlers.archive import Queried
from xmpp.config import setting
from xmpp.errors import StanzaError
from xmpp.routing.delivery import Delivery
from xmpp.routing.feature import Feature
from xmpp.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.session import Session

CHAT_STATES = "http://jabber.org/protocol/chatstates"
NO_STORE = "{urn:xmpp:hints}no-store"
# What a chat message that only says that somebody is typing consists of (XEP-0085 section 5.5 allows the thread).
PASSING = frozenset(
    {"{jabber:client}thread"}
    | {f"{{{CHAT_STATES}}}{state}" for state in ("active", "composing", "gone", "inactive", "paused")}
)


@dataclass(frozen=True)
class OfflineSettings:
    """Messages that wait for an account to come online."""

    max_messages: int = setting(200, "How many messages wait for one account; their senders are told beyond that.",
                                minimum=0)  # fmt: skip


feature = Feature("offline", xep="0160", disco=["msgoffline"], settings=OfflineSettings, optional=False)


def keep(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED: a chat or normal message for which no session was chosen. It goes on: to wake a device."""
    if delivery.chosen or not _is_worth_keeping(delivery.stanza):
        return
    db, account = delivery.server.db, delivery.account
    if offline.count(db, account) < delivery.server.settings(OfflineSettings).max_messages:
        offline.keep(db, account, delivery.stanza.wire(), time.time())
    elif stanza_ids.id_by(delivery.stanza, account) is None:  # otherwise it is in the archive, and not lost
        raise StanzaError("service-unavailable")  # XEP-0160 section 2


def deliver(delivery: Delivery) -> None:
    """PRESENCE_SENT: a session that is there for messages gets those that waited."""
    session, stanza = delivery.origin, delivery.stanza
    if stanza.to is not None or not session.is_available or session.priority < 0:
        return
    last = _send_waiting(session)
    if last is not None:
        # Deleted after they were sent: killed in between, the server delivers twice rather than never.
        offline.drop(delivery.server.db, delivery.account, last)


def _is_worth_keeping(stanza: Stanza) -> bool:
    """XEP-0160 section 3, and the hint of XEP-0334."""
    tags = stanza.child_tags
    return NO_STORE not in tags and not (stanza.type == "chat" and tags <= PASSING)


def _send_waiting(session: "Session") -> int | None:
    """Send messages, oldest first; returns the id of the last. What a client cannot take at once waits on."""
    server, last = session.server, None
    room = server.stream_settings.unsent_bytes // 2
    waiting = offline.waiting(server.db, session.account)
    if waiting:
        server.db.touch_unfinished()  # the last of them may have come just now
    for message in waiting:
        stanza = Stanza.from_wire(message.stanza)
        room -= len(message.stanza)
        if room < 0:
            break
        if not _has_been_found(session, message, stanza) and not _is_blocked(session, stanza):
            session.send(delay.stamped(stanza, session.account.domain, message.at))
        last = message.id
    return last


def _has_been_found(session: "Session", message: offline.Waiting, stanza: Stanza) -> bool:
    """Whether the session could have it from the archive already (XEP-0313 section "User Archives")."""
    queried = session.state(Queried)
    if queried is None or message.at > queried.at:
        return False
    return stanza_ids.id_by(stanza, session.account) is not None


def _is_blocked(session: "Session", stanza: Stanza) -> bool:
    """Whether its sender was blocked meanwhile."""
    return stanza.sender is not None and is_blocked(session.server, session.account, stanza.sender)
