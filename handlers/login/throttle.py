"""Counts that fade with time, against guessing and mass registration.

The more failures a network or an account has had, the longer the next answer takes, up to a limit. Nobody is locked
out: strangers could use that against others. `now` is always on the monotonic clock, in seconds.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from xmpp.data.networks import network

HALF_LIFE = 600.0
MOST = 20.0  # no count gets higher, so that any is forgotten within an hour
BOUND = 10_000  # keys; the one that was counted longest ago goes first
FIRST_DELAY = 0.25


class FadingCounts:
    """Counts by key; each halves every `half_life` seconds."""

    def __init__(self, half_life: float = HALF_LIFE) -> None:
        self._half_life = half_life
        self._counts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def get(self, key: str, now: float) -> float:
        """What is left of the count by now."""
        count, at = self._counts.get(key, (0.0, now))
        return float(count * 0.5 ** ((now - at) / self._half_life))

    def add(self, key: str, now: float) -> None:
        """Count one more."""
        self._counts[key] = (min(self.get(key, now) + 1.0, MOST), now)
        self._counts.move_to_end(key)
        if len(self._counts) > BOUND:
            self._counts.popitem(last=False)

    def take_back(self, key: str, now: float) -> None:
        """Count one less: what was counted did not happen."""
        if key in self._counts:
            self._counts[key] = (max(self.get(key, now) - 1.0, 0.0), now)

    @contextmanager
    def counting(self, key: str, limit: int, refusal: Exception) -> Iterator[None]:
        """Count what is done meanwhile, from now on, so that many at once do not slip through. If it fails, it does not
        count. Raises `refusal` if there were so many already; a limit of 0 is none."""
        now = time.monotonic()
        if limit and self.get(key, now) > limit - 0.5:  # what was counted a moment ago has faded a little already
            raise refusal
        self.add(key, now)
        try:
            yield
        except BaseException:
            self.take_back(key, time.monotonic())
            raise

    def __len__(self) -> int:
        return len(self._counts)


class LoginThrottle:
    """How long answers to login attempts are delayed. A server has one."""

    def __init__(self) -> None:
        self._networks = FadingCounts()
        self._accounts = FadingCounts()

    def delay(self, peer: str, account: str | None, now: float) -> float:
        """Seconds to wait: 0 without failures, else twice as long after each one of the network, or of the account if
        it is about one."""
        failures = self._networks.get(network(peer), now)
        if account is not None:
            failures = max(failures, self._accounts.get(account, now))
        return FIRST_DELAY * 2.0**failures if failures >= 0.5 else 0.0

    def failed(self, peer: str, account: str | None, now: float) -> None:
        """Count a failure against the network, and the account if it is about one."""
        self._networks.add(network(peer), now)
        if account is not None:
            self._accounts.add(account, now)
