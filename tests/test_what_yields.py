"""While something is handled nothing else goes on, but at the places that docs/architecture.md lists."""

import re
from pathlib import Path

import pytest

from db import archive_portions, pubsub_nodes
from tests.harness.dialogues import SCRIPTS, SHIPPED, stage, wanted_server
from tests.harness.servers import ROOT
from tests.harness.yielding import left_to_the_loop, places
from xmpp.routing import bulk, portions

# So that a dialogue is enough to make much of little.
pytestmark = pytest.mark.usefixtures("least_portions")

PARTS = 4  # of the dialogues, which may be played on several cores


@pytest.fixture
def least_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "STEPS", 1)
    monkeypatch.setattr(portions, "PAUSE_SECONDS", 0.0001)
    monkeypatch.setattr(bulk, "STEPS", 1)
    monkeypatch.setattr(archive_portions, "PORTION", 1)
    monkeypatch.setattr(pubsub_nodes, "DELETED_AT_ONCE", 1)


def listed() -> set[str]:
    """The functions in the section of the architecture."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("\n## What yields\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def groups() -> list[tuple[str, list[Path]]]:
    """The dialogues, by the server that they are for."""
    by_server: dict[str, list[Path]] = {}
    for script in SCRIPTS:
        by_server.setdefault(wanted_server(script), []).append(script)
    shipped = by_server.pop(SHIPPED)
    return [*((SHIPPED, shipped[part::PARTS]) for part in range(PARTS)), *by_server.items()]


@pytest.mark.parametrize(("server", "scripts"), groups(), ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_handled_gives_control_away_only_where_the_architecture_says(
    tmp_path: Path, server: str, scripts: list[Path]
) -> None:
    with stage(tmp_path, server) as played, places() as seen, left_to_the_loop() as left:
        failures = {script.name: failure for script in scripts if (failure := played.play(script))}
    assert seen <= listed()
    assert failures == {}
    assert left.ticket is None and not left.works_left  # each callback begins what it does


# A dialogue in which something gives control away, and how it is to be played.
WHERE = [
    ("register/removed.scs", "--register"),
    ("register/password_changed.scs",),
    ("vcard/none.scs", "--mech", "PLAIN"),
    ("vcard/none.scs", "--tls", "starttls"),
    ("search/by_name.scs",),
    ("archive/with.scs",),
    ("pubsub/purged.scs",),
    ("administration/added_and_deleted.scs",),
]


def test_all_that_the_architecture_lists_gives_control_away(tmp_path: Path) -> None:
    everywhere = set[str]()
    for number, (name, *options) in enumerate(WHERE):
        script = ROOT / "spec" / name
        with stage(tmp_path / str(number), wanted_server(script)) as played, places() as seen:
            assert played.play(script, *options) == ""
        everywhere |= seen
    assert everywhere == listed()
