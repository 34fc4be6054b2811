"""What is remembered of the file, by subject: bounded, so that a stranger's ever-new names cannot grow it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Remembered(Generic[T]):
    """A subject's declaration of what it wants remembered, by account or by another key; holds no state itself."""

    bound: int
    """The weight of all values together; what was remembered first goes first."""
    weigh: Callable[[T], int] = lambda value: 1


class Cache(dict[str | int, T]):
    """The values of one subject by key, written through by its functions. `get` gives None: not remembered.

    A dict, since it is looked into for every stanza: what is used moves nowhere, so that costs no more than a look.
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
        """Remember nothing under this key."""
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
        """Everything about an account, when it is removed."""
        for cache in self.values():
            cache.forget(account)
