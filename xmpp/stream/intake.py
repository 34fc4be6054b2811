"""Stanzas that do not come from a session of ours: checked, routed, and refused in words that their sender is told."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from xmpp.data.errors import StanzaError, not_stored
from xmpp.data.stanza import Stanza
from xmpp.running.handling import Handled, handled
from xmpp.running.logs import log_refusal
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)


def take(server: "Server", stanza: Stanza, route: Callable[[Stanza], None]) -> None:
    """Check a stanza and route it; its sender, who is known to be right, is told what is wrong with it, or that it
    could not be stored. Yields until the work is done that it has caused in portions."""
    own = handled()
    try:
        assert stanza.sender is not None and stanza.to is not None
        stanza.stamp(stanza.sender, stanza.to)  # as it is normalised: clients compare it as text
        stanza.check()
        route(stanza)
        if own.ticket is not None and stanza.kind != "iq":  # the answer to an iq waits for the ticket anyway
            own.ticket.when_closed(partial(_refuse_if_not_stored, server, own.ticket, stanza.kept()))
    except StanzaError as error:
        _refuse(server, stanza, error, own)
    except server.storage_errors as error:
        log_refusal(log, error, "cannot store what %s sent", stanza.sender)
        _refuse(server, stanza, not_stored(), own)
    except Exception:
        log.exception("handling failed: %r", stanza)
        _refuse(server, stanza, StanzaError("internal-server-error"), own)
    if own.works_left:
        server.portions.wait_for_own()


def _refuse(server: "Server", stanza: Stanza, error: StanzaError, own: Handled) -> None:
    own.forget_lost()  # the error says that nothing was stored
    server.router.refuse(stanza, error)


def _refuse_if_not_stored(server: "Server", ticket: Ticket, stanza: Stanza) -> None:
    if ticket.failed is not None:
        with Handled():
            server.router.refuse(stanza, not_stored())
