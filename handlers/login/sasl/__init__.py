"""Logging in: SASL (RFC 6120 section 6) with SCRAM and PLAIN, and the channel bindings on offer (XEP-0440).

A stream keeps its Login in `stream.exchange`. The exchanges themselves, in plain.py and scram.py, know no stream.
"""

import binascii
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from handlers.admin import comings_and_goings
from handlers.admin.comings_and_goings import NOBODY
from handlers.login import by_password
from handlers.login.one_address import OneAddress
from handlers.login.sasl import guests, passwords
from handlers.login.sasl.exchange import CannotBind, Challenge, Exchange, Verdict
from handlers.login.sasl.mechanisms import MECHANISMS, Circumstances
from handlers.login.sasl.plain import Plain
from handlers.login.sasl.scram import Scram, Terms
from handlers.login.sasl.settings import SASLSettings
from xmpp.data import names
from xmpp.data.errors import SASLFailure, StreamError
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Stream
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

AUTH = f"{{{names.SASL}}}auth"
RESPONSE = f"{{{names.SASL}}}response"
ABORT = f"{{{names.SASL}}}abort"
CHANNEL_BINDINGS = "urn:xmpp:sasl-cb:0"

MAX_MISBINDINGS = len(MECHANISMS)  # so many are no failures: one by each mechanism
EMPTY = "="  # RFC 6120 section 6.4.2: data of zero length; an empty element has no data
feature = Feature("sasl", rfc="6120", settings=SASLSettings, optional=False)


class Login:
    """A stream's attempts to log in: how many have failed, how many ended with CannotBind and did not count as failed,
    and the one that is under way, None if none is."""

    def __init__(self) -> None:
        self.failures = 0
        self.misbindings = 0
        self.attempt: Attempt | None = None


class Attempt(NamedTuple):
    """An exchange by a mechanism, and the Check that its password is looked up with."""

    mechanism: str
    exchange: Exchange
    check: passwords.Check


# -- what is offered


@feature.stream_feature(when=State.OPEN)
def offer_mechanisms(stream: Stream) -> etree._Element:
    """RFC 6120 section 6.4.1."""
    mechanisms = etree.Element(f"{{{names.SASL}}}mechanisms", nsmap={None: names.SASL})
    for mechanism in _circumstances(stream).offered():
        etree.SubElement(mechanisms, f"{{{names.SASL}}}mechanism").text = mechanism.name
    if guests.are_welcome(stream.server, stream.host):
        etree.SubElement(mechanisms, f"{{{names.SASL}}}mechanism").text = guests.MECHANISM
    return mechanisms


@feature.stream_feature(when=State.OPEN)
def offer_channel_bindings(stream: Stream) -> etree._Element | None:
    """XEP-0440."""
    circumstances = _circumstances(stream)
    if not circumstances.offers_plus:
        return None
    offer = etree.Element(f"{{{CHANNEL_BINDINGS}}}sasl-channel-binding", nsmap={None: CHANNEL_BINDINGS})
    for kind in circumstances.bindings:
        etree.SubElement(offer, f"{{{CHANNEL_BINDINGS}}}channel-binding", type=kind)
    return offer


def _circumstances(stream: Stream) -> Circumstances:
    settings = stream.server.settings(SASLSettings)
    bindings = stream.channel_bindings() if settings.channel_binding else {}
    return Circumstances(settings.mechanisms, stream.is_secure, stream.must_be_secure, bindings)


# -- what comes in

ElementHandler = Callable[["Server", Stream, etree._Element], None]


def _answering_failure(handle: ElementHandler) -> ElementHandler:
    """A handler that raises SASLFailure, or whose queries fail, answers <failure/>; too many end the stream (RFC 6120
    section 6.4.5)."""

    @wraps(handle)
    def handle_and_answer(server: "Server", stream: Stream, element: etree._Element) -> None:
        try:
            handle(server, stream, element)
        except SASLFailure as failure:
            _fail(server, stream, failure)
        except server.storage_errors as error:
            log_refusal(log, error, "cannot look up who logs in")
            _fail(server, stream, SASLFailure("temporary-auth-failure"))

    return handle_and_answer


