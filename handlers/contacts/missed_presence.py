"""XEP-0191: whose presence an account's devices have missed while it had blocked them, so that it can be shown
later."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

MOST = 100  # addresses that are remembered for one device; it sees the presence of others at its next login


class MissedPresence(NamedTuple):
    """Whose presence was missed: of a full address, or of a bare one for all resources. `is_end`: the last one missed
    was unavailable presence."""

    sender: JID
    is_end: bool


class Missed:
    """The addresses whose presence one device has missed, with `is_end` as in MissedPresence."""

    def __init__(self) -> None:
        self.addresses = dict[JID, bool]()


def note(server: "Server", account: JID, sender: JID, *, is_end: bool = False) -> None:
    """Note for all available devices of the account that they have missed presence of this address."""
    for session in server.online.available(account):
        missed = session.state(Missed)
        if missed is None:
            session.keep(missed := Missed())
        if len(missed.addresses) < MOST or sender in missed.addresses:
            missed.addresses[sender] = is_end


def take(session: "Session", is_over: Callable[[JID], bool]) -> list[MissedPresence]:
    """Return what a session has missed of the addresses for which `is_over` is true, and forget it."""
    missed = session.state(Missed)
    if missed is None:
        return []
    taken = [MissedPresence(jid, missed.addresses[jid]) for jid in sorted(missed.addresses) if is_over(jid)]
    for jid, _ in taken:
        del missed.addresses[jid]
    return taken
