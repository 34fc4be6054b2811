"""XEP-0198: stanzas are acknowledged both ways, and a session outlives its connection to be resumed by another one."""

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal

import gevent
from lxml import etree

from db import accounts
from db import stream_management as ended_streams
from handlers.messages import offline
from handlers.sessions import client_state, queue_budget, redelivery
from handlers.sessions.acknowledgements import CountTooHigh, Unacknowledged
from handlers.sessions.managed_sessions import Management, Resumable, StreamManagementSettings, Waiting
from handlers.sessions.stream_management_elements import (
    ANSWER,
    ENABLE,
    NAMESPACE,
    REQUEST,
    REQUEST_WIRE,
    RESUME,
    SM,
    Refused,
    boolean,
    count,
    element,
    or_failed,
    seconds,
)
from xmpp.data.errors import StreamError
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.delivery import STOP, for_sessions_with
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Connection, Stream
from xmpp.routing.tables import SessionStep, Table
from xmpp.running.handling import Handled, handled
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

ID_BYTES = 24  # of randomness: who knows an id, and the account's password, takes the session over
REMEMBERED_SECONDS = 24 * 3600  # for a client that comes too late, and wants to know what has to be sent again

feature = Feature("stream_management", xep="0198", settings=StreamManagementSettings, needs=["offline"])

SESSION_RESUMED = Table[SessionStep]("SESSION_RESUMED")  # after what is sent again

# -- negotiation


@feature.stream_feature(when=State.AUTHENTICATED)
def offer(stream: Stream) -> etree._Element:
    """Section 2: to resume now, or to enable once a resource is bound."""
    return etree.Element(SM, nsmap={None: NAMESPACE})


@feature.element(ENABLE, when=State.OPEN)
@feature.element(ENABLE, when=State.AUTHENTICATED)
@feature.element(RESUME, when=State.OPEN)
@feature.element(RESUME, when=State.BOUND)
@or_failed
def refuse_order(server: "Server", stream: Stream, asked: etree._Element) -> None:
    """Section 3: first the login, then either a resource and <enable/>, or <resume/>."""
    raise Refused("unexpected-request")


@feature.element(ENABLE, when=State.BOUND)
@or_failed
def enable(server: "Server", stream: Stream, asked: etree._Element) -> None:
    """Begin to count, at most once in a session."""
    session, settings = stream.its_session, server.settings(StreamManagementSettings)
    if session.state(Management) is not None:
        raise Refused("unexpected-request")
    tally = server.state(Waiting).of(session.account)
    wants_to_resume = boolean(asked.get("resume"))
    waits = min(seconds(asked.get("max")) or settings.resume_seconds, settings.max_resume_seconds)
    if wants_to_resume:
        id = secrets.token_urlsafe(ID_BYTES)
        server.state(Resumable).sessions[id] = session
        stream.send_element(element("enabled", id=id, resume="true", max=str(waits)))
        session.keep(Management(id, waits, settings, tally))
    else:
        stream.send_element(element("enabled"))
        session.keep(Management(None, waits, settings, tally))


@feature.element(RESUME, when=State.AUTHENTICATED)
@or_failed
def resume(server: "Server", stream: Stream, asked: etree._Element) -> None:
    """Section 5: go on with a session, whether its older connection is known to be broken or not."""
    id, h, account = asked.get("previd", ""), count(asked.get("h")), stream.account
    assert account is not None
    if accounts.identity(server.db, account) != stream.identity:  # it is gone since the login
        raise Refused("not-authorized")
    session = server.state(Resumable).sessions.get(id)
    if session is None or session.identity != stream.identity:  # nobody learns of the ids of others
        raise Refused("item-not-found", ended_streams.handled(server.db, account, id, time.time()))
    management = session.state(Management)
    assert management is not None
    management.sent.forget_lost()
    if management.sent.has_passed(h):  # what it misses is no longer here
        raise Refused("item-not-found", management.received.durable)
    _acknowledge(session, management, h)
    _stop_waiting(management)
    client_state.begin_active(session)  # while the older stream is there: what was held is sent again with the rest
    stream.resume(session)
    _go_on(session, management)


def _go_on(session: "Session", management: Management) -> None:
    """Say what has arrived, once all of that is on the disk, and send again what has not, before anything else."""
    management.awaited = None
    with Handled(management.received.ticket):
        session.write(wire(element("resumed", previd=management.id or "", h=str(management.received.handled))))
    management.is_asked, management.is_catching_up = False, True
    session.send_all(_missed(session, session.connection, management, list(management.sent)), first=True)
    for step in session.server.tables[SESSION_RESUMED]:
        step(session)


def _missed(
    session: "Session", connection: Connection | None, management: Management, unacknowledged: list[Unacknowledged]
) -> Iterator[bytes]:
    """What was sent and has not arrived, for as long as this is the connection that it is sent again on."""
    for each in unacknowledged:
        if session.connection is not connection:
            return
        handled().ticket = management.stored
        yield redelivery.once_more(session, each)
    management.is_catching_up = False
    if management.sent:
        _ask_soon(session, management)


# -- what the server sends


