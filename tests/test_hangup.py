"""SIGHUP: a service reads its configuration again; what belongs to a terminal ends with it."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.commandline import configured
from tests.harness.servers import DEMO, PATIENCE, ROOT, RunningServer

TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class OnTerminal:
    """A server as the foreground process of a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-c", TAKE_TERMINAL, sys.executable, "-m", "xserv", *arguments]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        self._shown = ""

    def wait_for(self, text: str) -> None:
        while text not in self._shown:
            self._shown += os.read(self.ours, 4096).decode(errors="replace")
        self._shown = self._shown.partition(text)[2]

    def close(self) -> int:
        """Close the terminal; returns the exit status."""
        os.close(self.ours)
        return self.process.wait(PATIENCE)


@contextmanager
def on_terminal(*arguments: str) -> Iterator[OnTerminal]:
    server = OnTerminal(*arguments)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait(PATIENCE)


def test_a_demo_ends_with_its_terminal_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with on_terminal(*DEMO) as demo:
        demo.wait_for("Ctrl-C ends the demo.")
        assert list(tmp_path.iterdir())
        demo.close()
        assert not list(tmp_path.iterdir())


def test_a_demo_ends_by_sighup_without_a_terminal_too() -> None:
    with RunningServer.demo() as demo:
        demo.process.send_signal(signal.SIGHUP)
        assert demo.process.wait(PATIENCE) == 0


def test_a_server_that_was_started_on_a_terminal_ends_with_it(tmp_path: Path) -> None:
    configured(tmp_path)
    with on_terminal("run", "--data", str(tmp_path)) as server:
        server.wait_for("Next:")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("configuration and certificates reloaded")  # as long as the terminal is there
        server.close()
    assert not (tmp_path / "control.sock").exists()
