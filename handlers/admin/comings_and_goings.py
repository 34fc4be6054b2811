"""Log lines about logins, failed logins and logouts, for people and for programs that ban whoever guesses passwords.

Names that strangers have chosen are written as one word each, whatever they contain.
"""

import logging
from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from xmpp.routing.feature import Feature
from xmpp.running.lines import LimitedLines
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

# Programs that watch the log look for this name (docs/administration.md): it stays what it is, wherever the file lies.
log = logging.getLogger("handlers.comings_and_goings")

feature = Feature("comings_and_goings", optional=False)

NOBODY = "-"  # in place of the account if an attempt failed before it named one


class Attempts(Counter[tuple[str, str]]):
    """How many attempts to log in there were since the server started, by result ("success", "failure") and mechanism,
    NOBODY if none was chosen. A server has one."""


class FailureLines(LimitedLines):
    """The lines about failed logins. A server has one."""


def note_login(server: "Server", peer: str, account: str, mechanism: str) -> None:
    """Count and log that somebody has logged in."""
    server.state(Attempts)["success", mechanism] += 1
    log.info("login of %s from %s by %s", one_word(account), shown_address(peer), mechanism)


def note_failure(server: "Server", peer: str, account: str | None, reason: str, mechanism: str = NOBODY) -> None:
    """Count and log a failed login. In a flood some get no line of their own, and are counted in the next one."""
    server.state(Attempts)["failure", mechanism] += 1
    lines = server.state(FailureLines)
    lines.say(log.info, "failed login from %s as %s: %s", shown_address(peer), one_word(account or NOBODY), reason)


@feature.step
def note_end(session: "Session") -> None:
    """SESSION_ENDED: log the logout, unless the server stops: then all sessions end."""
    if not session.server.is_stopping:
        lost = ", whose connection was lost" if session.connection is None else ""
        log.info("logout of %s%s", one_word(session.jid), lost)


def shown_address(peer: str) -> str:
    """A network address as other programs write it: ::ffff:192.0.2.1, of a socket for both, as 192.0.2.1."""
    ip = ip_address(peer)
    return str(ip.ipv4_mapped) if isinstance(ip, IPv6Address) and ip.ipv4_mapped else peer
