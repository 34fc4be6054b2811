"""The behaviour as dialogues: every script in spec/ against a running server, plain and over STARTTLS with SCRAM.

Each script gets fresh accounts, and they are removed after it, so that no dialogue depends on another.
"""

from pathlib import Path

import pytest

from tests import scsrun
from tests.servers import ROOT, RunningServer

SCRIPTS = sorted((ROOT / "spec").glob("**/*.scs"))
WAYS = {"plain": [], "starttls": ["--tls", "starttls", "--mech", "SCRAM-SHA-256"]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT / "spec")))
def test_dialogue(demo: RunningServer, script: Path, way: str) -> None:
    options = scsrun.arguments(
        ["--port", str(demo.port), "--register", "--pedantic", "--no-leftovers", "--sync", *WAYS[way], str(script)]
    )
    runner = scsrun.Runner(options)
    try:
        result = runner.run_script(script.read_text(encoding="utf-8"), str(script))
    finally:
        runner.unregister()
    assert result.ok, "\n".join([f"line {result.line}: {result.headline}", *result.details])


def test_there_are_dialogues() -> None:
    assert SCRIPTS
