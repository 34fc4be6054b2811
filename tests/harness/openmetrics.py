"""A strict reader of OpenMetrics 1.0: whatever the text must not contain is an error."""

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
ESCAPED = r'(?:[^"\\\n]|\\[\\"n])*'
NUMBER = r"(?:[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[+-]Inf|NaN)"
LABELS = rf'{NAME}="{ESCAPED}"(?:,{NAME}="{ESCAPED}")*'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABELS})\}})? ({NUMBER})")
LABEL = re.compile(rf'({NAME})="({ESCAPED})"')
DESCRIPTION = re.compile(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)")
SUFFIXES = {"gauge": {""}, "counter": {"_total"}, "histogram": {"_bucket", "_count", "_sum"}}

Labels = tuple[tuple[str, str], ...]


@dataclass
class Read:
    """A family that was read."""

    name: str
    described: dict[str, str] = field(default_factory=dict)
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


def read(text: str) -> dict[str, Read]:
    """The families by name. Raises ValueError, with the line at which the text is no OpenMetrics."""
    *lines, end, nothing = text.split("\n")
    if (end, nothing) != ("# EOF", ""):
        raise ValueError("it ends with something else than # EOF")
    families: dict[str, Read] = {}
    family: Read | None = None
    for line in lines:
        if found := DESCRIPTION.fullmatch(line):
            what, name, said = found.groups()
            if family is None or family.name != name:
                if name in families:
                    raise ValueError(f"{line}: its family stands in two places")
                family = families[name] = Read(name)
            if what in family.described or family.samples:
                raise ValueError(f"{line}: said twice, or behind its samples")
            family.described[what] = said
        elif family is not None and (sample := SAMPLE.fullmatch(line)):
            _take(family, line, *sample.groups())
        else:
            raise ValueError(f"{line}: no line of OpenMetrics")
    for each in families.values():
        _check(each)
    return families


def _take(family: Read, line: str, name: str, labels: str | None, number: str) -> None:
    kind = family.described.get("TYPE", "")
    suffix = name.removeprefix(family.name)
    if not name.startswith(family.name) or suffix not in SUFFIXES.get(kind, ()):
        raise ValueError(f"{line}: no sample of the {kind} {family.name}")
    pairs = tuple((found[1], found[2]) for found in LABEL.finditer(labels or ""))
    if len(dict(pairs)) < len(pairs) or (suffix, pairs) in family.samples:
        raise ValueError(f"{line}: twice the same")
    value = float(number)
    if kind != "gauge" and not value >= 0:
        raise ValueError(f"{line}: what only goes up is less than nothing")
    family.samples[suffix, pairs] = value


def _check(family: Read) -> None:
    unit = family.described.get("UNIT")
    if unit and not family.name.endswith(f"_{unit}"):
        raise ValueError(f"{family.name}: the name does not end with the unit")
    if family.name.endswith("_total"):
        raise ValueError(f"{family.name}: the name of a family has no _total")
    if family.described.get("TYPE") == "histogram":
        _check_histogram(family)


def _check_histogram(family: Read) -> None:
    buckets = [(dict(labels)["le"], value) for (suffix, labels), value in family.samples.items() if suffix == "_bucket"]
    bounds, counts = [float(bound) for bound, _ in buckets], [count for _, count in buckets]
    if bounds != sorted(set(bounds)) or bounds[-1:] != [float("inf")] or counts != sorted(counts):
        raise ValueError(f"{family.name}: its buckets do not go up to +Inf")
    if family.samples.get(("_count", ())) != counts[-1] or ("_sum", ()) not in family.samples:
        raise ValueError(f"{family.name}: its count or its sum is missing or wrong")
