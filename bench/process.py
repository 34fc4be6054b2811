"""Processes that a measurement starts: on a core of their own, with a log, ended with all their descendants."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.002
LOG_LINES = 15


class StartFailed(Exception):
    """A server does not listen; the text has the last lines of its log."""


@dataclass(frozen=True)
class Cores:
    """Which core servers run on, and which one the load; None: where the system likes, on a machine with one core."""

    server: int | None
    load: int | None

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """The first two cores that this process may use."""
        first, *others = sorted(os.sched_getaffinity(0))
        return cls(first, others[0]) if others else cls(None, None)

    def keep_to_load(self) -> None:
        """Hold this process, and those that it starts from now on, on the core of the load."""
        if self.load is not None:
            os.sched_setaffinity(0, {self.load})


def on_core(core: int | None, command: Sequence[str]) -> list[str]:
    """The command, held on that core; the process it starts keeps its id."""
    return list(command) if core is None else ["taskset", "--cpu-list", str(core), *command]


def raise_file_limit() -> None:
    """Let this process and those that it starts have as many connections as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def listening(
    command: Sequence[str], port: int, log: Path, *, folder: Path, environment: Mapping[str, str]
) -> Iterator[int]:
    """Start a server in that working folder, wait until it listens, and end it afterwards; gives its process id.

    Raises StartFailed.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we end the server and its descendants
        )
    try:
        _wait_until_it_listens(process, port, log)
        yield process.pid
    finally:
        _end(process)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _accepts(port):
        if process.poll() is not None:
            raise StartFailed(f"it ended with status {process.returncode}:\n{_last_lines(log)}")
        if time.monotonic() > deadline:
            raise StartFailed(f"nothing listens on port {port} after {START_SECONDS:.0f} s:\n{_last_lines(log)}")
        time.sleep(POLL_SECONDS)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end and wait, so that it writes down what it has; then end what is left of its process group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
