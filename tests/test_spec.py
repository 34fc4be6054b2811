"""The behaviour as dialogues: every script in spec/ against a running server, and one of each folder over STARTTLS with
SCRAM, too.

Each script gets fresh accounts, and they are removed after it, so that no dialogue depends on another.

The server is one as it is shipped, if the script does not say otherwise ("## server: ..."). Its archive puts a
stanza-id into most messages; dialogues that cite XEP-0313 are about that, from all others it is taken out.
"""

from pathlib import Path

import pytest

from tests.harness import scsrun
from tests.harness.servers import ROOT, RunningServer

SCRIPTS = sorted((ROOT / "spec").glob("**/*.scs"))
ONE_OF_EACH_FOLDER = sorted({script.parent: script for script in reversed(SCRIPTS)}.values())
WAYS = {"plain": [], "starttls": ["--tls", "starttls", "--mech", "SCRAM-SHA-256"]}
SERVERS = {
    "as it is shipped": "demo",
    "with search and external services": "demo_with_services",
    "without an archive": "demo_without_archive",
}


@pytest.mark.parametrize(
    ("script", "way"),
    [*((script, "plain") for script in SCRIPTS), *((script, "starttls") for script in ONE_OF_EACH_FOLDER)],
    ids=lambda value: value if isinstance(value, str) else str(value.relative_to(ROOT / "spec")),
)
def test_dialogue(request: pytest.FixtureRequest, script: Path, way: str) -> None:
    text = script.read_text(encoding="utf-8")
    tags: list[str] = scsrun.parse_script(text, "-").tags
    server: RunningServer = request.getfixturevalue(SERVERS[wanted_server(tags)])
    strictness = ["--pedantic", "--no-leftovers"]
    if not any("XEP-0313" in tag for tag in tags):
        strictness.append("--no-stanza-ids")
    options = scsrun.arguments(
        ["--port", str(server.port), "--register", "--sync", *strictness, *WAYS[way], str(script)]
    )
    runner = scsrun.Runner(options)
    try:
        result = runner.run_script(text, str(script))
    finally:
        runner.unregister()
    assert result.ok, "\n".join([f"line {result.line}: {result.headline}", *result.details])


def wanted_server(tags: list[str]) -> str:
    """What the script says of the server that it is for, in the lines that begin with "##"."""
    said = [tag.removeprefix("server: ") for tag in tags if tag.startswith("server: ")]
    return said[0] if said else "as it is shipped"


def test_there_are_dialogues() -> None:
    assert SCRIPTS
