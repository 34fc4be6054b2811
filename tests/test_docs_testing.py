"""docs/testing.md is true: it names what tests are made with, and the servers that dialogues can ask for."""

import re

from tests.harness.servers import ROOT

TEXT = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
HARNESS = TEXT.partition("\n## tests/harness/\n")[2].partition("\n## ")[0]


def test_every_file_of_the_harness_stands_in_the_table() -> None:
    named = re.findall(r"`(\w+\.py)`", HARNESS)
    files = {path.name for path in (ROOT / "tests" / "harness").glob("*.py")} - {"__init__.py"}
    assert sorted(named) == sorted(files)


def test_the_files_of_tests_that_it_names_exist() -> None:
    named = re.findall(r"`(?:tests/)?(test_\w+\.py)`", TEXT)
    assert named
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []


def test_every_server_that_a_dialogue_asks_for_is_named() -> None:
    scripts = [path.read_text(encoding="utf-8") for path in (ROOT / "spec").glob("**/*.scs")]
    wanted = {name for script in scripts for name in re.findall(r"^## server: (.+)$", script, re.MULTILINE)}
    assert wanted
    assert [name for name in sorted(wanted) if f"`{name}`" not in TEXT] == []
