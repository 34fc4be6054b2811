"""Attempts to log in, by whichever profile of SASL: what a stream is offered, an exchange that is under way, and how it
ends. How that is written on the wire, the profiles know: SASL of RFC 6120 here, and XEP-0388 in handlers/login/sasl2.

A stream keeps its Login in `stream.exchange`. The exchanges themselves, in plain.py and scram.py, know no stream.
"""

import binascii
import logging
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from lxml import etree

from db import accounts as account_records
from db.accounts import Credentials
from handlers.admin import comings_and_goings
from handlers.admin.comings_and_goings import NOBODY
from handlers.login import by_password
from handlers.login.clients import Access
from handlers.login.one_address import OneAddress
from handlers.login.sasl import external, guests, passwords
from handlers.login.sasl.downgrades import announced
from handlers.login.sasl.exchange import Basis, Challenge, Exchange, NotCounted, Verdict, WithoutPrejudice
from handlers.login.sasl.mechanisms import MECHANISMS, Circumstances
from handlers.login.sasl.plain import Plain
from handlers.login.sasl.scram import Scram, Terms
from handlers.login.sasl.settings import SASLSettings
from handlers.login.suspended import refuse_suspended
from xmpp.data.errors import SASLFailure, StreamError
from xmpp.data.jid import JID
from xmpp.routing.streams import Stream
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

MAX_NOT_COUNTED = len(MECHANISMS)  # so many are no failures: one by each mechanism

ElementHandler = Callable[["Server", Stream, etree._Element], None]


class Attempt(NamedTuple):
    """An exchange by a mechanism, and what it rests on, such as the Check that its password is looked up with."""

    mechanism: str
    exchange: Exchange
    check: Basis


class Request(Protocol):
    """What a client asks for together with a login (XEP-0388)."""

    claimed: JID | None
    """Who has to log in, if that is known."""

    def allows(self, tag: str) -> bool:
        """True if an element of this tag may come while the attempt is under way."""


class Offer(NamedTuple):
    """The mechanisms that a stream is offered by either profile, strongest first, and what has decided that: among it
    the accounts that the client has shown a certificate for."""

    circumstances: Circumstances
    certified: external.Shown
    mechanisms: tuple[str, ...]

    @property
    def bindings(self) -> tuple[str, ...]:
        """The types of channel binding that it is told of (XEP-0440): none, unless a mechanism needs one."""
        return tuple(self.circumstances.bindings) if self.circumstances.offers_plus else ()


