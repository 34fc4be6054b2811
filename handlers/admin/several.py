"""What is done to several accounts at once: to all of them, or to none."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from handlers.admin import people, sessions
from handlers.admin.given import Administrator, changeable_account
from xmpp.control import Refused

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

MOST = 100

Checked = Callable[["Server", Administrator, str], Any]


def do(server: "Server", by: Administrator, what: str, accounts: Sequence[str]) -> None:
    """Do one of THINGS to each of these accounts, which are looked at before anything is done. Yields."""
    check, act = THINGS[what]
    accounts = tuple(dict.fromkeys(accounts))
    if len(accounts) > MOST:
        raise Refused(f"This can be done to {MOST} accounts at a time.")
    for account in accounts:
        check(server, by, account)
    for account in accounts:
        act(server, by, account)


def _endable(server: "Server", by: Administrator, address: str) -> object:
    return sessions.endable(server, by, address) if "/" in address else changeable_account(server, by, address)


def _end(server: "Server", by: Administrator, address: str) -> None:
    """One session by its full address, or all of an account."""
    (sessions.end if "/" in address else sessions.end_all)(server, by, address)


THINGS: Mapping[str, tuple[Checked, Checked]] = MappingProxyType(
    {
        "disable": (people.to_disable, people.disable),
        "enable": (people.to_enable, people.enable),
        "remove": (people.to_remove, people.remove),
        "end-sessions": (_endable, _end),
    }
)
"""What looks whether a thing can be done, and what does it."""
