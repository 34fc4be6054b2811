"""What was sent on a stream between servers until the other one has it: by acknowledgements (XEP-0198, without
resumption), or by the answers to pings (XEP-0199) where there are none.

A server that does neither is believed to have what the kernel has taken.
"""

from collections import deque
from time import monotonic

from lxml import etree

from xmpp.data.errors import StreamError
from xmpp.data.stanza import Stanza
from xmpp.federation.names import SM

COUNTER = 1 << 32  # counts wrap around (section 4)
ASK_AFTER = 500  # stanzas; of fewer it is asked once all that was asked before is answered
PING_SECONDS = 5.0  # at least, between two pings of few stanzas


class Confirmation:
    """The stanzas on one stream that may not have arrived. `size`: their bytes.

    `is_counted`: the other server counts what it gets, and says how many that is. `asked_at`: when it was asked for
    that, or pinged, on the monotonic clock; None while it owes no answer.
    """

    def __init__(self) -> None:
        self.is_counted = False
        self.asked_at: float | None = None
        self._answers_pings: bool | None = None  # None until it is known
        self._last_asked = 0.0
        self._waiting: deque[tuple[Stanza, int]] = deque()
        self._confirmed = 0
        self._added = self._arrived = 0  # bytes, from the beginning of the stream on
        self._asked_for = 0  # how many were waiting when it was asked last
        self._asked_up_to = 0  # how many bytes had been added

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size(self) -> int:
        """How many bytes may not have arrived."""
        return self._added - self._arrived

    @property
    def is_owed(self) -> bool:
        """True if an answer that does not come means that the other server is not there."""
        return self.asked_at is not None and (self.is_counted or self._answers_pings is True)

    def count(self) -> None:
        """The other server counts from now on; what was sent before is believed to have arrived."""
        self.is_counted, self.asked_at = True, None
        self._take_out(len(self._waiting))

    def stop(self) -> None:
        """The other server does not count after all."""
        self.is_counted, self.asked_at = False, None

    def add(self, stanza: Stanza, size: int, unsent: int) -> bool:
        """Note a stanza of `size` bytes that was just written; `unsent` bytes wait for the kernel. True if the other
        server is to be asked now what it has, or pinged."""
        self._added += size
        self._waiting.append((stanza, self._added))
        if self.is_counted:
            is_due = self.asked_at is None or len(self._waiting) - self._asked_for >= ASK_AFTER
            return is_due and self._ask(monotonic())
        if not self._answers_pings:
            self._forget_up_to(self._added - unsent)
        return self.is_to_be_pinged(monotonic())

    def is_to_be_pinged(self, now: float) -> bool:
        """True if the other server is to be pinged now, for what it has not confirmed."""
        if self.is_counted or self.asked_at is not None or self._answers_pings is False or not self._waiting:
            return False
        if self._answers_pings and len(self._waiting) < ASK_AFTER and now - self._last_asked < PING_SECONDS:
            return False
        return self._ask(now)

    def _ask(self, now: float) -> bool:
        self.asked_at, self._last_asked = self.asked_at or now, now
        self._asked_for, self._asked_up_to = len(self._waiting), self._added
        return True

    def _forget_up_to(self, byte: int) -> None:
        while self._waiting and self._waiting[0][1] <= byte:
            self._arrived = self._waiting.popleft()[1]

    def _take_out(self, number: int) -> None:
        for _ in range(number):
            self._arrived = self._waiting.popleft()[1]

    def answered(self, h: str | None) -> bool:
        """The other server says how many it has. True if it is to be asked again. Raises StreamError for a number that
        cannot be."""
        if not (h and h.isascii() and h.isdecimal() and len(h) <= 10):
            raise StreamError("bad-format", "an acknowledgement needs a number")
        arrived = (int(h) - self._confirmed) % COUNTER
        if arrived > len(self._waiting):
            raise StreamError("undefined-condition", "more is acknowledged than was sent", application=_too_high())
        self._take_out(arrived)
        self._confirmed = (self._confirmed + arrived) % COUNTER
        if arrived or not self._waiting:  # that nothing has arrived is no confirmation, however often it is said
            self.asked_at = None
        return bool(self._waiting) and self._ask(monotonic())

    def ponged(self) -> None:
        """The other server has answered a ping: it has all that was sent before."""
        self._forget_up_to(self._asked_up_to)
        self._answers_pings, self.asked_at = True, None

    def is_not_ponged(self, unsent: int) -> None:
        """The other server does not answer pings; where it never did, perhaps it cannot reach us. It is believed to
        have all but the `unsent` bytes that wait for the kernel."""
        if not self._answers_pings:
            self._answers_pings, self.asked_at = False, None
            self._forget_up_to(self._added - unsent)

    def left(self, unsent: int) -> list[Stanza]:
        """The stanzas that may not have arrived, when the stream has ended, each once; `unsent` bytes the kernel never
        took."""
        if not self.is_counted and not self._answers_pings:
            self._forget_up_to(self._added - unsent)
        waiting, self._waiting = self._waiting, deque()
        return [stanza for stanza, _ in waiting]


def _too_high() -> etree._Element:
    return etree.Element(f"{{{SM}}}handled-count-too-high", nsmap={None: SM})