@feature.element(AUTH, when=State.OPEN)
@_answering_failure
def begin(server: "Server", stream: Stream, auth: etree._Element) -> None:
    """<auth/>: begin an exchange, and forget one that is under way. If the first message does not come with <auth/>, it
    is asked for. Yields as `_conclude` does."""
    login = _login(stream)
    login.attempt = None
    if auth.get("mechanism") == guests.MECHANISM and guests.are_welcome(server, stream.host):
        _admit_guest(server, stream)
        return
    login.attempt = _attempt(server, stream, auth.get("mechanism"))
    if auth.text or len(auth):
        _go_on(server, stream, login.attempt, _data(auth))
    else:
        _send(stream, "challenge", b"")


@feature.element(AUTH, when=State.INSECURE)
@_answering_failure
def refuse_before_tls(server: "Server", stream: Stream, auth: etree._Element) -> None:
    """RFC 6120 section 6.5.5. The first message, which may hold a password, is not read."""
    raise SASLFailure("encryption-required")


@feature.element(RESPONSE, when=State.OPEN)
@_answering_failure
def respond(server: "Server", stream: Stream, response: etree._Element) -> None:
    """<response/>: go on with the exchange. Yields as `_conclude` does."""
    attempt = _login(stream).attempt
    if attempt is None:
        raise SASLFailure("malformed-request", "nothing to respond to")
    _go_on(server, stream, attempt, _data(response))


@feature.element(ABORT, when=State.OPEN)
@_answering_failure
def abort(server: "Server", stream: Stream, element: etree._Element) -> None:
    """<abort/>: the exchange ends as a failure."""
    raise SASLFailure("aborted")


def _login(stream: Stream) -> Login:
    login = stream.exchange if isinstance(stream.exchange, Login) else Login()
    stream.exchange = login
    return login


def _data(element: etree._Element) -> bytes:
    if len(element):
        raise SASLFailure("malformed-request", "expected base64, found an element")
    text = element.text or ""
    try:
        return b"" if text == EMPTY else b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        raise SASLFailure("incorrect-encoding") from None


def _attempt(server: "Server", stream: Stream, name: str | None) -> Attempt:
    circumstances, check = _circumstances(stream), passwords.Check(server)
    mechanism = circumstances.chosen(name)
    if mechanism.hash is None:
        return Attempt(mechanism.name, Plain(stream.host, check.is_right), check)
    terms = Terms(stream.host, mechanism.hash, mechanism.is_plus, circumstances.offers_plus, circumstances.bindings)
    return Attempt(mechanism.name, Scram(terms, check.credential), check)


# -- how it goes on


def _go_on(server: "Server", stream: Stream, attempt: Attempt, data: bytes) -> None:
    outcome = attempt.exchange.respond(data)
    if isinstance(outcome, Challenge):
        _send(stream, "challenge", outcome.data)
    else:
        _conclude(server, stream, outcome, attempt)


def _conclude(server: "Server", stream: Stream, verdict: Verdict, attempt: Attempt) -> None:
    """Answer an attempt. Yields as `by_password.conclude` does."""
    check = attempt.check
    by_password.conclude(server, stream.peer, verdict.account, check, is_right=verdict.is_right)
    _send(stream, "success", verdict.data)
    assert check.identity is not None
    stream.authenticated(verdict.account, check.identity)
    server.state(OneAddress).note(stream.peer, verdict.account)
    comings_and_goings.note_login(server, stream.peer, verdict.account, attempt.mechanism)


def _admit_guest(server: "Server", stream: Stream) -> None:
    """There is nothing to prove. Trace data (RFC 4505), which anybody could make up, is not read."""
    account, identity = guests.admit(server, stream.host, stream.peer)
    _send(stream, "success", b"")
    stream.authenticated(account, identity)
    comings_and_goings.note_login(server, stream.peer, account, guests.MECHANISM)


def _fail(server: "Server", stream: Stream, failure: SASLFailure) -> None:
    login = _login(stream)
    mechanism = login.attempt.mechanism if login.attempt is not None else NOBODY
    account = login.attempt.check.account if login.attempt is not None else None
    by_password.note_failure(server, stream.peer, account, failure, mechanism)
    login.attempt = None
    if isinstance(failure, CannotBind) and login.misbindings < MAX_MISBINDINGS:
        login.misbindings += 1  # the client may know another mechanism
    else:
        login.failures += 1
    stream.send_element(failure.element())
    if login.failures >= server.settings(SASLSettings).tries:
        raise StreamError("policy-violation", "too many failed attempts to log in")


def _send(stream: Stream, name: str, data: bytes) -> None:
    element = etree.Element(f"{{{names.SASL}}}{name}", nsmap={None: names.SASL})
    element.text = b64encode(data).decode() or None
    stream.send_element(element)
