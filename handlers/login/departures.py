"""The accounts of guests (XEP-0175) are removed, with all they keep, when their session has ended; at the start those
that are left from before; and now and then those whose client never got as far as a session."""

import logging
import time
from typing import TYPE_CHECKING, Any

import gevent

from db import guests as guest_records
from handlers.login import accounts
from handlers.login.sasl.guests import Guests, is_guest
from xmpp.data.jid import JID
from xmpp.routing.feature import Feature
from xmpp.running.handling import Handled
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

feature = Feature("departures", optional=False, needs=["accounts"])  # also once guests are switched off

LOOK_SECONDS = 60.0
AT_ONCE = 1_000


class Departures:
    """What removes guests who are gone. A server has one."""

    def __init__(self) -> None:
        self.greenlet: gevent.Greenlet[..., Any] | None = None


@feature.step
def note_end(session: "Session") -> None:
    """SESSION_ENDED: a guest's account goes, unless the server stops: then it does at the next start."""
    server = session.server
    if is_guest(server, session.account) and not server.is_stopping:
        gevent.spawn(_remove, server, session.account)  # once the other steps are done with the session


@feature.step
def start(server: "Server") -> None:
    """SERVER_STARTED: look for those that are left."""
    server.state(Departures).greenlet = gevent.spawn(_look_again_and_again, server)


@feature.step
def stop(server: "Server") -> None:
    """SERVER_STOPPING: look no more."""
    greenlet = server.state(Departures).greenlet
    if greenlet is not None:
        greenlet.kill(block=False)


def remove_gone(server: "Server", now: float) -> None:
    """Remove the guests who have no session, and have had the time to begin one. Yields. `now`: on the monotonic
    clock."""
    since, patience = server.state(Guests).since, server.stream_settings.login_seconds + LOOK_SECONDS
    for account in guest_records.listing(server.db, AT_ONCE):
        if account not in since or (now - since[account] > patience and not server.online.sessions(account)):
            _remove(server, account)


def _remove(server: "Server", account: JID) -> None:
    """Yields."""
    try:
        with Handled():
            accounts.remove(server, account)
    except accounts.NoSuchAccount:
        pass  # by somebody else, meanwhile
    except server.storage_errors as error:
        log_refusal(log, error, "cannot remove the guest %s", account)
        return  # tried again
    server.state(Guests).since.pop(account, None)


def _look_again_and_again(server: "Server") -> None:
    while True:
        try:
            remove_gone(server, time.monotonic())
        except Exception:
            log.exception("cannot look for guests who are gone")
        gevent.sleep(LOOK_SECONDS)
