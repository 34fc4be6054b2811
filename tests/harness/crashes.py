"""Clients that write down what a server has told them, and find out what it has lost."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.harness.rawclient import PATIENCE, RawClient, StreamEnded, logged_in, new_account
from tests.harness.servers import RunningServer

State = Mapping[str, str]


class Lost(AssertionError):
    """What is stored is neither what the client was told nor what it asked for last."""


class Ledger:
    """What one client was told is stored, and what it has asked for since."""

    def __init__(self) -> None:
        self.told: State = {}
        self._asked: State | None = None

    @contextmanager
    def becoming(self, state: State) -> Iterator[None]:
        """Around a request that leads to this state; leaving it without an exception means that it was answered."""
        self._asked = state
        yield
        self.told, self._asked = state, None

    @property
    def possible(self) -> list[State]:
        """All that may be stored now."""
        return [self.told] if self._asked is None else [self.told, self._asked]

    def compare(self, stored: State) -> None:
        """Go on from what is stored; raises Lost."""
        if stored not in self.possible:
            raise Lost(f"{stored}, where one of these was to be expected: {self.possible}")
        self.told, self._asked = stored, None


class Changes:
    """One client that changes something of its account, again and again."""

    def __init__(self, port: int, random: Random) -> None:
        self.account = new_account(port)
        self.random = random
        self.ledger = Ledger()
        self.count = 0

    def verify(self, port: int) -> None:
        """Compare with what is there after a restart."""
        with logged_in(port, *self.account) as client:
            self.ledger.compare(self.stored(client))

    def make_until_killed(self, port: int, answered: Callable[[], object]) -> None:
        """Change something, and say so when it was answered."""
        with logged_in(port, *self.account) as client:
            while True:
                self.count += 1
                self.make_one(client)
                answered()

    def stored(self, client: RawClient) -> State:
        """What the server has."""
        raise NotImplementedError

    def make_one(self, client: RawClient) -> None:
        """Change something; raises OSError or StreamEnded when the server is killed."""
        raise NotImplementedError


class Traffic:
    """All clients at work, each in a thread of its own."""

    def __init__(self, port: int, changes: Sequence[Changes]) -> None:
        self._answers = threading.Semaphore(0)
        self._failures: list[Exception] = []
        self._threads = [threading.Thread(target=self._make, args=(each, port), daemon=True) for each in changes]
        for thread in self._threads:
            thread.start()

    def wait_for_answers(self, count: int) -> None:
        for _ in range(count):
            if not self._answers.acquire(timeout=PATIENCE):
                break  # one of the failures says why

    def end(self) -> None:
        """Wait until all have noticed that the server is gone."""
        for thread in self._threads:
            thread.join(PATIENCE)
        if self._failures:
            raise self._failures[0]

    def _make(self, changes: Changes, port: int) -> None:
        try:
            changes.make_until_killed(port, self._answers.release)
        except (OSError, StreamEnded):
            pass  # killed
        except Exception as failure:
            self._failures.append(failure)


def started(data: Path) -> RunningServer:
    return RunningServer.demo("--data", str(data))
