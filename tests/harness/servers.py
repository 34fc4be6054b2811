"""Real servers for tests: started as a user starts them, on loopback ports that the system chose, ended by their id."""

import os
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from tests.harness import forked

ROOT = Path(__file__).resolve().parents[2]
LISTENING = re.compile(
    r"Listening on (\S+):(\d+) \((STARTTLS|TLS|HTTPS?|servers, STARTTLS|servers, TLS|components)\)"
)
DEMO = ("demo", "--port", "0", "--tls-port", "0", "--http-port", "0", "--https-port", "0")
PATIENCE = 60.0  # seconds; only a server that hangs takes that long


class ServerDied(Exception):
    """The server ended before it listened; the text is what it said."""


class RunningServer:
    """A server process. `port` is the STARTTLS port, `tls_port` the one for direct TLS, `ports` all of them; `said` all
    it printed."""

    def __init__(self, *arguments: str, command: tuple[str, ...] | None = None) -> None:
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        reading, writing = os.pipe()
        self._output = os.fdopen(reading, encoding="utf-8")
        self._scratch = TemporaryDirectory(prefix="xserv-test-")  # where a demo that is killed leaves its folder
        try:
            self.process = _started(command, arguments, writing, self._scratch.name)
        finally:
            os.close(writing)
        threading.Thread(target=self._collect, daemon=True).start()
        self.ports: dict[str, int] = {}
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.kill()
            raise

    @classmethod
    def demo(cls, *arguments: str) -> Self:
        """`xserv demo` on ports that the system chooses."""
        return cls(*DEMO, *arguments)

    def _collect(self) -> None:
        with self._output:
            for line in self._output:
                self.said.append(line.rstrip("\n"))
                self._lines.put(line)
        self._lines.put(None)

    def _wait_until_it_listens(self, on: Collection[str] = ("STARTTLS", "TLS")) -> None:
        while not self.ports.keys() >= set(on):
            line = self._lines.get(timeout=PATIENCE)
            if line is None:
                raise ServerDied("\n".join(self.said))
            self.ports |= {what: int(port) for _, port, what in LISTENING.findall(line)}

    @property
    def port(self) -> int:
        """Of STARTTLS."""
        return self.ports["STARTTLS"]

    @property
    def tls_port(self) -> int:
        """Of TLS from the first byte."""
        return self.ports["TLS"]

    def port_for(self, what: str) -> int:
        """The port of this kind, as the server calls it: HTTP, HTTPS."""
        self._wait_until_it_listens([what])
        return self.ports[what]

    def wait_for(self, text: str) -> str:
        """The next line that contains this text."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            if text in line:
                return line
        raise ServerDied("\n".join(self.said))

    def terminate(self) -> int:
        """Ask it to end (SIGTERM) and wait; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self._scratch.cleanup()
        return status

    def kill(self) -> None:
        """End it at once (SIGKILL), if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _started(
    command: tuple[str, ...] | None, arguments: tuple[str, ...], output: int, scratch: str
) -> "subprocess.Popen[bytes] | forked.Process":
    with open(os.devnull, "rb") as nothing:
        if command is None:
            environment = {"TMPDIR": scratch, **os.environ}
            return forked.Process(
                arguments, stdin=nothing.fileno(), stdout=output, stderr=output, environment=environment
            )
        environment = {"TMPDIR": scratch, **os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen([*command, *arguments], stdin=nothing, stdout=output, stderr=output, env=environment)
