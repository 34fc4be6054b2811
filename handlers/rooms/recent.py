"""XEP-0045 section 7.2.13: what was said last in a room, in memory: so many messages, and so many bytes."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from xmpp.data.stanza import Stanza

MOST_HISTORY = 1_000


class Said(NamedTuple):
    """A message of a room as its occupants have got it, without an addressee; when, in seconds since the epoch; and its
    id in the room."""

    stanza: Stanza
    at: float
    id: str


class Recent:
    """Messages, the newest last."""

    __slots__ = ("size", "_said")

    def __init__(self) -> None:
        self.size = 0  # bytes
        self._said = deque[Said]()

    def __len__(self) -> int:
        return len(self._said)

    def __iter__(self) -> Iterator[Said]:
        return iter(self._said)

    def __reversed__(self) -> Iterator[Said]:
        return reversed(self._said)

    def append(self, said: Said) -> None:
        """One more, the newest."""
        self._said.append(said)
        self.size += len(said.stanza.wire())

    def shorten(self, most: int, most_bytes: int) -> None:
        """Forget the oldest while there are more, or while they are larger together."""
        while self._said and (len(self._said) > most or self.size > most_bytes):
            self.size -= len(self._said.popleft().stanza.wire())

    def remove(self, id: str) -> None:
        """Forget the message of this id."""
        for said in [each for each in self._said if each.id == id]:
            self._said.remove(said)
            self.size -= len(said.stanza.wire())
