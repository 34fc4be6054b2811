"""The behaviour as dialogues: every script in spec/ against a running server, and one of each folder over STARTTLS with
SCRAM, too.

Each script gets fresh accounts, and they are removed after it, so that no dialogue depends on another.

The server is one as it is shipped, if the script does not say otherwise ("## server: ..."). Its archive puts a
stanza-id into most messages; dialogues that cite XEP-0313 are about that, from all others it is taken out.
"""

from pathlib import Path

import pytest

from tests.harness import scsrun
from tests.harness.dialogues import (
    SCRIPTS,
    SHIPPED,
    WITH_ADMINISTRATOR,
    WITH_SERVICES,
    WITHOUT_ARCHIVE,
    failure,
    options,
    wanted_server,
)
from tests.harness.servers import ROOT, RunningServer

ONE_OF_EACH_FOLDER = sorted({script.parent: script for script in reversed(SCRIPTS)}.values())
WAYS = {"plain": [], "starttls": ["--tls", "starttls", "--mech", "SCRAM-SHA-256"]}
SERVERS = {
    SHIPPED: "demo",
    WITH_SERVICES: "demo_with_services",
    WITHOUT_ARCHIVE: "demo_without_archive",
    WITH_ADMINISTRATOR: "demo_with_administrator",
}


@pytest.mark.parametrize(
    ("script", "way"),
    [*((script, "plain") for script in SCRIPTS), *((script, "starttls") for script in ONE_OF_EACH_FOLDER)],
    ids=lambda value: value if isinstance(value, str) else str(value.relative_to(ROOT / "spec")),
)
def test_dialogue(request: pytest.FixtureRequest, script: Path, way: str) -> None:
    server: RunningServer = request.getfixturevalue(SERVERS[wanted_server(script)])
    runner = scsrun.Runner(options(script, server.port, "--register", *WAYS[way]))
    try:
        result = runner.run_script(script.read_text(encoding="utf-8"), str(script))
    finally:
        runner.unregister()
    assert not failure(result), failure(result)


def test_there_are_dialogues() -> None:
    assert SCRIPTS
