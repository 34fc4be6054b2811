"""Logging in elsewhere than on a stream: the same checks, and the same delays after failures, as SASL has."""

import time
from typing import TYPE_CHECKING

import gevent

from handlers.admin import comings_and_goings
from handlers.login.sasl import passwords
from handlers.login.sasl.exchange import Basis, WrongPassword
from handlers.login.sasl.settings import SASLSettings
from handlers.login.suspended import refuse_suspended
from handlers.login.throttle import LoginThrottle
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def check(server: "Server", peer: str, account: JID, password: str, mechanism: str) -> passwords.Check:
    """Check a password, and note a failure; returns what can be asked later whether it is still the password of that
    account. Raises SASLFailure. Yields for as long as the failures before it cause."""
    attempt = passwords.Check(server)
    try:
        conclude(server, peer, account, attempt, is_right=attempt.is_right(account, password))
    except SASLFailure as failure:
        note_failure(server, peer, account, failure, mechanism)
        raise
    return attempt


def note_failure(server: "Server", peer: str, account: JID | None, failure: SASLFailure, mechanism: str) -> None:
    """Count and log why somebody could not log in."""
    if isinstance(failure, WrongPassword):
        comings_and_goings.note_failure(server, peer, failure.account, failure.reason, mechanism)
    else:
        comings_and_goings.note_failure(server, peer, account, str(failure), mechanism)


def conclude(server: "Server", peer: str, account: JID, check: Basis, *, is_right: bool) -> None:
    """The end of an attempt. Yields for the delay that the failures before it cause. Raises SASLFailure.

    A right password waits as well, or an attacker could hang up on any answer that takes longer than a success. It has
    to be right still after the wait.
    """
    throttle, now = server.state(LoginThrottle), time.monotonic()
    delay = min(throttle.delay(peer, account, now), server.settings(SASLSettings).max_delay_seconds)
    if not is_right:
        throttle.failed(peer, account, now)  # before the wait, so that attempts side by side count
    gevent.sleep(delay)
    if not is_right:
        raise WrongPassword(account, "no such account" if check.identity is None else f"wrong {check.kind}")
    if not check.still_holds():
        raise WrongPassword(account, f"the account or its {check.kind} has changed meanwhile")
    refuse_suspended(server, account)
