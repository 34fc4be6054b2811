"""What nobody catches is a line of the log, and the same traceback is not written without end."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from tests.harness.servers import PATIENCE, ROOT
from xmpp.running.uncaught import SECONDS, TIMES, RepeatedTracebacks

PATCHED = "from gevent import monkey; monkey.patch_all()\nfrom xmpp.running.logs import start_logging\n"
WAYS = {
    "in a greenlet": "import gevent; gevent.spawn(fail).join()",
    "in a callback of the loop": "import gevent; gevent.get_hub().loop.run_callback(fail); gevent.sleep(0.01)",
    "in a thread": "import threading; thread = threading.Thread(target=fail); thread.start(); thread.join()",
    "in a thread of the system's": (
        "from gevent.threadpool import ThreadPoolExecutor\n"
        "import gevent\n"
        "def spawn(): gevent.spawn(fail).join()\n"
        "ThreadPoolExecutor(1).submit(spawn).result()"
    ),
    "where nothing can be raised": "class Gone:\n    def __del__(self): fail()\nGone()",
}
ODD = """
class Odd(Exception):
    def __repr__(self): fail()
def fail_oddly(): raise Odd("wherefore")
"""


def logged(style: str, script: str) -> list[str]:
    """The lines on standard error of a program that logs in this style."""
    program = f"{PATCHED}start_logging({style!r}, 'info')\ndef fail(): raise ValueError('wherefore')\n{script}\n"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.stderr.splitlines()


@pytest.mark.parametrize("script", WAYS.values(), ids=WAYS)
def test_what_nobody_catches_is_one_line_of_json(script: str) -> None:
    [line] = logged("json", script)
    entry = json.loads(line)
    assert entry["logger"] == "uncaught"
    assert "wherefore" in entry["message"]
    assert "in fail" in entry["traceback"]


@pytest.mark.parametrize("script", WAYS.values(), ids=WAYS)
def test_what_nobody_catches_is_a_line_of_text_and_a_traceback_below(script: str) -> None:
    line, below, *_ = logged("text", script)
    assert " uncaught: " in line and "wherefore" in line
    assert below == "Traceback (most recent call last):"


def test_what_cannot_be_shown_is_logged_all_the_same() -> None:
    [line] = logged("json", f"{ODD}\nimport gevent; gevent.spawn(fail_oddly).join()")
    entry = json.loads(line)
    assert entry["message"].endswith(" failed: a Odd")
    assert "in fail_oddly" in entry["traceback"]


def test_of_what_an_exception_is_about_little_is_shown() -> None:
    script = "def fail_at_length(): raise ValueError('x' * 10_000)\nimport gevent; gevent.spawn(fail_at_length).join()"
    [line] = logged("json", script)
    assert 100 < len(json.loads(line)["message"]) < 1_000


@pytest.mark.parametrize("style", ["json", "text"])
def test_secrets_are_taken_out_of_what_nobody_catches(style: str) -> None:
    lines = logged(style, "password = 'open sesame'\nraise ValueError(f'{password=}')")
    assert "sesame" not in "".join(lines) and "password=[removed]" in "".join(lines)


def test_the_same_again_and_again_is_logged_a_few_times() -> None:
    lines = logged("json", "import gevent\nfor _ in range(20): gevent.spawn(fail).join()")
    assert len(lines) == TIMES


class Failures:
    """Failures at certain moments, and what the filter lets pass of them."""

    def __init__(self) -> None:
        self._filter = RepeatedTracebacks()

    def at(self, now: float, error: type[Exception] = ValueError, about: str = "it") -> str | None:
        try:
            raise error
        except Exception:
            return self.log(now, about, exc_info=sys.exc_info())

    def log(self, now: float, about: str, exc_info: Any) -> str | None:
        record = logging.LogRecord("test", logging.ERROR, __file__, 1, "%s failed", (about,), exc_info)
        record.created = now
        return record.getMessage() if self._filter.filter(record) else None


def test_a_few_tracebacks_of_a_kind_pass_in_a_minute_and_the_others_are_counted() -> None:
    failures = Failures()
    said = [failures.at(number / 100, about=f"peer {number}") for number in range(100)]
    assert said == [f"peer {number} failed" for number in range(TIMES)] + [None] * (100 - TIMES)
    later = 2 * SECONDS
    assert failures.at(later) == f"it failed (and {100 - TIMES} times more since it was last said)"
    assert failures.at(later) == "it failed"


def test_tracebacks_of_another_kind_pass_meanwhile() -> None:
    failures = Failures()
    for _ in range(100):
        failures.at(0)
    assert failures.at(0, error=KeyError) == "it failed"


def test_what_has_no_traceback_always_passes() -> None:
    failures = Failures()
    assert all(failures.log(0, "it", exc_info=None) for _ in range(100))


def test_the_kinds_that_are_remembered_have_a_limit() -> None:
    failures = Failures()
    for number in range(1000):
        kind = type(f"Error{number}", (Exception,), {})
        assert failures.at(0, error=kind) == "it failed"
    assert len(failures._filter._seen) < 1000
