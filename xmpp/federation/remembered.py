"""What is remembered of other servers for a day, such as what they do not know; of so many at most."""

from collections import OrderedDict
from collections.abc import Hashable
from time import monotonic
from typing import Generic, TypeVar

SECONDS = 86_400.0
MOST = 1_000

Key = TypeVar("Key", bound=Hashable)


class ForADay(Generic[Key]):
    """What was noted within a day, but for what was noted before the last MOST."""

    def __init__(self) -> None:
        self._until: OrderedDict[Key, float] = OrderedDict()

    def note(self, key: Key) -> None:
        """Remember this from now on."""
        self._until.pop(key, None)
        self._until[key] = monotonic() + SECONDS
        while len(self._until) > MOST:
            self._until.popitem(last=False)

    def __contains__(self, key: Key) -> bool:
        until = self._until.get(key)
        return until is not None and monotonic() <= until
