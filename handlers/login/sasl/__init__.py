"""Logging in: SASL (RFC 6120 section 6) with SCRAM and PLAIN, and the channel bindings on offer (XEP-0440)."""

from base64 import b64encode
from typing import TYPE_CHECKING

from lxml import etree

from handlers.login.sasl import attempts
from handlers.login.sasl.attempts import Proven, answering_failure, decoded, encoded, login_of
from handlers.login.sasl.exchange import Challenge
from handlers.login.sasl.settings import SASLSettings
from xmpp.data import names
from xmpp.data.errors import SASLFailure
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Stream

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

AUTH = f"{{{names.SASL}}}auth"
RESPONSE = f"{{{names.SASL}}}response"
ABORT = f"{{{names.SASL}}}abort"
CHANNEL_BINDINGS = "urn:xmpp:sasl-cb:0"

EMPTY = "="  # RFC 6120 section 6.4.2: data of zero length; an empty element has no data
feature = Feature("sasl", rfc="6120", settings=SASLSettings, optional=False)


# -- what is offered


@feature.stream_feature(when=State.OPEN)
def offer_mechanisms(stream: Stream) -> etree._Element:
    """RFC 6120 section 6.4.1."""
    mechanisms = etree.Element(f"{{{names.SASL}}}mechanisms", nsmap={None: names.SASL})
    for name in attempts.offered(stream).mechanisms:
        etree.SubElement(mechanisms, f"{{{names.SASL}}}mechanism").text = name
    return mechanisms


@feature.stream_feature(when=State.OPEN)
def offer_channel_bindings(stream: Stream) -> etree._Element | None:
    """XEP-0440: beside the mechanisms of either profile."""
    kinds = attempts.offered(stream).bindings
    if not kinds:
        return None
    offer = etree.Element(f"{{{CHANNEL_BINDINGS}}}sasl-channel-binding", nsmap={None: CHANNEL_BINDINGS})
    for kind in kinds:
        etree.SubElement(offer, f"{{{CHANNEL_BINDINGS}}}channel-binding", type=kind)
    return offer


# -- what comes in


def _answer_failure(stream: Stream, failure: SASLFailure) -> None:
    stream.send_element(failure.element())


@feature.element(AUTH, when=State.OPEN)
@answering_failure(_answer_failure)
def begin(server: "Server", stream: Stream, auth: etree._Element) -> None:
    """<auth/>: begin an exchange, and forget one that is under way. If the first message does not come with <auth/>, it
    is asked for. Yields as attempts.begin does."""
    login_of(stream).forget()
    data = _data(auth) if auth.text or len(auth) else None
    _answer(stream, attempts.begin(stream, auth.get("mechanism"), data))


@feature.element(AUTH, when=State.INSECURE)
@answering_failure(_answer_failure)
def refuse_before_tls(server: "Server", stream: Stream, auth: etree._Element) -> None:
    """RFC 6120 section 6.5.5. The first message, which may hold a password, is not read."""
    raise SASLFailure("encryption-required")


@feature.element(RESPONSE, when=State.OPEN)
@answering_failure(_answer_failure)
def respond(server: "Server", stream: Stream, response: etree._Element) -> None:
    """<response/>: go on with the exchange. Yields as attempts.respond does."""
    _answer(stream, attempts.respond(stream, _data(response)))


@feature.element(ABORT, when=State.OPEN)
@answering_failure(_answer_failure)
def abort(server: "Server", stream: Stream, element: etree._Element) -> None:
    """<abort/>: the exchange ends as a failure."""
    attempts.abort(stream)


def _data(element: etree._Element) -> bytes:
    text = encoded(element)
    return b"" if text == EMPTY else decoded(text)


def _answer(stream: Stream, outcome: Challenge | Proven) -> None:
    name = "challenge" if isinstance(outcome, Challenge) else "success"
    element = etree.Element(f"{{{names.SASL}}}{name}", nsmap={None: names.SASL})
    element.text = b64encode(outcome.data or b"").decode() or None
    stream.send_element(element)
    if isinstance(outcome, Proven):
        stream.authenticated(outcome.account, outcome.identity)
