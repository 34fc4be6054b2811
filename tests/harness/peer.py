"""Other people's servers as other domains: Prosody and ejabberd from their Debian packages, as ordinary processes.

All is in a folder of the test's: configuration, accounts, certificates. They listen on loopback, on ports that the
system chose, and find others in the private zone alone: where they look for services (SRV) they ask its name server,
and all targets are `localhost`, since ejabberd has the addresses of targets from the system.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from tests.harness.authority import Issued
from tests.harness.correspondents import Correspondent
from tests.harness.ports import free_port
from tests.harness.rawclient import PATIENCE, RawClient
from tests.harness.world import World

PASSWORD = "a plague on both your houses"
STOP_SECONDS = 30.0
PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


class PeerDied(Exception):
    """The server ended, or said no more in time; the text is what it had said."""


class Peer(ABC):
    """A server for a domain and for `rooms.` beneath it.

    `port` is for clients, `server_port` for other servers, `server_tls_port` for those with TLS from the first byte:
    they stay the same when it is started again. `said`: the lines of its log.

    `roots`: whom it trusts, if not those whom the world does. `others`: more domains, each with a certificate of its
    own. `is_strict`: it wants certificates that are valid, and nobody proves by dialback who he is. `is_direct`: others
    find it by direct TLS alone, not by STARTTLS. `is_encrypted`: it offers and wants TLS with others.
    """

    program: ClassVar[str]

    def __init__(
        self,
        folder: Path,
        domain: str,
        certificate: Issued,
        world: World,
        *,
        roots: Path | None = None,
        others: Mapping[str, Issued] | None = None,
        is_strict: bool = False,
        is_direct: bool = False,
        is_encrypted: bool = True,
        more: str = "",
    ) -> None:
        self.folder, self.domain, self.rooms = folder, domain, f"rooms.{domain}"
        self.roots = roots or world.roots
        self.is_strict, self.is_direct, self.is_encrypted, self.more = is_strict, is_direct, is_encrypted, more
        self.others = {
            name: issued.write(folder / "certificates" / name) for name, issued in (others or {}).items()
        }
        self.world = world
        self.port, self.server_port, self.server_tls_port = free_port(), free_port(), free_port()
        self.said: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._begins = 0  # among the lines
        self._has_said = threading.Condition()
        self._is_silent = True
        self._known: set[tuple[str, str]] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self.show(certificate)

    def show(self, certificate: Issued) -> None:
        """Have this certificate from its next start on."""
        certificate.write(self.folder / "certificate")

    @property
    def chain(self) -> Path:
        """The file of its certificate, with the intermediate."""
        return self.folder / "certificate" / "fullchain.pem"

    @property
    def key(self) -> Path:
        return self.folder / "certificate" / "privkey.pem"

    # -- a process

    def start(self) -> Self:
        """Start it, and wait until it listens. Raises PeerDied."""
        command, environment = self._command()
        found = shutil.which(command[0], path=PROGRAMS)
        assert found is not None, f"{command[0]} is not installed"
        reading, writing = os.pipe()
        self._begins, self._is_silent = len(self.said), False
        try:
            self._process = subprocess.Popen(
                # It ends with the tests, however these end.
                ["setpriv", "--pdeathsig", "KILL", found, *command[1:]],
                cwd=self.folder,
                env={"PATH": PROGRAMS, "HOME": str(self.folder), "LANG": "C.UTF-8", **environment},
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,  # what it starts ends with it
            )
        finally:
            os.close(writing)
        self._collector = threading.Thread(target=self._collect, args=(reading,), daemon=True)
        self._collector.start()
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Ask it to end, so that it takes leave of everybody, and wait."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self.kill()

    def kill(self) -> None:
        """End it and all that it has started at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
            self._collector.join(PATIENCE)
            self._process = None

    def freeze(self) -> None:
        """Let it do nothing any more, with all connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def __enter__(self) -> Self:
        """Start it, and let the world know where it is."""
        self.start()
        ports = {"tls_port": self.server_tls_port} if self.is_direct else {"port": self.server_port}
        self.world.announce(self.domain, *self.others, **ports)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait_for(self, *texts: str) -> str:
        """The first line of its log since it was started that contains these texts; it may yet be to come.

        Raises PeerDied.
        """
        with self._has_said:
            self._has_said.wait_for(lambda: self._is_silent or self._line_with(texts) is not None, PATIENCE)
            line = self._line_with(texts)
        if line is None:
            raise PeerDied(f"{texts!r} was expected of {self.program}, which said:\n" + "\n".join(self.said[-200:]))
        return line

    def _line_with(self, texts: Sequence[str]) -> str | None:
        return next((line for line in self.said[self._begins :] if all(text in line for text in texts)), None)

    def _collect(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as output:
            for line in output:
                with self._has_said:
                    self.said.append(line.rstrip("\n"))
                    self._has_said.notify_all()
        with self._has_said:
            self._is_silent = True
            self._has_said.notify_all()

    # -- what differs

    @abstractmethod
    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """Write the configuration; returns what starts the server, and the environment that it needs."""

    @abstractmethod
    def _wait_until_it_listens(self) -> None:
        """Wait until it says so, of all its ports."""

    @abstractmethod
    def waits_for_link(self, to: str, *, is_ours: bool) -> tuple[str, str]:
        """Wait until a link with that domain is up, one that we (or else the peer) dialled; returns how it was proved,
        `EXTERNAL` or `dialback`, and whether it is `one way` or `bidi`."""

    # -- people

    def client(self, name: str, resource: str = "", domain: str = "") -> Correspondent:
        """A client of this account, which is made if need be; its session has no TLS."""
        domain = domain or self.domain
        if (name, domain) not in self._known:
            with RawClient(self.port, domain=domain) as client:
                client.open()
                client.register(name, PASSWORD)
            self._known.add((name, domain))
        return Correspondent.of(self.port, domain, name, PASSWORD, resource, has_tls=False)


def quoted(value: object) -> str:
    """A string of Lua or YAML, which both look like JSON's."""
    return json.dumps(str(value))
