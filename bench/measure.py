"""Runs rows on servers, and keeps what came out."""

import json
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from bench import domainload, fileload, loginload
from bench.process import StartFailed
from bench.rows import ENCRYPTED, Figure, Medians, Row
from bench.servers import ROOT, Server
from bench.stage import Notice, Running, Stage

NOISE_PERCENT = 20.0
"""Of a core, used by anything but the server and the load: more, and the figures are not worth much."""

XMPPLOAD = ROOT / "bench" / "xmppload.py"

# An archive with a commit for each copy takes seconds for all that is under way at once.
PATIENCE = ("--stall", "180")


class LoadFailed(Exception):
    """The load generator has no figures; the text says why."""


@dataclass(frozen=True)
class Effort:
    """How long and how much is measured."""

    name: str
    seconds: float
    archive_seconds: float
    """Where there is an archive: some servers do a few hundred messages a second then, of 800 that are on their way."""
    warmup: float
    most_seconds: float
    """A load that takes longer is given up: Prosody needs many minutes to fill a room of 5,000."""
    repeats: int
    accounts: int
    settle_seconds: float
    """How long idle sessions are left alone before memory is read."""
    sizes: Mapping[str, tuple[str, ...]]
    """What replaces a row's own numbers, by sub-command of the load generator."""
    idle_sessions: tuple[int, ...]
    database_accounts: tuple[int, ...]
    roster_contacts: tuple[int, ...]

    def arguments(self, row: Row) -> list[str]:
        """The load generator's arguments for a row; of an option that is given twice, the last counts."""
        return self._arguments(row.load, row.has_archive)

    def arguments_before(self, row: Row) -> list[str]:
        """The same for what is done with an earlier process."""
        return self._arguments(row.before, row.has_archive)

    def _arguments(self, words: tuple[str, ...], has_archive: bool) -> list[str]:
        command, *options = words
        settle = ["--settle", str(self.settle_seconds)] if command in ("idle", "muc-idle", "domains") else []
        return [command, *settle, *options, *self.timing(has_archive), *self.sizes.get(command, ())]

    def timing(self, has_archive: bool = False) -> list[str]:
        """How long a load runs, and how long before it counts."""
        seconds = self.archive_seconds if has_archive else self.seconds
        return ["--duration", str(seconds), "--warmup", str(self.warmup), *PATIENCE]


SMOKE = Effort(
    name="smoke",
    seconds=0.5,
    archive_seconds=0.5,
    warmup=0.1,
    most_seconds=60,
    repeats=1,
    accounts=60,
    settle_seconds=0.5,
    sizes={
        "throughput": ("--pairs", "5"),
        "connect": ("--clients", "20"),
        "upload": ("--size", "200000"),
        "download": ("--size", "200000"),
        "presence": ("--contacts", "10"),
        "idle": ("--clients", "50"),
        "domains": ("--domains", "20"),
        "muc": ("--occupants", "10"),
        "muc-join": ("--occupants", "10", "--newcomers", "3"),
        "muc-make": ("--members", "20"),
        "muc-many": ("--rooms", "6", "--clients", "20"),
        "muc-idle": ("--rooms", "6", "--clients", "20", "--before", "2"),
    },
    idle_sessions=(50,),
    database_accounts=(100,),
    roster_contacts=(20,),
)
SHORT = Effort(
    name="short",
    seconds=3,
    archive_seconds=15,
    warmup=1,
    most_seconds=300,
    repeats=1,
    accounts=5000,
    settle_seconds=10,
    sizes={},
    idle_sessions=(10, 100, 1000, 5000),
    database_accounts=(10, 1000, 100_000),
    roster_contacts=(10, 100, 1000),
)
LONG = replace(SHORT, name="long", seconds=4, archive_seconds=20, most_seconds=1_800, repeats=3, settle_seconds=60)


@dataclass(frozen=True)
class Measurement:
    """What a row came to on a server; without runs where it failed."""

    row: Row
    server: str
    runs: tuple[Mapping[str, float], ...]
    failure: str = ""

    def values(self, figure: Figure) -> list[float]:
        """A figure of each run, in its unit, the smallest first."""
        return sorted(run[figure.key] * figure.factor for run in self.runs)

    @property
    def is_noisy(self) -> bool:
        """Whether something else used the machine meanwhile."""
        return any(run.get("other_load_percent", 0) > NOISE_PERCENT for run in self.runs)


