"""The command line on a terminal: passwords are asked for and not shown, a long import shows how far it has come."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from cli import terminal
from tests.harness.commandline import succeeds
from tests.harness.servers import PATIENCE, ROOT


def on_a_terminal(*arguments: str | Path, answers: dict[str, str] | None = None) -> str:
    """Run a command that must succeed; type each answer once its question is there. Returns what the terminal shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "xserv", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            shown = _converse(ours, dict(answers or {}))
            status = process.wait(PATIENCE)
        finally:
            process.kill()
    os.close(ours)
    assert status == 0, shown
    return shown


def _converse(terminal: int, answers: dict[str, str]) -> str:
    shown = ""
    while data := _read(terminal):
        shown += data
        for question in [question for question in answers if question in shown]:
            os.write(terminal, answers.pop(question).encode() + b"\n")
    return shown


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode(errors="replace")
    except OSError:  # the other side has closed it
        return ""


def test_a_password_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    shown = on_a_terminal(
        "user", "add", "juliet@localhost", "--data", tmp_path,
        answers={"Password:": "swordfish", "The same again:": "swordfish"},
    )  # fmt: skip
    assert "juliet@localhost can log in now." in shown
    assert "swordfish" not in shown


def test_an_import_shows_how_far_it_has_come(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("juliet@localhost swordfish\nromeo@localhost swordfish\n")
    shown = on_a_terminal("user", "import", path, "--data", tmp_path)
    assert "2/2" in shown
    assert "2 accounts can log in now." in shown


def test_what_somebody_has_called_a_thing_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    names = [":smile:.png", "[red]x[/red]", "\\[/]", "[link=https://example.org]y\\"]
    terminal.show(("Called",), [(name,) for name in names])
    shown = capsys.readouterr().out
    assert "\x1b[1m" in shown
    assert [name for name in names if name not in shown] == []


def test_nothing_is_left_out_where_a_terminal_is_narrow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    names = ("Id", "Software", "Device", "Since", "Last seen", "By")
    id, device = "DiWA-8Rq7VaBcDeFgHiJkLmN", "gajim.JHIZWNUHOI6X4O3B"
    terminal.show(names, [(id, "Gajim 1.7.3", device, "2026-11-27", "2026-11-27", "password, token")])
    shown = capsys.readouterr().out
    assert id in shown
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    cells = [line.split("\N{BOX DRAWINGS LIGHT VERTICAL}") for line in shown.splitlines()]
    assert "".join(line[3].strip() for line in cells if len(line) > 3) == device
    assert max(map(len, shown.splitlines())) <= 80


def test_accounts_are_listed_in_a_table(tmp_path: Path) -> None:
    succeeds("user", "add", "juliet@localhost", "--data", tmp_path, typed="swordfish\n")
    shown = on_a_terminal("user", "list", "--data", tmp_path)
    assert "Sessions" in shown
    assert "juliet@localhost" in shown
