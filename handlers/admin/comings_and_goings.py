"""What the log says of those who log in and out, or fail to: a line each, for people and for programs that shut out
whoever guesses passwords. Names that strangers have chosen are one word each, whatever is in them."""

import logging
import time
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from xmpp.routing.feature import Feature
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

feature = Feature("comings_and_goings", optional=False)

MOST_AT_ONCE = 100  # lines about failed logins, which anybody can cause
LINES_PER_SECOND = 0.5  # after that: some 10 MB a day at most, whoever tries how often
NOBODY = "-"  # where an attempt has not come as far as to a name


class FailureLines:
    """How many lines there may be about failed logins. A server has one."""

    def __init__(self) -> None:
        self._left = float(MOST_AT_ONCE)
        self._at = 0.0
        self._omitted = 0

    def next(self, now: float) -> int | None:
        """How many were left out since the last line, where there may be another one; None where there may not."""
        self._left = min(self._left + (now - self._at) * LINES_PER_SECOND, float(MOST_AT_ONCE))
        self._at = now
        if self._left < 1.0:
            self._omitted += 1
            return None
        self._left -= 1.0
        omitted, self._omitted = self._omitted, 0
        return omitted


def note_login(peer: str, account: str, mechanism: str) -> None:
    """Somebody has logged in."""
    log.info("login of %s from %s by %s", one_word(account), shown_address(peer), mechanism)


def note_failure(server: "Server", peer: str, account: str | None, reason: str) -> None:
    """Somebody has not. In a flood of them some have no line of their own, and are counted in the next one."""
    omitted = server.state(FailureLines).next(time.monotonic())
    if omitted is None:
        return
    more = f" ({omitted} more were not logged before this one)" if omitted else ""
    log.info("failed login from %s as %s: %s%s", shown_address(peer), one_word(account or NOBODY), reason, more)


@feature.step
def note_end(session: "Session") -> None:
    """SESSION_ENDED. All that end with the server have no line each."""
    if not session.server.is_stopping:
        lost = ", whose connection was lost" if session.connection is None else ""
        log.info("logout of %s%s", one_word(session.jid), lost)


def shown_address(peer: str) -> str:
    """A network address as others write it, too: that of IPv4 where it came by a socket for both."""
    ip = ip_address(peer)
    return str(ip.ipv4_mapped) if isinstance(ip, IPv6Address) and ip.ipv4_mapped else peer
