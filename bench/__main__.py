"""`make bench`: xserv measured beside the floor and, where they are installed, Prosody and ejabberd."""

import signal
import sys
from collections.abc import Iterator
from types import FrameType

import click
from rich.console import Console

from bench.chart import NoChart, draw
from bench.conditions import conditions
from bench.growth import GROWTH, Growing, can_be_measured
from bench.hostile import FEW, ScenarioFailed, scenarios
from bench.hostile_clients import ATTACKS
from bench.measure import LONG, SHORT, SMOKE, Effort, LoadFailed, Measurement, measure
from bench.peers import Ejabberd, Prosody
from bench.process import StartFailed, raise_file_limit
from bench.report import Outcome, markdown, show, write
from bench.rows import ROWS
from bench.servers import ROOT, Compiled, Floor, Server, XServ
from bench.stage import Notice, Stage

PAGE, CHART = ROOT / "docs" / "performance.md", "performance-growth.svg"
SERVERS: tuple[Server, ...] = (XServ(), Floor(), Ejabberd(), Prosody())
BY_NAME = {server.name: server for server in SERVERS}
COMPILED = Compiled()
HOSTILE = "hostile"
NAMES = (*(row.name for row in ROWS), *GROWTH, HOSTILE)
CANNOT_MEASURE = (StartFailed, LoadFailed, ScenarioFailed)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--smoke", "effort", flag_value="smoke", help="See whether it works, in a few minutes; the figures say little."
)
@click.option("--short", "effort", flag_value="short", default="short", help="Half an hour or more; the default.")
@click.option("--long", "effort", flag_value="long", help="Three repeats: the figures to publish.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Only this; can be repeated.")
@click.option("--server", "chosen", multiple=True, type=click.Choice(BY_NAME), help="Only this; can be repeated.")
@click.option("--compiled", "with_compiled", is_flag=True, help="Also what `make compiled` has made.")
@click.option("--write", "is_written", is_flag=True, help="Put tables and chart into docs/performance.md.")
def main(effort: str, only: tuple[str, ...], chosen: tuple[str, ...], with_compiled: bool, is_written: bool) -> None:
    """Measure this server and others, and say which marks are reached.

    The exit status is 1 if something could not be measured. A missed mark is no failure.
    """
    if is_written and (only or chosen):
        raise click.UsageError("--write takes a whole run, without --only and --server.")
    if with_compiled and not COMPILED.is_installed():
        raise click.UsageError(f"There is nothing compiled of the sources as they are. {COMPILED.advice}")
    signal.signal(signal.SIGTERM, _interrupt)
    raise_file_limit()
    console = Console()
    chosen_effort = {"smoke": SMOKE, "short": SHORT, "long": LONG}[effort]
    servers = _servers(chosen_effort, chosen) + [COMPILED] * with_compiled
    outcome = _run(chosen_effort, only or NAMES, servers, console)
    show(outcome, console)
    if is_written:
        _publish(outcome, console)
    sys.exit(1 if outcome.failures else 0)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # as Ctrl-C: what was started is ended on the way out


def _servers(effort: Effort, chosen: tuple[str, ...]) -> list[Server]:
    """Those asked for, else all that are installed; for the shortest run only what comes with the project."""
    if chosen:
        return [BY_NAME[name] for name in chosen]
    return [each for each in SERVERS if each.is_installed() and (each.is_ours or effort is not SMOKE)]


def _run(effort: Effort, names: tuple[str, ...], servers: list[Server], console: Console) -> Outcome:
    def notice(text: str) -> None:
        console.print(text, style="dim", markup=False, highlight=False)

    with Stage.opened(notice) as stage:
        outcome = Outcome(list(conditions(servers, effort, stage.cores)), [server.name for server in servers])
        for measurement in measure(stage, [row for row in ROWS if row.name in names], servers, effort, notice):
            outcome.measurements.append(measurement)
            outcome.failures += _failure(measurement)
        _measure_growth(outcome, Growing(stage, effort, notice), names, servers)
        if HOSTILE in names:
            _measure_hostile(outcome, stage, effort, notice)
        return outcome


def _failure(measurement: Measurement) -> Iterator[str]:
    if measurement.failure:
        yield f"{measurement.row.title}: {measurement.failure}"


def _measure_growth(outcome: Outcome, growing: Growing, names: tuple[str, ...], servers: list[Server]) -> None:
    for name in GROWTH:
        for server in servers:
            if name in names and can_be_measured(name, server):
                try:
                    outcome.series.append(growing.series(name, server))
                except CANNOT_MEASURE as failure:
                    outcome.failures.append(f"{name}: {failure}")


def _measure_hostile(outcome: Outcome, stage: Stage, effort: Effort, notice: Notice) -> None:
    """Our own server alone: what others do under attack is not for us to say."""
    try:
        with stage.running(XServ(has_rate_limit=True), effort.accounts, has_archive=True) as running:
            for result in scenarios(running, effort.seconds, FEW if effort is SMOKE else ATTACKS):
                notice(f"{HOSTILE}: {result.name}")
                outcome.hostile.append(result)
    except CANNOT_MEASURE as failure:
        outcome.failures.append(f"{HOSTILE}: {failure}")


def _publish(outcome: Outcome, console: Console) -> None:
    chart: str | None = CHART
    try:
        draw([each for each in outcome.series if each.limit is None], PAGE.with_name(CHART))
    except NoChart as reason:
        console.print(str(reason))
        chart = None
    write(PAGE, markdown(outcome, chart))
    console.print(f"{PAGE.relative_to(ROOT)} is written.")


if __name__ == "__main__":
    main(prog_name="bench")