class Login:
    """A stream's attempts to log in: how many have failed, how many ended with NotCounted and did not count as failed,
    and the one that is under way, None if none is. `request` is what the client wants of it beside the login, for
    profiles that know more than that. `offer` is what the stream was offered, `offer_version` what that is called."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.offer_version: str | None = None
        self.failures = 0
        self.not_counted = 0
        self.attempt: Attempt | None = None
        self.request: Request | None = None

    def forget(self) -> None:
        """No attempt is under way."""
        self.attempt = self.request = None

    def allows(self, tag: str) -> bool:
        """True if an element of this tag may come now."""
        return self.request is None or self.request.allows(tag)


class Proven(NamedTuple):
    """Somebody has logged in: who, and the data that goes with <success/>, None where there is none."""

    account: JID
    identity: str
    data: bytes | None
    mechanism: str


def login_of(stream: Stream) -> Login:
    """What there is of a stream's attempts. What it is offered is settled with the first question, and stays so until
    the stream begins anew: what is signed has to be what was sent."""
    login = stream.exchange if isinstance(stream.exchange, Login) else Login(_offer(stream))
    stream.exchange = login
    return login


# -- what is offered


def offered(stream: Stream) -> Offer:
    """What a stream that nobody has logged in on is offered."""
    return login_of(stream).offer


def _offer(stream: Stream) -> Offer:
    settings = stream.server.settings(SASLSettings)
    bindings = stream.channel_bindings() if settings.channel_binding else {}
    circumstances = Circumstances(settings.mechanisms, stream.is_secure, stream.must_be_secure, bindings)
    certified = external.accounts_shown(stream)
    return Offer(circumstances, certified, tuple(_names(stream, circumstances, certified)))


def _names(stream: Stream, circumstances: Circumstances, certified: external.Shown) -> Iterator[str]:
    if certified.accounts:
        yield external.MECHANISM
    for mechanism in circumstances.offered():
        yield mechanism.name
    if guests.are_welcome(stream.server, stream.host):
        yield guests.MECHANISM


# -- an attempt


def begin(stream: Stream, mechanism: str | None, data: bytes | None) -> Challenge | Proven:
    """Begin an exchange, with the client's first message if it has come; else it is asked for. Raises SASLFailure.
    Yields as by_password.conclude does."""
    if mechanism == guests.MECHANISM and guests.are_welcome(stream.server, stream.host):
        # There is nothing to prove. Trace data (RFC 4505), which anybody could make up, is not read.
        return _noted(stream, Proven(*guests.admit(stream.server, stream.host, stream.peer), None, mechanism))
    return begin_attempt(stream, _attempt(stream, mechanism), data)


def begin_attempt(stream: Stream, attempt: Attempt, data: bytes | None) -> Challenge | Proven:
    """The same with an attempt by a mechanism that is not among those that are offered to all."""
    login_of(stream).attempt = attempt
    return Challenge(b"") if data is None else _go_on(stream, attempt, data)


def respond(stream: Stream, data: bytes) -> Challenge | Proven:
    """Go on with the exchange. Raises SASLFailure. Yields as by_password.conclude does."""
    attempt = login_of(stream).attempt
    if attempt is None:
        raise SASLFailure("malformed-request", "nothing to respond to")
    return _go_on(stream, attempt, data)


def _attempt(stream: Stream, name: str | None) -> Attempt:
    offer = offered(stream)
    if name == external.MECHANISM and offer.certified.accounts:
        certified = external.Certified(stream)
        return Attempt(name, external.External(offer.certified.accounts, certified), certified)
    circumstances, check = offer.circumstances, passwords.Check(stream.server)
    mechanism = circumstances.chosen(name)
    if mechanism.hash is None:
        return Attempt(mechanism.name, Plain(stream.host, check.is_right), check)
    terms = Terms(
        stream.host,
        mechanism.hash,
        mechanism.is_plus,
        circumstances.offers_plus,
        circumstances.bindings,
        announced(offer.mechanisms, offer.bindings),
        stream.tls_version,
    )
    return Attempt(mechanism.name, Scram(terms, check.credential), check)


def _go_on(stream: Stream, attempt: Attempt, data: bytes) -> Challenge | Proven:
    outcome = attempt.exchange.respond(data)
    return outcome if isinstance(outcome, Challenge) else _conclude(stream, outcome, attempt)


def _conclude(stream: Stream, verdict: Verdict, attempt: Attempt) -> Proven:
    check, request = attempt.check, login_of(stream).request
    if request is not None and request.claimed not in (None, verdict.account):
        raise SASLFailure("invalid-authzid", f"your stream is that of {request.claimed}")
    by_password.conclude(stream.server, stream.peer, verdict.account, check, is_right=verdict.is_right)
    assert check.identity is not None
    check.complete()
    stream.server.state(OneAddress).note(stream.peer, verdict.account)
    return _noted(stream, Proven(verdict.account, check.identity, verdict.data, attempt.mechanism))


def keep(stream: Stream, credentials: Credentials) -> None:
    """Keep more keys of the password that was just shown on this stream, if it still lets the client in. Raises
    SASLFailure."""
    attempt = login_of(stream).attempt
    account = attempt.check.account if attempt is not None else None
    if attempt is None or account is None or not attempt.check.still_holds():
        raise SASLFailure("not-authorized", "the account or its password has changed meanwhile")
    refuse_suspended(stream.server, account)
    account_records.add_credentials(stream.server.db, account, credentials)


def _noted(stream: Stream, proven: Proven) -> Proven:
    until = offered(stream).certified.until if proven.mechanism == external.MECHANISM else None
    stream.access = Access(proven.mechanism, until=until)
    comings_and_goings.note_login(stream.server, stream.peer, proven.account, proven.mechanism)
    return proven


# -- how it fails


def abort(stream: Stream) -> NoReturn:
    """The client gives up. Raises SASLFailure; some give up once more what has failed already, and then it is nobody's
    login that fails."""
    failure = SASLFailure if login_of(stream).attempt is not None else WithoutPrejudice
    raise failure("aborted")


def answering_failure(answer: Callable[[Stream, SASLFailure], None]) -> Callable[[ElementHandler], ElementHandler]:
    """Makes of a handler one whose SASLFailure, or whose queries that fail, are answered so; too many end the stream
    (RFC 6120 section 6.4.5)."""

    def decorated(handle: ElementHandler) -> ElementHandler:
        @wraps(handle)
        def handle_and_answer(server: "Server", stream: Stream, element: etree._Element) -> None:
            try:
                handle(server, stream, element)
            except SASLFailure as failure:
                _fail(stream, failure, answer)
            except server.storage_errors as error:
                log_refusal(log, error, "cannot look up who logs in")
                _fail(stream, SASLFailure("temporary-auth-failure"), answer)

        return handle_and_answer

    return decorated


def _fail(stream: Stream, failure: SASLFailure, answer: Callable[[Stream, SASLFailure], None]) -> None:
    login, server = login_of(stream), stream.server
    mechanism = login.attempt.mechanism if login.attempt is not None else NOBODY
    account = login.attempt.check.account if login.attempt is not None else None
    if not isinstance(failure, WithoutPrejudice):
        by_password.note_failure(server, stream.peer, account, failure, mechanism)
    login.forget()
    if isinstance(failure, NotCounted) and login.not_counted < MAX_NOT_COUNTED:
        login.not_counted += 1  # the client may know another mechanism
    else:
        login.failures += 1
    answer(stream, failure)
    if login.failures >= server.settings(SASLSettings).tries:
        raise StreamError("policy-violation", "too many failed attempts to log in")


def encoded(element: etree._Element) -> str:
    """What an element says, in base64. Raises SASLFailure if there is more in it than text."""
    if len(element):
        raise SASLFailure("malformed-request", "expected base64, found an element")
    return element.text or ""


def decoded(text: str) -> bytes:
    """What the client has sent in base64. Raises SASLFailure."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        raise SASLFailure("incorrect-encoding") from None
