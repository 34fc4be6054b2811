"""A session that was logged in to with a certificate ends when that does (RFC 6120 section 13.7.2.3), also while it
waits to be resumed. Whoever resumes it with another one, or with a password, has it for longer."""

import time
from dataclasses import dataclass
from typing import Any

import gevent

from handlers.login.clients import Access
from xmpp.data.errors import StreamError
from xmpp.routing.feature import Feature
from xmpp.routing.session import Session
from xmpp.running.handling import Handled

feature = Feature("certificate_ends", optional=False, needs=["sasl"])


@dataclass(slots=True)
class End:
    """What ends a session; None if it was last logged in to by something else than a certificate."""

    timer: "gevent.Greenlet[..., Any] | None"


@feature.step
def note_login(session: Session) -> None:
    """SESSION_BOUND and SESSION_RESUMED: from now on it is the login on this stream that counts."""
    access = session.state(Access)
    until = access.until if access is not None else None
    forget(session)
    if until is not None:
        session.keep(End(gevent.spawn_later(max(0.0, until - time.time()), _end, session)))


@feature.step
def forget(session: Session) -> None:
    """SESSION_ENDED: it need not be ended any more."""
    end = session.state(End)
    if end is not None and end.timer is not None:
        end.timer.kill(block=False)
        end.timer = None


def _end(session: Session) -> None:
    end = session.state(End)
    assert end is not None
    end.timer = None  # it is this greenlet, which is not to be killed by what it does
    with Handled():
        session.close(StreamError("reset", "your certificate has expired"))  # RFC 6120 section 4.9.3.16
