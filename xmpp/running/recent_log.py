"""The newest lines of the log, kept in memory for administrators who look at them: so many, and so many bytes."""

import logging
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

MOST = 5_000  # entries
MOST_CHARACTERS = 1 << 20  # of all together
LONGEST = 4_000  # characters of one entry; what is longer is cut
ENTRY_CHARACTERS = 100  # that an entry counts beside its text


class Entry(NamedTuple):
    """A line of the log, with the traceback that belongs to it. `number` grows; `at` is in seconds since 1970."""

    number: int
    at: float
    level: str
    logger: str
    text: str


class RecentLog(logging.Handler):
    """Keeps what is logged. Its formatter makes the text, and takes out the secrets."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._entries: deque[tuple[int, Entry]] = deque()  # with the numbers of their levels, the newest last
        self._characters = 0
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; the oldest go where it is too much."""
        try:
            text = self.format(record)
        except Exception:  # the log itself reports what cannot be formatted
            return
        cut = text if len(text) <= LONGEST else text[:LONGEST] + "..."
        self._number += 1
        entry = Entry(self._number, record.created, record.levelname.lower(), record.name, cut)
        self._entries.append((record.levelno, entry))
        self._characters += _weight(entry)
        while len(self._entries) > MOST or self._characters > MOST_CHARACTERS:
            self._characters -= _weight(self._entries.popleft()[1])

    def newest(self, *, level: str, text: str, since: float, before: int, most: int) -> list[Entry]:
        """At most so many entries, the newest first: of this level and above, with this text in them or in the name of
        their logger, since this time, and before the entry of this number, unless that is 0."""
        return list(islice(self._matching(logging.getLevelName(level.upper()), text.casefold(), since, before), most))

    def _matching(self, least: int, text: str, since: float, before: int) -> Iterator[Entry]:
        for level, entry in reversed(tuple(self._entries)):
            if entry.at < since:
                return
            if level < least or (before and entry.number >= before):
                continue
            if text in entry.text.casefold() or text in entry.logger:
                yield entry

    def __len__(self) -> int:
        return len(self._entries)


def _weight(entry: Entry) -> int:
    return ENTRY_CHARACTERS + len(entry.text) + len(entry.logger)
