"""What is remembered of the file, by subject; bounded, so that names that strangers make up cannot make it grow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Remembered(Generic[T]):
    """A subject's declaration that it wants values remembered, by account or another key. It holds no state itself."""

    bound: int
    """The most that all values may weigh together; beyond it the oldest are forgotten."""
    weigh: Callable[[T], int] = lambda value: 1


class Cache(dict[str | int, T]):
    """The values of one subject, by key; the subject's functions keep them up to date. `get` gives None if a key is not
    remembered.

    It is a plain dict, in the order of remembering and not of use, since it is looked into for every stanza.
    """

    def __init__(self, subject: Remembered[T]) -> None:
        super().__init__()
        self._subject = subject
        self.weight = 0

    def put(self, key: str | int, value: T) -> T:
        """Remember a value, in place of an earlier one."""
        self.forget(key)
        self[key] = value
        self.weight += self._subject.weigh(value)
        while self.weight > self._subject.bound and len(self) > 1:
            self.forget(next(iter(self)))
        return value

    def forget(self, key: str | int) -> None:
        """Forget the value of this key, if there is one."""
        value = self.pop(key, None)
        if value is not None:
            self.weight -= self._subject.weigh(value)


class Memory(dict[Remembered[Any], Cache[Any]]):
    """The caches of one database, by declaration: `db.memory[ROSTERS].get(account)`."""

    if TYPE_CHECKING:

        def __getitem__(self, subject: Remembered[T]) -> Cache[T]: ...

    def __missing__(self, subject: Remembered[T]) -> Cache[T]:
        cache = self[subject] = Cache(subject)
        return cache

    def forget(self, account: str) -> None:
        """Forget everything about an account, since it is removed."""
        for cache in self.values():
            cache.forget(account)
