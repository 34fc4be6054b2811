"""Who has too much waiting to be acknowledged (XEP-0198): one session, the sessions of an account, or all together."""

from typing import TYPE_CHECKING

import gevent

from handlers.sessions.managed_sessions import Management, Waiting
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.running.handling import Handled

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session


def enforce(session: "Session", management: Management) -> None:
    """Have sessions ended, at the end of the turn, where more waits for this one, or with it, than may."""
    if management.has_too_much:
        if not management.is_overfull:
            management.is_overfull = True
            gevent.get_hub().loop.run_callback(_end, session)  # not in the middle of whoever sends
    elif management.crowds_others:
        waiting = session.server.state(Waiting)
        if not waiting.is_looked_at:
            waiting.is_looked_at = True
            gevent.get_hub().loop.run_callback(_make_room, session.server, session.account, management)


def _make_room(server: "Server", account: JID, management: Management) -> None:
    """End the session for which most waits, until little enough does: of this account, then of whichever has most."""
    waiting = server.state(Waiting)
    waiting.is_looked_at = False
    while management.crowds_its_account and _end_largest(server, account):
        pass
    while management.crowds_others and waiting.accounts:
        if not _end_largest(server, max(waiting.accounts, key=lambda each: waiting.accounts[each].size)):
            return


def _end_largest(server: "Server", account: JID) -> bool:
    """Whether there was one."""
    managed = [(each, each.state(Management)) for each in server.online.sessions(account)]
    sizes = {each: management.sent.size for each, management in managed if management is not None}
    largest = max(sizes, key=lambda each: sizes[each], default=None)
    if largest is None or not sizes[largest]:
        return False
    _end(largest)
    return True


def _end(session: "Session") -> None:
    """Its client does not acknowledge, or stays away for too long while much happens."""
    with Handled():
        session.close(StreamError("policy-violation", "too many stanzas wait to be acknowledged"))
