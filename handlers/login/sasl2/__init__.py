"""Logging in within one round trip (XEP-0388): the stream goes on after the login, and what else a client needs for a
working session is done together with it. SASL of RFC 6120 is offered beside it, with the same mechanisms."""

import logging
from base64 import b64encode
from typing import TYPE_CHECKING

from lxml import etree

from handlers.login.sasl import attempts
from handlers.login.sasl.attempts import Proven, answering_failure, login_of
from handlers.login.sasl.exchange import Challenge
from handlers.login.sasl2 import pipelining, upgrades
from handlers.login.sasl2.inline import ATTEMPTED, AUTHENTICATED_INLINE, AUTHENTICATION_OFFERED, LoggedIn
from handlers.login.sasl2.request import (
    ABORT,
    AUTHENTICATE,
    NAMESPACE,
    NEXT,
    RESPONSE,
    TASK_DATA,
    Request,
    data,
)
from handlers.login.sasl2.upgrades import Upgrade
from xmpp.data.errors import SASLFailure, StreamError
from xmpp.routing.delivery import STOP
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Stream
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

feature = Feature("sasl2", xep="0388", needs=["sasl"])


# -- what is offered


@feature.stream_feature(when=State.OPEN)
def offer(stream: Stream) -> etree._Element | None:
    """Section "Stream Feature": only where nobody can listen. It is the same for all accounts."""
    if not stream.is_secure:
        return None
    authentication = _element("authentication")
    for name in attempts.offered(stream).mechanisms:
        etree.SubElement(authentication, f"{{{NAMESPACE}}}mechanism").text = name
    inline = etree.SubElement(authentication, f"{{{NAMESPACE}}}inline")
    offers = (offered(stream) for offered in stream.server.tables[AUTHENTICATION_OFFERED])
    inline.extend([each for each in offers if each is not None])
    authentication.extend(upgrades.offers(stream.server))
    return authentication


# -- what comes in


def _answer_failure(stream: Stream, failure: SASLFailure) -> None:
    stream.send_element(failure.element(NAMESPACE))


@feature.element(AUTHENTICATE, when=State.OPEN)
@answering_failure(_answer_failure)
def begin(server: "Server", stream: Stream, authenticate: etree._Element) -> None:
    """<authenticate/>: begin an exchange. Yields as attempts.begin does."""
    if not stream.is_secure:
        raise SASLFailure("encryption-required")
    login = login_of(stream)
    login.forget()
    pipelining.refuse_another(stream, authenticate)
    login.request = request = Request(authenticate, stream.claimed)
    _answer(stream, request, _begin(stream, request, authenticate.get("mechanism")))


def _begin(stream: Stream, request: Request, mechanism: str | None) -> Challenge | Proven:
    for step in stream.server.tables[ATTEMPTED]:
        attempt = step(stream, request, mechanism)
        if attempt is not None:
            return attempts.begin_attempt(stream, attempt, request.initial_response())
    return attempts.begin(stream, mechanism, request.initial_response())


@feature.element(AUTHENTICATE, when=State.INSECURE)
@answering_failure(_answer_failure)
def refuse_before_tls(server: "Server", stream: Stream, authenticate: etree._Element) -> None:
    """The first message, which may hold a password, is not read."""
    raise SASLFailure("encryption-required")


@feature.element(RESPONSE, when=State.OPEN)
@answering_failure(_answer_failure)
def respond(server: "Server", stream: Stream, response: etree._Element) -> None:
    """<response/>: go on with the exchange. Yields as attempts.respond does."""
    _answer(stream, _request(stream), attempts.respond(stream, data(response)))


@feature.element(ABORT, when=State.OPEN)
@answering_failure(_answer_failure)
def abort(server: "Server", stream: Stream, element: etree._Element) -> None:
    """<abort/>: the exchange ends as a failure."""
    attempts.abort(stream)


@feature.element(NEXT, when=State.OPEN)
@answering_failure(_answer_failure)
def begin_task(server: "Server", stream: Stream, element: etree._Element) -> None:
    """<next/>: begin a task."""
    stream.send_element(_upgrade(stream).begin(element.get("task")))


@feature.element(TASK_DATA, when=State.OPEN)
@answering_failure(_answer_failure)
def finish_task(server: "Server", stream: Stream, element: etree._Element) -> None:
    """<task-data/>: finish it, and go on with the next one, or let the client in."""
    upgrade, request = _upgrade(stream), _request(stream)
    attempts.keep(stream, upgrade.finish(element))
    if upgrade.task is not None:
        _continue(stream, upgrade.task, None)
    else:
        _let_in(stream, request, upgrade.proven._replace(data=None))


def _upgrade(stream: Stream) -> Upgrade:
    upgrade = _request(stream).upgrade
    if upgrade is None:
        raise SASLFailure("malformed-request", "there is no task")
    return upgrade


def _request(stream: Stream) -> Request:
    request = login_of(stream).request
    if not isinstance(request, Request):
        raise SASLFailure("malformed-request", "nothing to respond to")
    return request


# -- what is answered


def _answer(stream: Stream, request: Request, outcome: Challenge | Proven) -> None:
    if isinstance(outcome, Challenge):
        challenge = _element("challenge")
        challenge.text = b64encode(outcome.data).decode() or None
        stream.send_element(challenge)
        return
    request.upgrade = upgrades.wanted(stream.server, request.element, outcome)
    if request.upgrade is not None and request.upgrade.task is not None:
        _continue(stream, request.upgrade.task, outcome.data)
    else:
        _let_in(stream, request, outcome)


def _continue(stream: Stream, task: str, data: bytes | None) -> None:
    """Say that something is to be done before the login succeeds (section "Continue")."""
    element = _element("continue")
    if data:
        _add(element, "additional-data", b64encode(data).decode())
    _add(etree.SubElement(element, f"{{{NAMESPACE}}}tasks"), "task", task)
    stream.send_element(element)


def _let_in(stream: Stream, request: Request, proven: Proven) -> None:
    """Do all that the client wants together with the login, then say that it has succeeded (section "Success")."""
    stream.authenticated(proven.account, proven.identity, in_place=True)
    logged_in = LoggedIn(stream, request, proven.mechanism, _element("success"))
    if proven.data:
        _add(logged_in.success, "additional-data", b64encode(proven.data).decode())
    identifier = _add(logged_in.success, "authorization-identifier", proven.account)
    _carry_out(logged_in)
    if logged_in.session is not None:
        identifier.text = logged_in.session.jid
    stream.send_element(logged_in.success)
    if not logged_in.is_resumed:  # XEP-0198 section "Inline Stream Resumption"
        stream.send_features()
    for send in logged_in.afterwards:
        send()


def _carry_out(logged_in: LoggedIn) -> None:
    server = logged_in.stream.server
    try:
        for step in server.tables[AUTHENTICATED_INLINE]:
            if step(logged_in) is STOP:
                return
    except server.storage_errors as error:  # too late for a failed login, and half of it may be done
        log_refusal(log, error, "cannot do what %s wants together with the login", logged_in.stream.account)
        raise StreamError("internal-server-error") from error


def _element(name: str) -> etree._Element:
    return etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})


def _add(parent: etree._Element, name: str, text: str) -> etree._Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text
    return child
