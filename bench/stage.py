"""Where measurements take place: fresh servers, each with a copy of a data folder that was prepared once."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import fileload
from bench.process import Cores, StartFailed, free_port, listening, on_core
from bench.servers import DOMAIN, ROOT, Server, Setup
from xmpp.stream.tls.certificates import self_signed_certificate

XMPPLOAD = ROOT / "bench" / "xmppload.py"

Notice = Callable[[str], None]
"""Tells whoever waits what goes on."""
Fill = Callable[[Path], None]
"""Writes what a server's data folder is to have besides accounts."""


@dataclass(frozen=True)
class Running:
    """A server that listens on loopback ports: `port` is for STARTTLS and plain streams, `tls_port` for TLS, and where
    it has HTTP, `http_port` for that."""

    server: Server
    port: int
    tls_port: int
    http_port: int
    pids: tuple[int, ...]
    begun: float
    """When its process was started, on the monotonic clock."""


class Stage:
    """Starts servers on this machine. The folders it works in go when it is closed."""

    def __init__(self, folder: Path, cores: Cores, notice: Notice) -> None:
        self.cores = cores
        self._folder = folder
        self._notice = notice
        self._prepared: dict[tuple[str, int, str], Path] = {}
        self._certificate = self_signed_certificate(folder, DOMAIN).chain_file

    @classmethod
    @contextmanager
    def opened(cls, notice: Notice) -> Iterator["Stage"]:
        """A stage in a temporary folder. This process and all others that it starts leave the servers their core."""
        cores = Cores.of_this_machine()
        cores.keep_to_load()
        with TemporaryDirectory(prefix="xserv-bench-") as folder:
            yield cls(Path(folder), cores, notice)

    @contextmanager
    def running(
        self,
        server: Server,
        accounts: int,
        *,
        has_archive: bool = False,
        fill: tuple[str, Fill] | None = None,
        before: Callable[[Running], object] | None = None,
        command: Callable[[Setup], Sequence[str]] | None = None,
    ) -> Iterator[Running]:
        """A fresh process of this server with so many accounts, u0 and up; `fill` adds to its data, under a name.

        `before` is done with an earlier process on the same data, which is ended then; `command` is in place of the
        server's own. Raises StartFailed.
        """
        prepared = self._prepare(server, accounts, fill)
        with TemporaryDirectory(dir=self._folder) as folder:
            data = Path(folder) / "data"
            shutil.copytree(prepared, data)
            if before:
                with self._started(server, data, has_archive, command or server.command) as earlier:
                    before(earlier)
            with self._started(server, data, has_archive, command or server.command) as running:
                yield running

    def run_load(
        self, *arguments: str, most_seconds: float | None = None, over_websocket: bool = False
    ) -> "subprocess.CompletedProcess[str]":
        """Run the load generator. Raises subprocess.TimeoutExpired if it takes longer."""
        script = ["-m", "bench.websocketload"] if over_websocket else [str(XMPPLOAD)]
        if arguments[0] in fileload.LOADS:
            script = ["-m", "bench.fileload"]
        command = [sys.executable, *script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=most_seconds, cwd=ROOT)

    @contextmanager
    def _started(
        self, server: Server, data: Path, has_archive: bool, command: Callable[[Setup], Sequence[str]]
    ) -> Iterator[Running]:
        setup = Setup(data, self._certificate, free_port(), free_port(), free_port(), has_archive)
        words = on_core(self.cores.server, command(setup))
        log, environment = data / "bench.log", server.environment(setup)
        begun = time.monotonic()
        try:
            with listening(words, setup.port, log, folder=data, environment=environment) as pid:
                yield Running(server, setup.port, setup.tls_port, setup.http_port, (pid,), begun)
        except StartFailed as failure:
            raise StartFailed(f"{server.name} does not start: {failure}\n{server.advice}") from failure

    def _prepare(self, server: Server, accounts: int, fill: tuple[str, Fill] | None) -> Path:
        """The data folder that fresh servers get a copy of, made when it is first needed."""
        key = (server.name, accounts, fill[0] if fill else "")
        if key not in self._prepared:
            data = self._folder / "-".join(["prepared", *map(str, key)])
            data.mkdir()
            self._notice(f"{server.name}: making {accounts:,} accounts")
            server.make_accounts(data, accounts)
            if fill:
                fill[1](data)
            self._prepared[key] = data
        return self._prepared[key]
