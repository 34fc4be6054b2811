"""What may grow with a server: a message's cost with sessions and contacts, a login's with accounts; and the start."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.clients import idle_sessions, log_in_over_tls, login_ms
from bench.measure import Effort, load
from bench.rows import MESSAGE, Verdict
from bench.servers import DOMAIN, Server, XServ
from bench.stage import Notice, Stage
from db.rosters import RosterItem
from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared

FLAT = 0.10
START_SECONDS = 1.0

ACTIVE = 10  # sessions that send and receive
MESSAGES = ("throughput", "--pairs", str(ACTIVE // 2), "--window", "16")
LOGGING_IN = 10  # accounts: there are no more in the smallest database
LOGINS_PER_SECOND_OF_EFFORT = 300

Cost = Callable[[int], float]


@dataclass(frozen=True)
class Series:
    """What something costs a server at growing sizes; at the last of them at most `limit`, or everywhere the same."""

    name: str
    title: str
    unit: str
    server: str
    points: tuple[tuple[int, float], ...]
    limit: float | None = None

    @property
    def growth(self) -> float:
        """How much more the dearest point costs than the first: 0.1 is a tenth more."""
        costs = [cost for _, cost in self.points]
        return max(costs) / costs[0] - 1

    def verdict(self) -> Verdict:
        """Whether it is as it should be."""
        if self.limit is None:
            return Verdict(f"{self.growth:+.0%}, flat within {FLAT:.0%}", self.growth - FLAT)
        return Verdict(f"at most {self.limit:g} {self.unit}", self.points[-1][1] / self.limit - 1)


GROWTH = ("growth-sessions", "growth-accounts", "growth-contacts", "start")


def can_be_measured(name: str, server: Server) -> bool:
    """What a database has to hold already is written there directly, which we can do with our own only."""
    return name == "growth-sessions" or isinstance(server, XServ)


@dataclass(frozen=True)
class Growing:
    """Runs measurements that make a series."""

    stage: Stage
    effort: Effort
    notice: Notice

    def series(self, name: str, server: Server) -> Series:
        """One of GROWTH on a server. Raises StartFailed and LoadFailed."""
        measured = {
            "growth-sessions": self._sessions,
            "growth-accounts": self._accounts,
            "growth-contacts": self._contacts,
            "start": self._start,
        }
        return measured[name](name, server)

    def _sessions(self, name: str, server: Server) -> Series:
        points = self._points(name, server, self.effort.idle_sessions, partial(self._message_among_sessions, server))
        return Series(name, "a message, by sessions online", "us", server.name, points)

    def _accounts(self, name: str, server: Server) -> Series:
        points = self._points(name, server, self.effort.database_accounts, partial(self._login_among, server))
        return Series(name, "a login, by accounts in the database", "ms", server.name, points)

    def _contacts(self, name: str, server: Server) -> Series:
        points = self._points(name, server, self.effort.roster_contacts, partial(self._message_with_roster, server))
        return Series(name, "a message, by contacts in each roster", "us", server.name, points)

    def _start(self, name: str, server: Server) -> Series:
        sizes = self.effort.database_accounts[-1:]
        points = self._points(name, server, sizes, partial(self._seconds_to_first_login, server))
        return Series(name, "`xserv run` until a login, by accounts", "s", server.name, points, START_SECONDS)

    def _points(self, name: str, server: Server, sizes: Sequence[int], cost: Cost) -> tuple[tuple[int, float], ...]:
        """The median at each size. All sizes take their turn before any comes again, so that drift hits all alike."""
        costs: dict[int, list[float]] = {size: [] for size in sizes}
        for _ in range(self.effort.repeats):
            for size in sizes:
                self.notice(f"{name}: {server.name}, {size:,}")
                costs[size].append(cost(size))
        return tuple((size, statistics.median(each)) for size, each in costs.items())

    def _message_among_sessions(self, server: Server, sessions: int) -> float:
        with (
            self.stage.running(server, self.effort.accounts) as running,
            idle_sessions(running, ACTIVE, sessions - ACTIVE),
        ):
            return MESSAGE.factor * float(load(self.stage, running, [*MESSAGES, *self.effort.timing()])[MESSAGE.key])

    def _message_with_roster(self, server: Server, contacts: int) -> float:
        fill = (f"{contacts}-contacts", partial(_write_rosters, contacts=contacts))
        with self.stage.running(server, self.effort.accounts, fill=fill) as running:
            return MESSAGE.factor * float(load(self.stage, running, [*MESSAGES, *self.effort.timing()])[MESSAGE.key])

    def _login_among(self, server: Server, accounts: int) -> float:
        rounds = max(1, round(self.effort.seconds * LOGINS_PER_SECOND_OF_EFFORT / LOGGING_IN))
        with self.stage.running(server, accounts) as running:
            return login_ms(running, LOGGING_IN, rounds)

    def _seconds_to_first_login(self, server: Server, accounts: int) -> float:
        assert isinstance(server, XServ)
        with self.stage.running(server, accounts, command=server.run_command) as running:
            log_in_over_tls(running)
            return time.monotonic() - running.begun


_INSERT_CONTACT = Prepared(
    RosterItem.insert(account=ANY, contact=ANY, name=ANY, groups=ANY, subscription=ANY, ask=ANY, approved=ANY)
)


def _write_rosters(data: Path, contacts: int) -> None:
    """Give the accounts that will talk so many contacts each, none of them online, who see their presence."""
    others = [f"u{ACTIVE + number}@{DOMAIN}" for number in range(contacts)]
    with Database(data / "xserv.db") as db:
        for number in range(ACTIVE):
            account = f"u{number}@{DOMAIN}"
            db.write_many(_INSERT_CONTACT, [(account, each, "", "[]", "from", False, False) for each in others])
