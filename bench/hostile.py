"""A slow or hostile client must not cost others: how late messages between two well-behaved ones are meanwhile."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.hostile_clients import ATTACKS, COME_BACK, OVER_HTTPS, READY

ROOT = Path(__file__).resolve().parent.parent
XMPPLOAD = Path(__file__).with_name("xmppload.py")
MARK_MS = 50.0
MARKS_MS = dict.fromkeys((COME_BACK, *OVER_HTTPS), 100.0)
QUIET = next(iter(ATTACKS))  # nobody is hostile: for comparison
FEW = (QUIET, "largest messages, to itself", "smallest presence")
"""To see whether it works."""
MESSAGES_PER_SECOND = 100
WARMUP_SECONDS = 0.5
GRACE_SECONDS = 60.0  # for logging in, and for what is late; then the hostile ones stop even if nobody ends them
RESET_PEAK = "5"  # proc(5), clear_refs
REST_PATIENCE_SECONDS = 30.0
REST_WINDOW_SECONDS = 0.5
REST_SHARE = 0.05  # of a core


class Server(Protocol):
    """A running server with the accounts u0 to u3, which takes logins by PLAIN without TLS on `port`."""

    @property
    def port(self) -> int: ...
    @property
    def tls_port(self) -> int: ...
    @property
    def pids(self) -> Sequence[int]: ...


@dataclass(frozen=True)
class Result:
    """What two well-behaved clients saw of one scenario, and the most memory that the server held meanwhile.

    The times are infinite where too few messages came, or none.
    """

    name: str
    p50_ms: float
    p99_ms: float
    rss_mib: float
    mark_ms: float = MARK_MS
    rss_before_mib: float = 0.0


class ScenarioFailed(Exception):
    """It could not be measured; says which and why."""


def scenarios(server: Server, seconds: float = 5.0, names: Iterable[str] = tuple(ATTACKS)) -> Iterator[Result]:
    """Measure one scenario after another, for so many seconds each. Raises ScenarioFailed."""
    for name in names:
        _wait_until_at_rest(server)
        before = _memory_mib(server, "VmRSS")
        _reset_peak(server)
        port = server.tls_port if name in OVER_HTTPS else server.port
        with _hostile_clients(name, port, seconds + GRACE_SECONDS) as clients:
            figures = _latency(name, server.port, seconds)
            if clients.poll() is not None:
                raise ScenarioFailed(f"{name}: the hostile clients gave up")
        peak = _memory_mib(server, "VmHWM")
        times = figures["latency_ms_p50"], figures["latency_ms_p99"]
        yield Result(name, *times, peak, MARKS_MS.get(name, MARK_MS), rss_before_mib=before)


@contextmanager
def _hostile_clients(name: str, port: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The hostile ones at work, until the block is left."""
    command = [sys.executable, "-m", "bench.hostile_clients", name, str(port), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != READY:
                raise ScenarioFailed(f"{name}: the hostile clients could not begin")
            yield process
        finally:
            process.kill()


def _latency(name: str, port: int, seconds: float) -> dict[str, float]:
    """The figures of a pair that exchanges paced messages; never waits for one to be sent before the next."""
    command = [sys.executable, str(XMPPLOAD), "throughput", "--json", "--port", str(port)]
    command += ["--pairs", "1", "--rate", str(MESSAGES_PER_SECOND), "--window", "100000"]
    command += ["--warmup", str(WARMUP_SECONDS), "--duration", str(seconds)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        if name == QUIET:
            raise ScenarioFailed(f"{name}: {outcome.stderr.strip()}")
        return {"latency_ms_p50": math.inf, "latency_ms_p99": math.inf}
    figures: dict[str, float] = json.loads(outcome.stdout)["figures"]
    return figures


# -- the server's processes


def _wait_until_at_rest(server: Server) -> None:
    """Let it finish what the scenario before has left it with, so far as that ends soon."""
    give_up = time.monotonic() + REST_PATIENCE_SECONDS
    used = _cpu_seconds(server)
    while time.monotonic() < give_up:
        time.sleep(REST_WINDOW_SECONDS)
        before, used = used, _cpu_seconds(server)
        if used - before < REST_SHARE * REST_WINDOW_SECONDS:
            return


def _cpu_seconds(server: Server) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in server.pids]
    return sum(int(user) + int(system) for user, system in (each[11:13] for each in fields)) / os.sysconf("SC_CLK_TCK")


def _reset_peak(server: Server) -> None:
    for pid in server.pids:
        Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)


def _memory_mib(server: Server, what: str) -> float:
    return sum(_status_kib(pid, what) for pid in server.pids) / 1024


def _status_kib(pid: int, what: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{what}:")), 0)
