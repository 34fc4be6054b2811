"""Figures as text: OpenMetrics, and the format before it."""

import pytest

from tests.harness.openmetrics import read
from web.openmetrics import counter, gauge, histogram, older_text, text
from xmpp.running.durations import Durations

AWKWARD = 'a "quoted" back\\slash\nand a line'


def durations(*seconds: float) -> Durations:
    noted = Durations()
    for each in seconds:
        noted.note(each)
    return noted


FAMILIES = [
    gauge("xserv_sessions", "Sessions.", (3, {"state": "connected"}), (0, {"state": "hibernating"})),
    counter("xserv_logins", "Logins.", (7, {"result": AWKWARD})),
    counter("process_cpu_seconds", "Processor time.", (1.5, {}), unit="seconds"),
    gauge("xserv_nothing", "Nothing of this is there."),
    histogram("xserv_delay_seconds", "Delays.", durations(0.0005, 0.001, 0.0011, 0.3, 99.0)),
]


def test_figures_are_told_as_openmetrics() -> None:
    families = read(text(FAMILIES))
    assert families["xserv_sessions"].samples == {
        ("", (("state", "connected"),)): 3,
        ("", (("state", "hibernating"),)): 0,
    }
    assert families["process_cpu_seconds"].samples == {("_total", ()): 1.5}
    assert families["process_cpu_seconds"].described == {
        "TYPE": "counter",
        "UNIT": "seconds",
        "HELP": "Processor time.",
    }
    assert families["xserv_nothing"].samples == {}
    ((_, labels),) = families["xserv_logins"].samples
    assert labels == (("result", r"a \"quoted\" back\\slash\nand a line"),)


def test_a_class_of_a_histogram_has_all_that_were_shorter() -> None:
    samples = read(text(FAMILIES))["xserv_delay_seconds"].samples
    by_bound = {dict(labels)["le"]: value for (suffix, labels), value in samples.items() if suffix == "_bucket"}
    assert [by_bound[each] for each in ("0.001", "0.0025", "0.25", "0.5", "10.0", "+Inf")] == [2, 3, 3, 4, 4, 5]
    assert samples["_sum", ()] == pytest.approx(99.3026)


def test_the_format_before_openmetrics_names_counters_by_their_samples() -> None:
    told = older_text(FAMILIES).splitlines()
    assert "# TYPE process_cpu_seconds_total counter" in told
    assert "process_cpu_seconds_total 1.5" in told
    assert not [line for line in told if line.startswith(("# UNIT", "# EOF"))]


@pytest.mark.parametrize(
    "wrong",
    [
        "# TYPE a gauge\na 1\n",
        "# TYPE a gauge\na 1\n# EOF",
        "a 1\n# EOF\n",
        "# TYPE a counter\na 1\n# EOF\n",
        "# TYPE a_total counter\n# EOF\n",
        "# TYPE a counter\na_total -1\n# EOF\n",
        "# TYPE a gauge\na{b='c'} 1\n# EOF\n",
        '# TYPE a gauge\na{b="\\c"} 1\n# EOF\n',
        '# TYPE a gauge\na{b="c"} 1\na{b="c"} 2\n# EOF\n',
        "# TYPE a gauge\na one\n# EOF\n",
        "# TYPE a gauge\n# TYPE b gauge\n# TYPE a gauge\n# EOF\n",
        "# TYPE a gauge\n\n# EOF\n",
        "# TYPE a gauge\n# UNIT a seconds\n# EOF\n",
        '# TYPE a histogram\na_bucket{le="1.0"} 1\na_count 1\na_sum 1\n# EOF\n',
        '# TYPE a histogram\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\na_count 1\na_sum 1\n# EOF\n',
        '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_count 2\na_sum 1\n# EOF\n',
    ],
)
def test_the_reader_of_these_tests_is_strict(wrong: str) -> None:
    with pytest.raises(ValueError):
        read(wrong)
