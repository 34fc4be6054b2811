"""The tables: on the terminal, and as Markdown in docs/performance.md."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.growth import Series
from bench.hostile import Result
from bench.measure import NOISE_PERCENT, Measurement, medians
from bench.rows import Figure, Verdict

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
MISSED, NOISY = "missed by", "(noisy)"
NOTHING = "-"


@dataclass
class Outcome:
    """All that a run came to."""

    conditions: list[str]
    servers: list[str]
    """In the order of their columns."""
    measurements: list[Measurement] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    hostile: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What could not be measured though it should; a missed mark is none."""


@dataclass(frozen=True)
class Sheet:
    """A table of texts."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def sheets(outcome: Outcome) -> Iterator[Sheet]:
    """The tables that there is something for."""
    if outcome.measurements:
        columns: tuple[str, ...] = ("work", *outcome.servers, "reach")
        yield Sheet("Server CPU per operation, and memory", columns, tuple(_row_lines(outcome)))
    if outcome.series:
        columns = ("cost of", "server", "at", "reach")
        yield Sheet("Growth", columns, tuple(_growth_line(each) for each in outcome.series))
    if outcome.hostile:
        columns = ("meanwhile", "p50", "p99", "most memory", "reach")
        yield Sheet("Slow and hostile clients", columns, tuple(_hostile_line(each) for each in outcome.hostile))


def show(outcome: Outcome, console: Console) -> None:
    """Print everything."""
    for sentence in _sentences(outcome):
        console.print(Text(sentence))
    for sheet in sheets(outcome):
        table = Table(title=sheet.title, title_justify="left", show_lines=True)
        for column in sheet.columns:
            table.add_column(column, overflow="fold")
        for line in sheet.lines:
            table.add_row(*(Text(text, style="red" if MISSED in text else "") for text in line))
        console.print(table)
    for failure in outcome.failures:
        console.print(Text(f"FAILED: {failure}", style="red"))


def markdown(outcome: Outcome, chart: str | None) -> str:
    """Conditions, tables and the chart, which is a path as seen from the page."""
    parts = ["\n".join(_sentences(outcome))]
    for sheet in sheets(outcome):
        parts += [f"### {sheet.title}", _markdown_table(sheet)]
    if chart:
        parts.append(f"![Growth: what a message and a login cost, by size]({chart})")
    return "\n\n".join(parts)


def write(page: Path, text: str) -> None:
    """Put the text between the page's two marker comments; all around them stays."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} lacks the comments {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _sentences(outcome: Outcome) -> list[str]:
    if not any(each.is_noisy for each in outcome.measurements):
        return outcome.conditions
    warning = f"{NOISY}: something else used more than {NOISE_PERCENT:.0f} % of a core meanwhile; not worth much."
    return [*outcome.conditions, warning]


def _row_lines(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    found = {(each.row.name, each.server): each for each in outcome.measurements}
    known = medians(outcome.measurements)
    for row in {each.row.name: each.row for each in outcome.measurements}.values():
        cells = (_cell(found.get((row.name, server))) for server in outcome.servers)
        yield (row.title, *cells, _reached(row.verdicts(known)))


def _cell(measurement: Measurement | None) -> str:
    if measurement is None:
        return NOTHING
    if not measurement.runs:
        return "failed"
    texts = (_figure(figure, measurement.values(figure)) for figure in measurement.row.figures)
    return "; ".join(texts) + (f" {NOISY}" if measurement.is_noisy else "")


def _figure(figure: Figure, values: Sequence[float]) -> str:
    text = figure.text(statistics.median(values))
    if len(values) == 1:
        return text
    return f"{text} ({values[0]:,.{figure.digits}f}..{values[-1]:,.{figure.digits}f})"


def _growth_line(series: Series) -> tuple[str, ...]:
    points = ", ".join(f"{size:,}: {cost:.{1 if series.unit == 'us' else 2}f}" for size, cost in series.points)
    return series.title, series.server, f"{points} {series.unit}", _reached([series.verdict()])


def _hostile_line(result: Result) -> tuple[str, ...]:
    verdict = Verdict(f"p99 at most {result.mark_ms:g} ms", result.p99_ms / result.mark_ms - 1)
    memory = f"{result.rss_mib:.0f} MiB, before {result.rss_before_mib:.0f}"
    return result.name, f"{result.p50_ms:.1f} ms", f"{result.p99_ms:.1f} ms", memory, _reached([verdict])


def _reached(verdicts: Sequence[Verdict] | Iterator[Verdict]) -> str:
    return "; ".join(f"{each.text}: {_in_words(each)}" for each in verdicts) or NOTHING


def _in_words(verdict: Verdict) -> str:
    return "hit" if verdict.is_hit else f"{MISSED} {verdict.missed_by:.0%}"


def _markdown_table(sheet: Sheet) -> str:
    head = [sheet.columns, tuple("---" for _ in sheet.columns)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [*head, *sheet.lines])