@feature.step
@for_sessions_with(Management)
def remember_until_acked(session: "Session", stanza: Stanza) -> None:
    """WRITTEN: count it and keep it; while the session hibernates, that is all that becomes of it for now."""
    management = session.state(Management)
    assert management is not None
    ticket = handled().ticket
    management.sent.add(stanza.wire(), time.time(), stanza.devices, ticket)
    if ticket is not None:
        management.stored = ticket
    if not management.is_asked:
        _ask_soon(session, management)
    if management.has_too_much or management.crowds_others:
        queue_budget.enforce(session, management)


@feature.step
def wait_for_acknowledgements(session: "Session") -> Literal["stop"] | None:
    """MORE_SENT: what is sent in bulk leaves room for what comes meanwhile. What is sent again takes none."""
    management = session.state(Management)
    if management is None or management.is_catching_up:
        return None
    return STOP if management.is_half_full else None


def _ask_soon(session: "Session", management: Management) -> None:
    """One <r/> for all that is sent in this turn of the loop, and no other before it is answered."""
    management.is_asked = True
    if not management.is_due:
        management.is_due = True
        gevent.get_hub().loop.run_callback(_ask, session, management)


def _ask(session: "Session", management: Management) -> None:
    management.is_due = False
    management.asked_at = management.sent.count
    with Handled():
        session.write(REQUEST_WIRE)


@feature.element(ANSWER, when=State.BOUND)
@or_failed
def acknowledged(server: "Server", stream: Stream, answer: etree._Element) -> None:
    """Forget what has arrived, and ask for what was sent since the last <r/>.

    For nothing else: a client that counts wrong would be asked the same for ever.
    """
    session = stream.its_session
    management = _management_of(session)
    _acknowledge(session, management, count(answer.get("h")))
    session.send_more()
    management.is_asked = False
    if management.sent and management.sent.count != management.asked_at:
        _ask_soon(session, management)


def _acknowledge(session: "Session", management: Management, h: int) -> None:
    try:
        management.sent.acknowledge(h)
    except CountTooHigh as error:
        condition = element("handled-count-too-high", **{"h": str(error.h), "send-count": str(error.sent)})
        raise StreamError("undefined-condition", str(error), application=condition) from None
    offline.drop_arrived(session)


# -- what the client sends


@feature.step
@for_sessions_with(Management)
def count_handled(session: "Session") -> None:
    """HANDLED: count it, and watch what it has stored."""
    management = session.state(Management)
    assert management is not None
    ticket = handled().ticket
    if management.received.add(ticket) and ticket is not None:
        ticket.when_closed(partial(_settle, session, management, ticket))


@feature.element(REQUEST, when=State.BOUND)
@or_failed
def answer_request(server: "Server", stream: Stream, request: etree._Element) -> None:
    """Tell what is handled and on the disk, at once, since the XEP forbids to hold that back; the rest follows."""
    management = _management_of(stream.its_session)
    _tell(stream.its_session, management)
    management.awaited = management.received.ticket


def _settle(session: "Session", management: Management, ticket: Ticket) -> None:
    """What the client sent is on the disk; or it is lost, and the client is to send it again on another stream."""
    if ticket.failed is not None:
        with Handled():
            session.close(StreamError("resource-constraint", "what you sent could not be stored"))
    elif ticket is management.awaited:
        management.awaited = None
        _tell(session, management)


def _tell(session: "Session", management: Management) -> None:
    session.write_ahead(wire(element("a", h=str(management.received.durable))))


def _management_of(session: "Session") -> Management:
    management = session.state(Management)
    if management is None:
        raise Refused("unexpected-request")
    return management


# -- without a connection


@feature.step
def hibernate(session: "Session") -> Literal["stop"] | None:
    """CONNECTION_LOST: the session waits for a while, and is online meanwhile."""
    management = session.state(Management)
    if management is None or management.id is None or management.is_overfull:
        return None
    management.expiry = gevent.spawn_later(management.seconds, _expire, session, management)
    return STOP


def _expire(session: "Session", management: Management) -> None:
    management.expiry = None
    session.end()


def _stop_waiting(management: Management) -> None:
    if management.expiry is not None:
        management.expiry.kill(block=False)
        management.expiry = None


@feature.step
def let_go(session: "Session") -> None:
    """SESSION_ENDED: what was not acknowledged goes another way."""
    management = session.state(Management)
    if management is None:
        return
    _stop_waiting(management)
    if management.id is not None:
        del session.server.state(Resumable).sessions[management.id]
        if session.connection is None:
            _remember_count(session, management.id, management.received.durable)
    management.sent.forget_lost()  # their senders have been told
    unacknowledged = management.sent.take_all()
    if unacknowledged:
        session.server.db.touch_unfinished()  # the last of it may not have been written yet: it waits for the disk
    redelivery.send_another_way(session, unacknowledged)


def _remember_count(session: "Session", id: str, h: int) -> None:
    db, account, now = session.server.db, session.account, time.time()
    if accounts.identity(db, account) == session.identity:
        with suppress(*session.server.storage_errors):  # then its client will ask in vain
            ended_streams.remember(db, account, id, h, now, now + REMEMBERED_SECONDS)


@feature.step
def end_hibernating(server: "Server") -> None:
    """SERVER_STOPPING: those that hibernate end, once all that they had handled is on the disk. Yields."""
    with suppress(*server.storage_errors):
        server.db.flush()
    for session in server.online:
        with Handled():
            session.end()
    redelivery.finish(server)
