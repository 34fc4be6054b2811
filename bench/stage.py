"""Where measurements take place: fresh servers, each with a copy of a data folder that was prepared once."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.process import Cores, StartFailed, listening, on_core
from bench.servers import DOMAIN, ROOT, Others, Server, Setup
from tests.harness.ports import free_port
from tests.harness.world import World
from xmpp.stream.tls.certificates import self_signed_certificate

NEAR, FAR = "near.test", "far.test"  # domains of servers that are linked

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
    domain: str = DOMAIN
    others: Others | None = None
    world: World | None = None
    """In which it finds others, and they it."""
    far: "Running | None" = None
    """Another one of the kind, for another domain; both run on the same core."""


class Stage:
    """Starts servers on this machine. The folders it works in go when it is closed."""

    def __init__(self, folder: Path, cores: Cores, notice: Notice) -> None:
        self.cores = cores
        self._folder = folder
        self._notice = notice
        self._prepared: dict[tuple[str, int, str, str], Path] = {}
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
                setup = self._setup(data, self._certificate, has_archive=has_archive)
                with self._started(server, setup, command or server.command) as earlier:
                    before(earlier)
            setup = self._setup(data, self._certificate, has_archive=has_archive)
            with self._started(server, setup, command or server.command) as running:
                yield running

    @contextmanager
    def linked(self, server: Server, accounts: int, *, has_tls: bool, is_alone: bool = False) -> Iterator[Running]:
        """A fresh process of this server among others, as `running`; and if not `is_alone`, one for another domain that
        it can talk to. The certificates for all are good. Raises StartFailed."""
        with (
            TemporaryDirectory(dir=self._folder) as folder,
            World(Path(folder) / "world") as world,
            ExitStack() as started,
        ):
            near, *far = (
                started.enter_context(self._started(server, setup, server.command))
                for setup in (
                    self._among_others(server, Path(folder), accounts, world, domain, has_tls)
                    for domain in ((NEAR,) if is_alone else (NEAR, FAR))
                )
            )
            yield replace(near, world=world, far=far[0] if far else None)

    def _among_others(
        self, server: Server, folder: Path, accounts: int, world: World, domain: str, has_tls: bool
    ) -> Setup:
        others = Others(free_port(), world.nameserver_port, world.roots, (NEAR, FAR), has_tls)
        world.announce(domain, port=others.server_port)
        issued = world.issue(domain, purposes=()).write(folder / f"{domain}.certificate")
        certificate = folder / f"{domain}.pem"
        certificate.write_bytes((issued / "privkey.pem").read_bytes() + (issued / "fullchain.pem").read_bytes())
        data = folder / domain
        shutil.copytree(self._prepare(server, accounts, None, domain), data)
        return self._setup(data, certificate, domain=domain, others=others)

    def run_load(self, *arguments: str, most_seconds: float | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a load generator. Raises subprocess.TimeoutExpired if it takes longer."""
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=most_seconds, cwd=ROOT)

    def _setup(self, data: Path, certificate: Path, **more: Any) -> Setup:
        return Setup(data, certificate, free_port(), free_port(), free_port(), **more)

    @contextmanager
    def _started(self, server: Server, setup: Setup, command: Callable[[Setup], Sequence[str]]) -> Iterator[Running]:
        data = setup.data
        words = on_core(self.cores.server, command(setup))
        log, environment = data / "bench.log", server.environment(setup)
        begun = time.monotonic()
        ports = setup.port, setup.tls_port, setup.http_port
        try:
            with listening(words, setup.port, log, folder=data, environment=environment) as pid:
                yield Running(server, *ports, (pid,), begun, setup.domain, setup.others)
        except StartFailed as failure:
            raise StartFailed(f"{server.name} does not start: {failure}\n{server.advice}") from failure

    def _prepare(self, server: Server, accounts: int, fill: tuple[str, Fill] | None, domain: str = DOMAIN) -> Path:
        """The data folder that fresh servers get a copy of, made when it is first needed."""
        key = (server.name, accounts, fill[0] if fill else "", domain)
        if key not in self._prepared:
            data = self._folder / "-".join(["prepared", *map(str, key)])
            data.mkdir()
            self._notice(f"{server.name}: making {accounts:,} accounts")
            server.make_accounts(data, accounts, domain)
            if fill:
                fill[1](data)
            self._prepared[key] = data
        return self._prepared[key]
