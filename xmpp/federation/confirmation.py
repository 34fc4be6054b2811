"""What was sent on a stream between servers until the other one has it (XEP-0198 acknowledgements, without resumption).

A server that does not confirm is believed to have what the kernel has taken.
"""

from collections import deque
from time import monotonic

from lxml import etree

from xmpp.data.errors import StreamError
from xmpp.data.stanza import Stanza
from xmpp.federation.names import SM

COUNTER = 1 << 32  # counts wrap around (section 4)
ASK_AFTER = 500  # stanzas; of fewer it is asked once all that was asked before is answered


class Confirmation:
    """The stanzas on one stream that may not have arrived. `asked_at`: when the other server was asked what it has, on
    the monotonic clock; None while nothing is asked."""

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self._is_counted = False
        self._waiting: deque[tuple[Stanza, int]] = deque()
        self._confirmed = 0
        self._added = 0  # bytes, from the beginning of the stream on
        self._asked_for = 0  # how many had been sent when it was asked last

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_counted(self) -> bool:
        """True if the other server counts what it gets, from now on."""
        return self._is_counted

    def count(self) -> None:
        """The other server counts from now on; what was sent before is believed to have arrived."""
        self._is_counted = True
        self._waiting.clear()

    def stop(self) -> None:
        """The other server does not count after all."""
        self._is_counted, self.asked_at = False, None

    def add(self, stanza: Stanza, size: int, unsent: int) -> bool:
        """Note a stanza of `size` bytes that was just written; `unsent` bytes wait for the kernel. True if the other
        server is to be asked now what it has."""
        self._added += size
        self._waiting.append((stanza, self._added))
        if not self._is_counted:
            self._forget_taken(unsent)
            return False
        if self.asked_at is not None and len(self._waiting) - self._asked_for < ASK_AFTER:
            return False
        self.asked_at = self.asked_at or monotonic()
        self._asked_for = len(self._waiting)
        return True

    def _forget_taken(self, unsent: int) -> None:
        while self._waiting and self._waiting[0][1] <= self._added - unsent:
            self._waiting.popleft()

    def answered(self, h: str | None) -> bool:
        """The other server says how many it has. True if it is to be asked again. Raises StreamError for a number that
        cannot be."""
        if not (h and h.isascii() and h.isdecimal() and len(h) <= 10):
            raise StreamError("bad-format", "an acknowledgement needs a number")
        arrived = (int(h) - self._confirmed) % COUNTER
        if arrived > len(self._waiting):
            raise StreamError("undefined-condition", "more is acknowledged than was sent", application=_too_high())
        for _ in range(arrived):
            self._waiting.popleft()
        self._confirmed = (self._confirmed + arrived) % COUNTER
        self.asked_at = monotonic() if self._waiting else None
        self._asked_for = len(self._waiting)
        return self.asked_at is not None

    def left(self, unsent: int) -> list[Stanza]:
        """The stanzas that may not have arrived, when the stream has ended, each once; `unsent` bytes the kernel never
        took."""
        if not self._is_counted:
            self._forget_taken(unsent)
        waiting, self._waiting = self._waiting, deque()
        return [stanza for stanza, _ in waiting]


def _too_high() -> etree._Element:
    return etree.Element(f"{{{SM}}}handled-count-too-high", nsmap={None: SM})
