"""What administrators see of sessions, and how they end one."""

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from handlers.admin.comings_and_goings import shown_address
from handlers.admin.given import (
    SHOWN,
    Administrator,
    after_address,
    changeable_account,
    note,
    refuse_raising,
    unhurried,
)
from handlers.login import accounts
from xmpp.control import Refused
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID, MalformedJID
from xmpp.routing.session import Session

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


ENDED = StreamError("policy-violation", "ended by an administrator")


class Listed(NamedTuple):
    """A session in a list. `since`: in seconds since 1970. `peer`: the network address, and `carrier` what carries it;
    both are "" while it waits for its client to come back. `is_available`: it has sent presence."""

    session: str
    since: float
    peer: str
    carrier: str
    is_available: bool


def listing(
    server: "Server", by: Administrator, text: str = "", after: str = "", most: int = SHOWN
) -> list[Listed]:
    """At most so many sessions that have this text in their address or network address, by address, after this one.
    Yields."""
    wanted, start = text.strip().casefold(), after_address(after) or ""
    found = heapq.nsmallest(most, _matching(server, by, wanted, start), key=lambda session: session.jid)
    return [_listed(session) for session in found]


def end(server: "Server", by: Administrator, session: str) -> None:
    """End a session: its client is told so, and may log in anew."""
    found = endable(server, by, session)
    note(by, "session", found.jid, "was ended")
    found.close(ENDED)


def end_all(server: "Server", by: Administrator, account: str) -> None:
    """End all sessions of an account, and all that is about to become one."""
    jid = changeable_account(server, by, account)
    note(by, "account", jid, "was logged out")
    accounts.end_sessions(server, jid, ENDED)


def endable(server: "Server", by: Administrator, session: str) -> Session:
    """A session that an administrator may end. Raises Refused."""
    try:
        found = server.online.session(JID.parse(session))
    except MalformedJID as error:
        raise Refused(f"{session!r} is not the address of a session: {error}.", "jid-malformed") from error
    if found is None or not by.may_at(found.account.domain):
        raise Refused(f"There is no session {session}.", "item-not-found")
    refuse_raising(server, by, found.account)
    return found


def _matching(server: "Server", by: Administrator, wanted: str, start: str) -> Iterator[Session]:
    for session in unhurried(server.online):
        if not by.may_at(session.account.domain):
            continue
        if session.jid > start and (wanted in session.jid.casefold() or (wanted and wanted in _peer(session))):
            yield session


def _listed(session: Session) -> Listed:
    carrier = session.connection.carrier if session.connection is not None else ""
    return Listed(session.jid, session.since, _peer(session), carrier, session.is_available)


def _peer(session: Session) -> str:
    return shown_address(session.connection.peer) if session.connection is not None else ""
