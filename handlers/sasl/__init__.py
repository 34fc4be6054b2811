"""Logging in: SASL (RFC 6120 section 6) with SCRAM and PLAIN, and the channel bindings on offer (XEP-0440).

`stream.exchange` holds the stream's Login. The exchanges themselves are in plain.py and scram.py, and know no stream.
"""

import binascii
import logging
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import gevent
from lxml import etree

from handlers.sasl import passwords
from handlers.sasl.exchange import Challenge, Exchange, Verdict
from handlers.sasl.mechanisms import Circumstances
from handlers.sasl.plain import Plain
from handlers.sasl.scram import Scram, Terms
from handlers.sasl.settings import SASLSettings
from handlers.throttle import LoginThrottle
from xmpp import names
from xmpp.errors import SASLFailure, StreamError
from xmpp.routing.feature import Feature, State

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)

AUTH = f"{{{names.SASL}}}auth"
RESPONSE = f"{{{names.SASL}}}response"
ABORT = f"{{{names.SASL}}}abort"
CHANNEL_BINDINGS = "urn:xmpp:sasl-cb:0"

EMPTY = "="  # RFC 6120 section 6.4.2: data of no length, where no text means no data
feature = Feature("sasl", rfc="6120", settings=SASLSettings, optional=False)


class Login:
    """A stream's attempts to log in: how many have failed, and the exchange that is under way, if one is."""

    def __init__(self) -> None:
        self.failures = 0
        self.exchange: Exchange | None = None


# -- what is offered


@feature.stream_feature(when=State.OPEN)
def offer_mechanisms(stream: Any) -> etree._Element:
    """RFC 6120 section 6.4.1."""
    mechanisms = etree.Element(f"{{{names.SASL}}}mechanisms", nsmap={None: names.SASL})
    for mechanism in _circumstances(stream).offered():
        etree.SubElement(mechanisms, f"{{{names.SASL}}}mechanism").text = mechanism.name
    return mechanisms


@feature.stream_feature(when=State.OPEN)
def offer_channel_bindings(stream: Any) -> etree._Element | None:
    """XEP-0440."""
    circumstances = _circumstances(stream)
    if not circumstances.offers_plus:
        return None
    offer = etree.Element(f"{{{CHANNEL_BINDINGS}}}sasl-channel-binding", nsmap={None: CHANNEL_BINDINGS})
    for kind in circumstances.bindings:
        etree.SubElement(offer, f"{{{CHANNEL_BINDINGS}}}channel-binding", type=kind)
    return offer


def _circumstances(stream: Any) -> Circumstances:
    server = stream.server
    return Circumstances(
        server.settings(SASLSettings).mechanisms, stream.is_secure, server.must_be_secure, stream.channel_bindings()
    )


# -- what comes in

ElementHandler = Callable[["Server", Any, etree._Element], None]


def _answering_failure(handle: ElementHandler) -> ElementHandler:
    """Tell the client why an attempt failed; too many of them end the stream (RFC 6120 section 6.4.5)."""

    @wraps(handle)
    def handle_and_answer(server: "Server", stream: Any, element: etree._Element) -> None:
        try:
            handle(server, stream, element)
        except SASLFailure as failure:
            _fail(server, stream, failure)
        except server.storage_errors as error:
            log.error("cannot look up who logs in: %s", error)
            _fail(server, stream, SASLFailure("temporary-auth-failure"))

    return handle_and_answer


@feature.element(AUTH, when=State.OPEN)
@_answering_failure
def begin(server: "Server", stream: Any, auth: etree._Element) -> None:
    """Begin an exchange, in place of one that is under way. The first message may come along, or is asked for."""
    login = _login(stream)
    login.exchange = None
    login.exchange = _exchange(server, stream, auth.get("mechanism"))
    if auth.text or len(auth):
        _go_on(server, stream, login.exchange, _data(auth))
    else:
        _send(stream, "challenge", b"")


@feature.element(AUTH, when=State.INSECURE)
@_answering_failure
def refuse_before_tls(server: "Server", stream: Any, auth: etree._Element) -> None:
    """RFC 6120 section 6.5.5. What came along is not looked at."""
    raise SASLFailure("encryption-required")


@feature.element(RESPONSE, when=State.OPEN)
@_answering_failure
def respond(server: "Server", stream: Any, response: etree._Element) -> None:
    """Go on with the exchange."""
    exchange = _login(stream).exchange
    if exchange is None:
        raise SASLFailure("malformed-request", "nothing to respond to")
    _go_on(server, stream, exchange, _data(response))


@feature.element(ABORT, when=State.OPEN)
@_answering_failure
def abort(server: "Server", stream: Any, element: etree._Element) -> None:
    """Forget the exchange."""
    raise SASLFailure("aborted")


def _login(stream: Any) -> Login:
    if stream.exchange is None:
        stream.exchange = Login()
    login: Login = stream.exchange
    return login


def _data(element: etree._Element) -> bytes:
    if len(element):
        raise SASLFailure("malformed-request", "expected base64, found an element")
    text = element.text or ""
    try:
        return b"" if text == EMPTY else b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # the latter for what is not ASCII
        raise SASLFailure("incorrect-encoding") from None


def _exchange(server: "Server", stream: Any, name: str | None) -> Exchange:
    circumstances = _circumstances(stream)
    mechanism = circumstances.chosen(name)
    if mechanism.hash is None:
        return Plain(stream.host, lambda account, password: passwords.is_right(server, account, password))
    terms = Terms(stream.host, mechanism.hash, mechanism.is_plus, circumstances.offers_plus, circumstances.bindings)
    return Scram(terms, lambda account, hash: passwords.credential(server, account, hash))


# -- how it goes on


def _go_on(server: "Server", stream: Any, exchange: Exchange, data: bytes) -> None:
    outcome = exchange.respond(data)
    if isinstance(outcome, Challenge):
        _send(stream, "challenge", outcome.data)
    else:
        _conclude(server, stream, outcome)


def _conclude(server: "Server", stream: Any, verdict: Verdict) -> None:
    """Answer an attempt. Yields for as long as the failures before it demand.

    A right password waits too: who guesses could otherwise hang up on whatever takes longer than a success.
    """
    throttle, now = server.state(LoginThrottle), time.monotonic()
    delay = min(throttle.delay(stream.peer, verdict.account, now), server.settings(SASLSettings).max_delay_seconds)
    if not verdict.is_right:
        throttle.failed(stream.peer, verdict.account, now)  # before the wait, so that attempts side by side count
    gevent.sleep(delay)
    if not verdict.is_right:
        raise SASLFailure("not-authorized")
    _send(stream, "success", verdict.data)
    stream.authenticated(verdict.account)


def _fail(server: "Server", stream: Any, failure: SASLFailure) -> None:
    login = _login(stream)
    login.exchange = None
    login.failures += 1
    stream.send_element(failure.element())
    if login.failures >= server.settings(SASLSettings).tries:
        raise StreamError("policy-violation", "too many failed attempts to log in")


def _send(stream: Any, name: str, data: bytes) -> None:
    element = etree.Element(f"{{{names.SASL}}}{name}", nsmap={None: names.SASL})
    element.text = b64encode(data).decode() or None
    stream.send_element(element)
