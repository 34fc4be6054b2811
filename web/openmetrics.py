"""The text in which figures are told to Prometheus and its like: OpenMetrics 1.0, and the format 0.0.4 before it.

https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from xmpp.running.durations import BOUNDS, Durations

OPENMETRICS = "application/openmetrics-text"
TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
OLDER_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Figure = tuple[float, Labels]


@dataclass(frozen=True)
class Sample:
    """One figure. `suffix` is what its name has behind the name of its family."""

    value: float
    labels: Labels
    suffix: str = ""


@dataclass(frozen=True)
class Family:
    """Figures of one kind. `name` is without the suffix of counters, and ends with the unit if there is one."""

    name: str
    type: str
    help: str
    samples: Sequence[Sample]
    unit: str = ""


def gauge(name: str, help: str, *figures: Figure, unit: str = "") -> Family:
    """What goes up and down."""
    return Family(name, "gauge", help, [Sample(value, labels) for value, labels in figures], unit)


def counter(name: str, help: str, *figures: Figure, unit: str = "") -> Family:
    """What only goes up, until the server starts anew."""
    return Family(name, "counter", help, [Sample(value, labels, "_total") for value, labels in figures], unit)


def histogram(name: str, help: str, durations: Durations) -> Family:
    """Durations by classes, each with all that were shorter."""
    totals = list(accumulate(durations.counts))
    bounds = [*map(_number, BOUNDS), "+Inf"]
    buckets = [Sample(total, {"le": bound}, "_bucket") for bound, total in zip(bounds, totals, strict=True)]
    ends = [Sample(totals[-1], {}, "_count"), Sample(durations.sum, {}, "_sum")]
    return Family(name, "histogram", help, buckets + ends, "seconds")


def text(families: Iterable[Family]) -> str:
    """The families as OpenMetrics."""
    return "".join(f"{line}\n" for family in families for line in _lines(family)) + "# EOF\n"


def older_text(families: Iterable[Family]) -> str:
    """The families in the format 0.0.4, for those who do not ask for the newer one."""
    return "".join(f"{line}\n" for family in families for line in _older_lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# TYPE {family.name} {family.type}"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {_escaped(family.help)}"
    yield from _samples(family)


def _older_lines(family: Family) -> Iterator[str]:
    name = f"{family.name}_total" if family.type == "counter" else family.name  # there it is the name of its samples
    yield f"# HELP {name} {_escaped(family.help)}"
    yield f"# TYPE {name} {family.type}"
    yield from _samples(family)


def _samples(family: Family) -> Iterator[str]:
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
        braced = f"{{{labels}}}" if labels else ""
        yield f"{family.name}{sample.suffix}{braced} {_number(sample.value)}"


def _number(value: float) -> str:
    return repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
