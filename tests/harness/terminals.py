"""Programs in a terminal of their own (tmux), driven by what a person would type and read."""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

TMUX = shutil.which("tmux")
PATIENCE = 60.0  # seconds; only a program that hangs takes that long
COLUMNS, ROWS = 160, 150  # so that nothing scrolls away


class Terminal:
    """What a program shows and is typed. `output` is readable whenever it has drawn something."""

    def __init__(self, tmux: Sequence[str], output: int) -> None:
        self._tmux = tmux
        self._output = output

    def type(self, line: str) -> None:
        """Type a line, and enter it once it can be read."""
        self._run("send-keys", "-l", line)
        self.wait(line)
        self._run("send-keys", "Enter")

    def wait(self, text: str) -> str:
        """Wait until this can be read; returns all that can be read then."""
        deadline = time.monotonic() + PATIENCE
        while text not in (shown := self.shown()):
            ready, _, _ = select.select([self._output], [], [], max(0, deadline - time.monotonic()))
            drawn = os.read(self._output, 65_536) if ready else b""
            assert drawn, f"{text!r} is not there:\n{shown}"
        return shown

    def shown(self) -> str:
        """All that can be read now."""
        return "\n".join(line.rstrip() for line in self._run("capture-pane", "-p").splitlines())

    def _run(self, *command: str) -> str:
        return subprocess.run([*self._tmux, *command], check=True, capture_output=True, text=True).stdout


@contextmanager
def terminal(program: Sequence[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a program in a terminal that nobody looks at; both are ended by their ids, whatever happens."""
    assert TMUX is not None
    with TemporaryDirectory(prefix="xserv-tmux-") as folder, ExitStack() as opened:
        tmux = (TMUX, "-S", f"{folder}/socket", "-f", "/dev/null")
        fifo = Path(folder) / "drawn"
        os.mkfifo(fifo)
        output = os.open(fifo, os.O_RDWR)  # not at its end while nobody has it open to write
        opened.callback(os.close, output)
        size = ("-x", str(COLUMNS), "-y", str(ROWS))
        begun = subprocess.run(
            [*tmux, "new-session", "-d", *size, "-P", "-F", "#{pid} #{pane_pid}", *program],
            check=True, capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
        )  # fmt: skip
        for process in map(os.pidfd_open, map(int, begun.stdout.split())):
            opened.callback(_end, process)  # first the program
        subprocess.run([*tmux, "pipe-pane", f"exec cat > {fifo}"], check=True)
        yield Terminal(tmux, output)


def _end(process: int) -> None:
    """End a process, by its file descriptor, and wait until it is gone."""
    try:
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                signal.pidfd_send_signal(process, how)
            except ProcessLookupError:
                return
            if select.select([process], [], [], PATIENCE)[0]:
                return
    finally:
        os.close(process)
