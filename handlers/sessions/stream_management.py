"""XEP-0198: stanzas are acknowledged both ways, and a session outlives its connection to be resumed by another one."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal

import gevent
from lxml import etree

from db import accounts
from db import stream_management as ended_streams
from handlers.login.sasl2.inline import LoggedIn
from handlers.messages import offline
from handlers.sessions import client_state, queue_budget, redelivery
from handlers.sessions.acknowledgements import CountTooHigh, Unacknowledged
from handlers.sessions.managed_sessions import Management, Resumable, StreamManagementSettings, Tallies
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
REMEMBERED_SECONDS = 24 * 3600  # for how long a client that comes too late can learn what it has to send again

feature = Feature("stream_management", xep="0198", settings=StreamManagementSettings, needs=["offline"])

SESSION_RESUMED = Table[SessionStep]("SESSION_RESUMED")  # what the client has missed comes before what the steps send

# -- negotiation


@feature.stream_feature(when=State.AUTHENTICATED)
def offer(stream: Stream) -> etree._Element:
    """Section 2: a client resumes in this state, or enables once it has bound a resource."""
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
    """Section 3: begin to count, at most once in a session."""
    _enable(stream.its_session, asked, stream.send_element)


def _enable(session: "Session", asked: etree._Element, answer: Callable[[etree._Element], None]) -> None:
    """Begin to count after <enabled/>. Raises Refused."""
    server, settings = session.server, session.server.settings(StreamManagementSettings)
    if session.state(Management) is not None:
        raise Refused("unexpected-request")
    tally = server.state(Tallies).of(session.account)
    wants_to_resume = boolean(asked.get("resume"))
    lasts = min(seconds(asked.get("max")) or settings.resume_seconds, settings.max_resume_seconds)
    if wants_to_resume:
        id = secrets.token_urlsafe(ID_BYTES)
        server.state(Resumable).sessions[id] = session
        answer(element("enabled", id=id, resume="true", max=str(lasts)))
        session.keep(Management(id, lasts, settings, tally))
    else:
        answer(element("enabled"))
        session.keep(Management(None, lasts, settings, tally))


@feature.element(RESUME, when=State.AUTHENTICATED)
@or_failed
def resume(server: "Server", stream: Stream, asked: etree._Element) -> None:
    """Section 5: take over a session, also from a connection that still seems to be alive."""
    session, management = _take_over(server, stream, asked)
    _send_resumed(session, management)


def _take_over(server: "Server", stream: Stream, asked: etree._Element) -> tuple["Session", Management]:
    """Make this the stream of the session that the client asks for. Raises Refused."""
    id, h, account = asked.get("previd", ""), count(asked.get("h")), stream.account
    assert account is not None
    if accounts.identity(server.db, account) != stream.identity:  # the account was removed since the login
        raise Refused("not-authorized")
    session = server.state(Resumable).sessions.get(id)
    if session is None or session.identity != stream.identity:  # nobody learns which ids others have
        raise Refused("item-not-found", ended_streams.handled(server.db, account, id, time.time()))
    management = session.state(Management)
    assert management is not None
    management.sent.forget_lost()
    if management.sent.has_passed(h):  # what the client misses is no longer here
        raise Refused("item-not-found", management.received.durable)
    _acknowledge(session, management, h)
    _cancel_expiry(management)
    client_state.begin_active(session)  # while the older stream is there: what was held is sent again with the rest
    stream.resume(session)
    management.awaited = None
    return session, management


def _resumed(management: Management) -> etree._Element:
    return element("resumed", previd=management.id or "", h=str(management.received.handled))


def _send_resumed(session: "Session", management: Management) -> None:
    """Send <resumed/> once all that it acknowledges is on the disk, then what the client has missed, then the rest."""
    with Handled(management.received.ticket):
        session.write(wire(_resumed(management)))
    _catch_up(session, management)


def _catch_up(session: "Session", management: Management) -> None:
    """Send what the client has missed, then the rest."""
    management.is_asked, management.is_catching_up = False, True
    session.send_all(_missed(session, session.connection, management, list(management.sent)), first=True)
    for step in session.server.tables[SESSION_RESUMED]:
        step(session)


# -- together with the login (section 9)


@feature.step
def offer_resumption(stream: Stream) -> etree._Element:
    """AUTHENTICATION_OFFERED."""
    return element("sm")


@feature.step
def resume_inline(logged_in: LoggedIn) -> Literal["stop"] | None:
    """AUTHENTICATED_INLINE: resume a session; no resource is bound then. If that fails, <failed/> says so, and all goes
    on."""
    stream, asked = logged_in.stream, logged_in.request.element.find(RESUME)
    if asked is None:
        return None
    try:
        session, management = _take_over(stream.server, stream, asked)
    except Refused as refused:
        logged_in.success.append(refused.element())
        return None
    logged_in.session, logged_in.is_resumed = session, True
    logged_in.success.append(_resumed(management))
    # The answer acknowledges what the client has sent, so that has to be on the disk.
    handled().ticket = handled().ticket or management.received.ticket
    logged_in.afterwards.append(partial(_catch_up, session, management))
    return STOP


@feature.step
def offer_with_binding(server: "Server") -> str:
    """BIND_OFFERED."""
    return NAMESPACE


@feature.step
def enable_inline(session: "Session", asked: etree._Element, bound: etree._Element) -> None:
    """BOUND_INLINE: begin to count with what comes after the answer."""
    enable = asked.find(ENABLE)
    if enable is not None:
        try:
            _enable(session, enable, bound.append)
        except Refused as refused:
            bound.append(refused.element())


def _missed(
    session: "Session", connection: Connection | None, management: Management, unacknowledged: list[Unacknowledged]
) -> Iterator[bytes]:
    """What is sent again, until the session has another connection: that one begins anew."""
    for each in unacknowledged:
        if session.connection is not connection:
            return
        handled().ticket = each.ticket
        yield redelivery.once_more(session, each)
    management.is_catching_up = False
    if management.sent:
        _ask_soon(session, management)


# -- what the server sends


@feature.step
@for_sessions_with(Management)
def remember_until_acked(session: "Session", stanza: Stanza) -> None:
    """WRITTEN: count the stanza and keep it until it is acknowledged. All else that happens while a session hibernates
    is that its device may be woken."""
    management = session.state(Management)
    assert management is not None
    management.sent.add(stanza.lasting(), time.time(), stanza.devices, handled().ticket)
    if not management.is_asked:
        _ask_soon(session, management)
    if management.has_too_much or management.crowds_others:
        queue_budget.enforce(session, management)


@feature.step
def wait_for_acknowledgements(session: "Session") -> Literal["stop"] | None:
    """MORE_SENT: pause what is sent in bulk while half of the room is taken, so that the rest stays for what comes
    meanwhile. What is sent again needs no room of its own."""
    management = session.state(Management)
    if management is None or management.is_catching_up:
        return None
    return STOP if management.is_half_full else None


def _ask_soon(session: "Session", management: Management) -> None:
    """Write one <r/> at the end of this turn of the loop, and none after it until it is answered."""
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
    """<a/>: forget what has arrived, and ask again if something was sent since the last <r/>.

    Only then: a client that counts wrong would be asked for the same stanzas for ever.
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
    """HANDLED: count a stanza of the client; if it has stored something, act when that is on the disk."""
    management = session.state(Management)
    assert management is not None
    ticket = handled().ticket
    if management.received.add(ticket) and ticket is not None:
        ticket.when_closed(partial(_settle, session, management, ticket))


