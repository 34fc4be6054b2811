"""Accounts that are to be removed at some time are removed when it has come."""

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent

from db import suspensions
from handlers.login import accounts
from xmpp.config.configuration import setting
from xmpp.data.jid import JID
from xmpp.routing.feature import Feature
from xmpp.running.handling import Handled
from xmpp.running.logs import log_refusal, one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemovalSettings:
    """Accounts that are removed with a time in which they can be restored."""

    grace_days: int = setting(14, "How many days that is on the administration page.", minimum=1, maximum=3_650)


feature = Feature("removals", settings=RemovalSettings, optional=False, needs=["accounts"])

LOOK_SECONDS = 1_800.0
AT_ONCE = 1_000  # accounts, each time


class Removals:
    """What removes the accounts whose time has come."""

    def __init__(self) -> None:
        self.greenlet: gevent.Greenlet[..., Any] | None = None


@feature.step
def start(server: "Server") -> None:
    """SERVER_STARTED: look now and then."""
    server.state(Removals).greenlet = gevent.spawn(_look_again_and_again, server)


@feature.step
def stop(server: "Server") -> None:
    """SERVER_STOPPING: look no more."""
    greenlet = server.state(Removals).greenlet
    if greenlet is not None:
        greenlet.kill(block=False)


def remove_due(server: "Server", now: float) -> None:
    """Remove the accounts whose time has come. Yields."""
    for account in suspensions.due(server.db, now, AT_ONCE):
        try:
            with Handled():
                _remove_if_due(server, account, now)
        except server.storage_errors as error:
            log_refusal(log, error, "cannot remove %s", account)
        except Exception:  # the others are to go all the same
            log.exception("cannot remove %s", account)


def _remove_if_due(server: "Server", account: JID, now: float) -> None:
    found = suspensions.suspension(server.db, account)  # it may have been restored since
    if found is not None and found.remove_at is not None and found.remove_at <= now:
        accounts.remove(server, account)
        log.info("account %s was removed: its time was over", one_word(account))


def _look_again_and_again(server: "Server") -> None:
    while True:
        try:
            remove_due(server, time.time())
        except Exception:
            log.exception("cannot look for accounts that are to be removed")
        gevent.sleep(LOOK_SECONDS)
