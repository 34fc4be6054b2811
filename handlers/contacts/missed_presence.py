"""XEP-0191: whose presence the devices of an account have missed while it had blocked them, so that it can be shown."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

MOST = 100  # addresses that are remembered for one device; who has changed beyond that is seen at its next login


class Missed:
    """The full addresses whose presence a device does not know as it is."""

    def __init__(self) -> None:
        self.addresses = set[JID]()


def note(server: "Server", account: JID, sender: JID) -> None:
    """Presence of this address (full), which the account's devices would see, does not reach them."""
    for session in server.online.available(account):
        missed = session.state(Missed)
        if missed is None:
            session.keep(missed := Missed())
        if len(missed.addresses) < MOST:
            missed.addresses.add(sender)


def take(session: "Session", is_over: Callable[[JID], bool]) -> list[JID]:
    """Those of them for which it is over; they are forgotten."""
    missed = session.state(Missed)
    if missed is None:
        return []
    taken = sorted(jid for jid in missed.addresses if is_over(jid))
    missed.addresses.difference_update(taken)
    return taken
