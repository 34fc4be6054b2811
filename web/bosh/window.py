"""The window of requests of one session (XEP-0124 section 14): those that wait for an answer, and the last answers."""

from collections import OrderedDict, deque
from collections.abc import Iterator

from web.bosh.answers import EMPTY
from web.bosh.requests import Asked

REQUESTS = 2  # at once: one that is held, and one that says something
REMEMBERED = REQUESTS + 1  # answers, since one more request may pause (section 11)


class Window:
    """Requests by their numbers. What a request was answered is kept, and said again if that gets lost on the way."""

    def __init__(self, first_rid: int) -> None:
        self._next = first_rid
        self._early: dict[int, Asked] = {}  # those before which another one is missing
        self._answers: OrderedDict[int, bytes] = OrderedDict()
        self.held: deque[Asked] = deque()  # in order, not answered yet

    def __len__(self) -> int:
        """How many requests wait for an answer."""
        return len(self.held) + len(self._early)

    @property
    def oldest(self) -> Asked | None:
        """The request that is to be answered first; None if there is none, or one before it is missing."""
        return self.held[0] if self.held else None

    def answer_to(self, rid: int) -> bytes | None:
        """What this request was answered; None if it was not, or that is long ago."""
        return self._answers.get(rid)

    def unanswered(self, rid: int) -> Asked | None:
        """The request that waits under this number."""
        return self._early.get(rid) or next((each for each in self.held if each.rid == rid), None)

    def has_room_for(self, asked: Asked) -> bool:
        """True if a request may have this number. One that pauses or ends the session may come on top."""
        return self._next <= asked.rid < self._next + REQUESTS + (asked.pauses or asked.ends)

    def is_last(self, asked: Asked) -> bool:
        """True unless a later request has overtaken it."""
        return asked.rid > max(self._early, default=0)

    def take(self, asked: Asked) -> Iterator[Asked]:
        """Take a request; yields it and those that have waited for it, or nothing as long as one before it is
        missing."""
        self._early[asked.rid] = asked
        while (following := self._early.pop(self._next, None)) is not None:
            self._next += 1
            self.held.append(following)
            yield following

    def give_up_early(self, asked: Asked) -> bool:
        """Forget this request if one before it is missing; true if so. The client is to send both (section 17.3)."""
        if self._early.get(asked.rid) is not asked:
            return False
        del self._early[asked.rid]
        return True

    def answer_oldest(self, answer: bytes) -> None:
        """Answer the oldest request, and those behind it that nobody waits for any more: they say nothing, so that
        nothing gets lost with them."""
        self._remember(answer)
        self.answer_gone()

    def answer_gone(self) -> None:
        """Answer the oldest requests with nothing for as long as nobody waits for them, and they have been handled."""
        while self.held and self.held[0].is_handled and self.held[0].waiter.is_gone:
            self._remember(EMPTY)

    def _remember(self, answer: bytes) -> None:
        asked = self.held.popleft()
        self._answers[asked.rid] = answer
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        asked.waiter.tell(answer)

    def answer_all(self, answer: bytes) -> None:
        """Answer all requests the same, which is not kept."""
        for asked in (*self.held, *self._early.values()):
            asked.waiter.tell(answer)
        self.held.clear()
        self._early.clear()
