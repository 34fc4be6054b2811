"""Clients inside this process, where a run of the load generator by itself would not tell what is wanted: sessions
that are only there, logins of few accounts many times over, the first login after a start."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import xmppload
from bench.measure import PATIENCE, LoadFailed
from bench.stage import Running

AT_ONCE = 16  # logins under way


@contextmanager
def idle_sessions(running: Running, first: int, count: int) -> Iterator[None]:
    """Sessions of as many accounts, from number `first` on, that are online and silent. Raises LoadFailed."""
    with _loop(running, "idle") as loop:
        loop.login([f"u{number}" for number in range(first, first + count)], AT_ONCE)
        yield


def login_ms(running: Running, accounts: int, rounds: int) -> float:
    """Server CPU for a login by SCRAM with roster and presence, and its logout; all accounts, that many times.

    Raises LoadFailed.
    """
    server = xmppload.Server(list(running.pids))
    before = server.cpu()
    salted: dict[Any, bytes] = {}
    for _ in range(rounds):
        with _loop(running, "connect", "--mech", "SCRAM-SHA-1") as loop:
            loop.salted = salted  # as a client that keeps its salted password
            loop.login([f"u{number}" for number in range(accounts)], AT_ONCE)
    used: float = server.cpu() - before
    return 1000 * used / (rounds * accounts)


def log_in_over_tls(running: Running) -> None:
    """Log one client in by STARTTLS and SCRAM. Raises LoadFailed."""
    with _loop(running, "connect", "--tls", "--mech", "SCRAM-SHA-1") as loop:
        loop.login(["u0"], 1)


@contextmanager
def _loop(running: Running, *arguments: str) -> Iterator[Any]:
    options = xmppload.parser().parse_args([*arguments, "--port", str(running.port), *PATIENCE])
    loop = xmppload.Loop(options)
    try:
        yield loop
    except xmppload.Fail as failure:
        raise LoadFailed(f"{running.server.name}: {failure}") from failure
    finally:
        loop.close()