@feature.element(REQUEST, when=State.BOUND)
@or_failed
def answer_request(server: "Server", stream: Stream, request: etree._Element) -> None:
    """<r/>: acknowledge at once what is on the disk, since section 4 forbids to hold that back. Another <a/> follows
    when the rest is."""
    management = _management_of(stream.its_session)
    _send_answer(stream.its_session, management)
    management.awaited = management.received.ticket


def _settle(session: "Session", management: Management, ticket: Ticket) -> None:
    """The ticket has closed: what the client sent is on the disk, or is lost and to be sent again on another stream."""
    if ticket.failed is not None:
        with Handled():
            session.close(StreamError("resource-constraint", "what you sent could not be stored"))
    elif ticket is management.awaited:
        management.awaited = None
        _send_answer(session, management)


def _send_answer(session: "Session", management: Management) -> None:
    session.write_ahead(wire(element("a", h=str(management.received.durable))))


def _management_of(session: "Session") -> Management:
    management = session.state(Management)
    if management is None:
        raise Refused("unexpected-request")
    return management


# -- without a connection


@feature.step
def hibernate(session: "Session") -> Literal["stop"] | None:
    """CONNECTION_LOST: a session that can be resumed stays online for a while without a connection."""
    management = session.state(Management)
    if management is None or management.id is None or management.is_overfull:
        return None
    management.expiry = gevent.spawn_later(management.seconds, _expire, session, management)
    return STOP


def _expire(session: "Session", management: Management) -> None:
    management.expiry = None
    session.end()


def _cancel_expiry(management: Management) -> None:
    if management.expiry is not None:
        management.expiry.kill(block=False)
        management.expiry = None


@feature.step
def let_go(session: "Session") -> None:
    """SESSION_ENDED: what was not acknowledged is sent another way."""
    management = session.state(Management)
    if management is None:
        return
    _cancel_expiry(management)
    if management.id is not None:
        del session.server.state(Resumable).sessions[management.id]
        if session.connection is None:
            _remember_count(session, management.id, management.received.durable)
    management.sent.forget_lost()  # the senders of those have been told
    redelivery.send_another_way(session, management.sent.take_all())


def _remember_count(session: "Session", id: str, h: int) -> None:
    db, account, now = session.server.db, session.account, time.time()
    if accounts.identity(db, account) == session.identity:
        with suppress(*session.server.storage_errors), Handled():  # if it fails, the client cannot learn the count
            ended_streams.remember(db, account, id, h, now, now + REMEMBERED_SECONDS)


@feature.step
def end_hibernating(server: "Server") -> None:
    """SERVER_STOPPING: end the sessions that hibernate, once all that they have sent is on the disk. Yields."""
    with suppress(*server.storage_errors):
        server.db.flush()
    for session in server.online:
        with Handled():
            session.end()
    redelivery.finish(server)
