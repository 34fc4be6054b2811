"""Who is connected: the sessions of this server by full address and by account."""

from collections.abc import Collection, Iterator
from itertools import count
from typing import TYPE_CHECKING

from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.session import Session


class Online:
    """All sessions. Not bounded here: the listener bounds connections, binding bounds sessions per account."""

    def __init__(self) -> None:
        self._by_address: dict[JID, Session] = {}
        self._by_account: dict[str, dict[JID, Session]] = {}
        self._numbers = count(1)

    def next_number(self) -> int:
        """The number of a new session, which no other one gets while this server runs."""
        return next(self._numbers)

    def add(self, session: "Session") -> None:
        """Add a session; its address must be free."""
        assert session.jid not in self._by_address
        self._by_address[session.jid] = session
        self._by_account.setdefault(session.account, {})[session.jid] = session

    def remove(self, session: "Session") -> None:
        """Remove a session."""
        del self._by_address[session.jid]
        sessions = self._by_account[session.account]
        del sessions[session.jid]
        if not sessions:
            del self._by_account[session.account]

    def session(self, address: JID) -> "Session | None":
        """The session of this full address, available or not, or None."""
        return self._by_address.get(address)

    def sessions(self, account: JID) -> "Collection[Session]":
        """The connected sessions of this account (bare address). A copy: safe to loop over while sessions end."""
        found = self._by_account.get(account)
        return tuple(found.values()) if found else ()

    def count(self, account: str) -> int:
        """How many sessions this account has; it is given as text, for callers that ask about thousands."""
        return len(self._by_account.get(account, ()))

    def available(self, account: JID) -> "list[Session]":
        """The sessions of this account that have sent available presence."""
        found = self._by_account.get(account)
        return [session for session in found.values() if session.presence is not None] if found else []

    def __iter__(self) -> "Iterator[Session]":
        return iter(tuple(self._by_address.values()))

    def __len__(self) -> int:
        return len(self._by_address)
