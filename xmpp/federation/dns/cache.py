"""Answers of DNS that are remembered for as long as they hold, within bounds."""

from collections import OrderedDict
from time import monotonic

from xmpp.federation.dns.messages import NEGATIVE_SECONDS, Answer, Question

LEAST_SECONDS, MOST_SECONDS = 60, 3600
ENTRY_BYTES, RECORD_BYTES = 400, 150  # which an entry, and a record in it, takes beside its characters


class Cache:
    """Answers by question. If there are too many, what was not asked for longest is forgotten. `bytes` is about what
    they take."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._entries = OrderedDict[Question, tuple[Answer, float, int]]()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question) -> Answer | None:
        """What is remembered, or None."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        answer, until, _ = entry
        if monotonic() > until:
            self._forget(question)
            return None
        self._entries.move_to_end(question)
        return answer

    def put(self, question: Question, answer: Answer) -> None:
        """Remember an answer for as long as it holds."""
        self._forget(question)
        seconds = max(LEAST_SECONDS, min(MOST_SECONDS, answer.seconds)) if answer.records else NEGATIVE_SECONDS
        size = _size(question, answer)
        self._entries[question] = answer, monotonic() + seconds, size
        self.bytes += size
        while len(self._entries) > self._most or self.bytes > self._most_bytes:
            self._forget(next(iter(self._entries)))

    def _forget(self, question: Question) -> None:
        entry = self._entries.pop(question, None)
        if entry is not None:
            self.bytes -= entry[2]


def _size(question: Question, answer: Answer) -> int:
    return ENTRY_BYTES + len(question[0]) + sum(RECORD_BYTES + len(str(each)) for each in answer.records)
