"""XEP-0191: whose presence the devices of an account have missed while it had blocked them, so that it can be shown."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

MOST = 100  # addresses that are remembered for one device; who has changed beyond that is seen at its next login


class MissedPresence(NamedTuple):
    """Whose presence it was (a full address, or a bare one for all that a contact has), and whether it was its end."""

    sender: JID
    is_end: bool


class Missed:
    """The addresses whose presence a device does not know as it is, and whether the last of it was its end."""

    def __init__(self) -> None:
        self.addresses = dict[JID, bool]()


def note(server: "Server", account: JID, sender: JID, *, is_end: bool = False) -> None:
    """Presence of this address, which the account's devices would see, does not reach them."""
    for session in server.online.available(account):
        missed = session.state(Missed)
        if missed is None:
            session.keep(missed := Missed())
        if len(missed.addresses) < MOST or sender in missed.addresses:
            missed.addresses[sender] = is_end


def take(session: "Session", is_over: Callable[[JID], bool]) -> list[MissedPresence]:
    """Those of them for which it is over; they are forgotten."""
    missed = session.state(Missed)
    if missed is None:
        return []
    taken = [MissedPresence(jid, missed.addresses[jid]) for jid in sorted(missed.addresses) if is_over(jid)]
    for jid, _ in taken:
        del missed.addresses[jid]
    return taken
