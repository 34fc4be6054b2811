"""The behaviour as dialogues: every script in spec/ against a running server, plain and over STARTTLS with SCRAM.

Each script gets fresh accounts, and they are removed after it, so that no dialogue depends on another.

The dialogues of the archive, which are those that cite XEP-0313, are with a server as it is shipped. All others are
with one without an archive: it would put a stanza-id into most of the messages in them. That one has external services,
and user search.
"""

from pathlib import Path
from typing import Any

import pytest

from tests import scsrun
from tests.servers import ROOT, RunningServer

SCRIPTS = sorted((ROOT / "spec").glob("**/*.scs"))
WAYS = {"plain": [], "starttls": ["--tls", "starttls", "--mech", "SCRAM-SHA-256"]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT / "spec")))
def test_dialogue(request: pytest.FixtureRequest, script: Path, way: str) -> None:
    text = script.read_text(encoding="utf-8")
    server: RunningServer = request.getfixturevalue("demo" if is_of_archive(text) else "demo_without_archive")
    options = scsrun.arguments(
        ["--port", str(server.port), "--register", "--pedantic", "--no-leftovers", "--sync", *WAYS[way], str(script)]
    )
    runner = scsrun.Runner(options)
    try:
        result = runner.run_script(text, str(script))
    finally:
        runner.unregister()
    assert result.ok, "\n".join([f"line {result.line}: {result.headline}", *result.details])


def is_of_archive(text: str) -> bool:
    """Whether the script cites XEP-0313 in the lines that begin with "##"."""
    tags: Any = scsrun.parse_script(text, "-").tags
    return any("XEP-0313" in tag for tag in tags)


def test_there_are_dialogues() -> None:
    assert SCRIPTS
