"""XEP-0198: sessions end where too much waits to be acknowledged: by one, by those of an account, or by all."""

from typing import TYPE_CHECKING

import gevent

from handlers.sessions.managed_sessions import Management, Tallies
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.running.handling import Handled

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session


def enforce(session: "Session", management: Management) -> None:
    """Called when more waits for a session, its account or the server than may: has sessions ended at the end of this
    turn of the loop, so as not to end one in the middle of being sent something."""
    if management.has_too_much:
        if not management.is_overfull:
            management.is_overfull = True
            gevent.get_hub().loop.run_callback(_end, session)
    elif management.crowds_others:
        tallies = session.server.state(Tallies)
        if not tallies.is_check_due:
            tallies.is_check_due = True
            gevent.get_hub().loop.run_callback(_make_room, session.server, session.account, management)


def _make_room(server: "Server", account: JID, management: Management) -> None:
    """End the largest sessions of this account until it is within its limit, then those of whichever account has most
    until the server is."""
    tallies = server.state(Tallies)
    tallies.is_check_due = False
    while management.crowds_its_account and _end_largest(server, account):
        pass
    while management.crowds_others and tallies.accounts:
        if not _end_largest(server, max(tallies.accounts, key=lambda each: tallies.accounts[each].size)):
            return


def _end_largest(server: "Server", account: JID) -> bool:
    """End the session of an account that has most waiting. Returns False if nothing waits for any of them."""
    managed = [(each, each.state(Management)) for each in server.online.sessions(account)]
    sizes = {each: management.sent.size for each, management in managed if management is not None}
    largest = max(sizes, key=lambda each: sizes[each], default=None)
    if largest is None or not sizes[largest]:
        return False
    _end(largest)
    return True


def _end(session: "Session") -> None:
    # Its client does not acknowledge, or stays away for long while much happens
    with Handled():
        session.close(StreamError("policy-violation", "too many stanzas wait to be acknowledged"))
