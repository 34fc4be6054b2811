"""What is remembered of the file, by subject: bounded, so that a stranger's ever-new names cannot grow it."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Remembered(Generic[T]):
    """A subject's declaration of what it wants remembered by account; holds no state itself."""

    bound: int
    """The weight of all values together; what was used longest ago goes first."""
    weigh: Callable[[T], int] = lambda value: 1


class Cache(Generic[T]):
    """The values of one subject by account, written through by its functions. None means: not remembered."""

    def __init__(self, subject: Remembered[T]) -> None:
        self._subject = subject
        self._values: OrderedDict[str, T] = OrderedDict()
        self.weight = 0

    def get(self, account: str) -> T | None:
        value = self._values.get(account)
        if value is not None:
            self._values.move_to_end(account)
        return value

    def put(self, account: str, value: T) -> T:
        self.forget(account)
        self._values[account] = value
        self.weight += self._subject.weigh(value)
        while self.weight > self._subject.bound and len(self._values) > 1:
            self.forget(next(iter(self._values)))
        return value

    def forget(self, account: str) -> None:
        value = self._values.pop(account, None)
        if value is not None:
            self.weight -= self._subject.weigh(value)

    def __len__(self) -> int:
        return len(self._values)


class Memory:
    """The caches of one database, by declaration: `db.memory[ROSTERS].get(account)`."""

    def __init__(self) -> None:
        self._caches: dict[Remembered[Any], Cache[Any]] = {}

    def __getitem__(self, subject: Remembered[T]) -> Cache[T]:
        cache = self._caches.get(subject)
        if cache is None:
            cache = self._caches[subject] = Cache(subject)
        return cache

    def forget(self, account: str) -> None:
        """Everything about an account, when it is removed."""
        for cache in self._caches.values():
            cache.forget(account)

    def clear(self) -> None:
        """Everything: after writes were undone, what is remembered may be ahead of the file."""
        self._caches.clear()
