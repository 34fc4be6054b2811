"""Messages to a large room wait for each other for a moment, and are told together.

Each of many sessions is then written to once for all of them, and to write costs more than all else about a message.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from xmpp.data.copies import copies
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.running.handling import handled
from xmpp.running.tickets import Ticket

MANY = 256
"""In a room of fewer sessions nobody waits."""
MOST = 50
"""Messages that are told together: one session is sent all of them in one step."""
AS_SHORT = 4_096
"""Bytes: to send so many takes about twice as long as to send none."""
AT_ONCE = 16
"""So many stanzas are sent in one step of a portion: a step that sends one costs a third of what that one does."""


class _Message(NamedTuple):
    """What is told, as a function that addresses it, and the ticket of what it tells of."""

    to: Callable[[JID], Stanza]
    ticket: Ticket | None


class Gathered:
    """The messages that are told together to all these sessions; what is said once this has begun is told after it.

    `came`, `entrances`: those of the room (room.Room); who has left it and come back finds them in the history.
    `weight`: how many they are, a long one counted as several.
    """

    __slots__ = ("sessions", "weight", "_came", "_entrances", "_messages", "_is_begun")

    def __init__(self, sessions: Collection[JID], came: Mapping[JID, int], entrances: int) -> None:
        self.sessions = tuple(sessions)
        self._came, self._entrances = came, entrances
        self.weight = 0
        self._messages: list[_Message] = []
        self._is_begun = False

    @property
    def takes_more(self) -> bool:
        """True until the first of them has been told, or there are many."""
        return not self._is_begun and len(self._messages) < MOST

    def add(self, stanza: Stanza) -> int:
        """Tell this as well, behind the others; returns what it weighs."""
        self._messages.append(_Message(copies(stanza), handled().ticket))
        weight = 1 + len(stanza.wire()) // AS_SHORT
        self.weight += weight
        return weight

    def sent_by(self, send: Callable[[Stanza], None]) -> Iterator[None]:
        """Send each session all messages, in order, but for those that could not be stored. Yields None after a few."""
        self._is_begun = True
        at_once = max(1, AT_ONCE // len(self._messages))
        for start in range(0, len(self.sessions), at_once):
            now = handled()
            for jid in self.sessions[start : start + at_once]:
                if self._came.get(jid, 0) > self._entrances:
                    continue
                for to, ticket in self._messages:
                    if ticket is None or ticket.failed is None:
                        now.ticket = ticket
                        send(to(jid))
            yield