def measure(
    stage: Stage, rows: Iterable[Row], servers: Sequence[Server], effort: Effort, notice: Notice
) -> Iterator[Measurement]:
    """Run each row on all servers in turn, so that whatever drifts on this machine hits all alike."""
    for _, alike in groupby(rows, measured_alike):
        row, *others = alike
        able = [server for server in servers if row.needs <= server.offers]
        runs: dict[str, list[Mapping[str, float]]] = {server.name: [] for server in able}
        failures = dict[str, str]()
        for repeat in range(effort.repeats):
            for server in able:
                notice(f"{row.title}: {server.name}" + (f", {repeat + 1} of {effort.repeats}" if repeat else ""))
                try:
                    runs[server.name].append(_run(stage, row, server, effort))
                except (StartFailed, LoadFailed) as failure:
                    failures[server.name] = str(failure)
        for each in (row, *others):
            for name, done in runs.items():
                yield Measurement(each, name, tuple(done), failures.get(name, ""))


def measured_alike(row: Row) -> object:
    """What rows have in common that one run has the figures for."""
    return row.before, row.load, row.needs, row.over_websocket, row.over_links


def medians(measurements: Iterable[Measurement]) -> Medians:
    """The median of each figure that was measured."""
    return {
        (each.server, each.row.name, figure.key): statistics.median(each.values(figure))
        for each in measurements
        if each.runs
        for figure in each.row.figures
    }


def load(
    stage: Stage,
    running: Running,
    arguments: Sequence[str],
    most_seconds: float | None = None,
    *,
    over_websocket: bool = False,
) -> Mapping[str, Any]:
    """Run the load generator against a server for so long at most; returns its figures. Raises LoadFailed."""
    port = running.http_port if over_websocket else running.port
    server = ["--port", str(port), *(word for pid in running.pids for word in ("--server-pid", str(pid)))]
    script = ["-m", "bench.websocketload"] if over_websocket else [str(XMPPLOAD)]
    if arguments[0] in fileload.LOADS:
        script = ["-m", "bench.fileload"]
        server += ["--http-port", str(running.http_port)]
    elif loginload.OPTION in arguments:
        script = ["-m", "bench.loginload"]
    elif arguments[0] in domainload.LOADS:
        assert running.world is not None and running.others is not None
        script = ["-m", "bench.domainload"]
        server += ["--domain", running.domain, "--server-port", str(running.others.server_port)]
        server += domainload.announced(running.world, arguments)
    elif running.far is not None:
        far = running.far
        script = ["-m", "bench.linkload", "--far-port", str(far.port), "--far-domain", far.domain]
        script += ["--far-pid", str(far.pids[0])]
        server += ["--domain", running.domain]
    try:
        done = stage.run_load(*script, *arguments, *server, "--json", most_seconds=most_seconds)
    except subprocess.TimeoutExpired as late:
        raise LoadFailed(f"{running.server.name}: not done after {late.timeout:.0f} s") from late
    if done.returncode:
        raise LoadFailed(f"{running.server.name}: {done.stderr.strip() or f'status {done.returncode}'}")
    figures: Mapping[str, Any] = json.loads(done.stdout)["figures"]
    return figures


def _run(stage: Stage, row: Row, server: Server, effort: Effort) -> Mapping[str, float]:
    def before(earlier: Running) -> object:
        return load(stage, earlier, effort.arguments_before(row), effort.most_seconds)

    arguments, seconds = effort.arguments(row), effort.most_seconds
    if row.over_links:
        is_alone, has_tls = row.load[0] in domainload.LOADS, row.over_links == ENCRYPTED
        with stage.linked(server, effort.accounts, has_tls=has_tls, is_alone=is_alone) as running:
            return load(stage, running, arguments, seconds)
    with stage.running(
        server, effort.accounts, has_archive=row.has_archive, before=before if row.before else None
    ) as running:
        return load(stage, running, arguments, seconds, over_websocket=row.over_websocket)
