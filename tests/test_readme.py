"""README.md: its command lines work as they stand."""

import shlex
from pathlib import Path

import pytest

from tests.harness.commandline import PRIVATE_CONFIGURATION, succeeds
from tests.harness.servers import ROOT, RunningServer
from xmpp.stream.tls.certificates import self_signed_certificate


def blocks(section: str) -> list[str]:
    """The indented blocks of a section, without their indentation."""
    text = (ROOT / "README.md").read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    found, block = [], list[str]()
    for line in [*text.splitlines(), "end"]:
        if line.startswith("    ") or (not line and block):
            block.append(line.removeprefix("    "))
        elif block:
            found.append("\n".join(block).strip())
            block = []
    return found


def arguments(line: str, tmp_path: Path) -> list[str]:
    """A line `xserv ...`, its paths in a folder of the test's own."""
    moved = line.replace("/var/lib", str(tmp_path)).replace("people.txt", str(tmp_path / "people.txt"))
    command, *found = shlex.split(moved, comments=True)
    assert command == "xserv"
    return found


@pytest.mark.parametrize("is_running", [True, False], ids=["while it runs", "while it does not"])
def test_running_a_domain_of_ones_own_works_as_it_is_written(tmp_path: Path, is_running: bool) -> None:
    _, configuration, serving, people = blocks("Run it")
    check, run = (arguments(line, tmp_path) for line in serving.splitlines())
    data = tmp_path / "xserv"
    data.mkdir()
    live = tmp_path / "letsencrypt" / "live" / "example.org"
    live.mkdir(parents=True)
    made = self_signed_certificate(tmp_path, "example.org").key_file.read_bytes()
    for name in ("fullchain.pem", "privkey.pem"):
        (live / name).write_bytes(made)
    (data / "xserv.toml").write_text(PRIVATE_CONFIGURATION + configuration.replace("/etc", str(tmp_path)))
    (tmp_path / "people.txt").write_text("romeo@example.org with love's light wings\n")

    succeeds(*check)
    if is_running:
        with RunningServer(*run):
            add_people(people, tmp_path)
    else:
        add_people(people, tmp_path)
        with RunningServer(*run):
            pass
    listed = succeeds("user", "list", "--data", data)
    assert [line.split("\t")[0] for line in listed.splitlines()] == ["juliet@example.org", "romeo@example.org"]


def add_people(lines: str, tmp_path: Path) -> None:
    for line in lines.splitlines():
        succeeds(*arguments(line, tmp_path), typed="wherefore art thou\n")


def test_running_it_without_anything_works_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XSERV_DATA", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "xserv").mkdir()
    (tmp_path / "xserv" / "xserv.toml").write_text(PRIVATE_CONFIGURATION)  # only not to be in anybody's way
    with RunningServer(*arguments(blocks("Run it")[0], tmp_path)) as server:
        line = server.wait_for("Next:")
        add = line.partition("Next: xserv ")[2].partition(",")[0].replace("NAME", "juliet")
        assert succeeds(*shlex.split(add), typed="wherefore\n") == "juliet@localhost can log in now.\n"
