"""Requests to the server itself: an iq of type get or set finds its handler, and is answered exactly once.

A handler returns or raises, and never answers by itself, so no request is left unanswered or answered twice.
"""

import logging
from typing import TYPE_CHECKING, Any

from lxml import etree

from xmpp.data.errors import StanzaError, not_stored
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.errors_told import ErrorsTold
from xmpp.routing.feature import ACCOUNT, OWN, SERVER, Addressee
from xmpp.routing.tables import REQUEST_RECEIVED
from xmpp.running.handling import handled
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)


def dispatch(server: "Server", iq: Stanza, to: tuple[Addressee, ...] | None = None) -> None:
    """Answer a request, or pass an answer to whoever waits for it.

    `to`: whom the request is for, most particular first; if None, that follows from its address.
    """
    if not iq.is_request:
        server.requests.answered(iq)
        return
    try:
        if iq.to is not None and not server.tables.steps(REQUEST_RECEIVED).run(Delivery(server, iq.to.bare, iq)):
            return
        answer = _ask_handler(server, iq, to or _addressees(iq))
        handled().raise_if_lost()  # the handler went on all the same
        reply = iq.result(answer)
    except StanzaError as error:
        reply = _error_reply(server, iq, error)
    except server.storage_errors as error:
        log_refusal(log, error, "cannot store what %s asked for", iq.sender)
        reply = _error_reply(server, iq, not_stored())
    if iq.origin is not None:
        if reply.type == "error":
            handled().forget_lost()
        iq.origin.send(reply)
    else:
        server.router.route(reply)  # the server itself asked, on behalf of an account
    if reply.type == "result":
        iq.replied()


def _error_reply(server: "Server", iq: Stanza, error: StanzaError) -> Stanza:
    server.state(ErrorsTold)[error.condition] += 1
    return iq.error_reply(error)


def _ask_handler(server: "Server", iq: Stanza, to: tuple[Addressee, ...]) -> etree._Element | bytes | None:
    tag: Any = iq.only_child().tag
    assert iq.type is not None
    for addressee in to:
        handler = server.registry.iqs.get((iq.type, tag, addressee))
        if handler is not None:
            break
    else:
        raise StanzaError("service-unavailable")
    try:
        return handler(server, iq)
    except Exception as error:
        if isinstance(error, (StanzaError, *server.storage_errors)):
            raise
        log.exception("%s failed on %r", handler.__qualname__, iq)
        raise StanzaError("internal-server-error") from None


def _addressees(iq: Stanza) -> tuple[Addressee, ...]:
    """What the address of an iq may stand for, most particular first."""
    assert iq.to is not None
    if not iq.to.local:
        return (SERVER,)
    if iq.sender is not None and iq.sender.bare == iq.to.bare:
        return (OWN, ACCOUNT)
    return (ACCOUNT,)
