"""Our server in a world with others: a process with names, a certificate and accounts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness import commandline
from tests.harness.authority import Issued
from tests.harness.configured import configuration_file
from tests.harness.correspondents import Correspondent
from tests.harness.servers import RunningServer
from tests.harness.world import World

PASSWORDS = {"juliet": "a rose by any other name", "romeo": "with love's light wings"}


class Home:
    """Our server for a domain. It can be ended and started again; then it listens on the same ports."""

    def __init__(
        self,
        world: World,
        folder: Path,
        domain: str = "home.test",
        certificate: Issued | None = None,
        **sections: Mapping[str, Any],
    ) -> None:
        self.world, self.folder, self.domain, self._sections = world, folder, domain, sections
        self._certificate = (certificate or world.issue(domain)).write(folder / "certificate")
        self._listen: dict[str, Any] = {"server_port": 0, "server_tls_port": 0}
        self.server: RunningServer | None = None
        typed = "".join(f"{name}@{domain} {password}\n" for name, password in PASSWORDS.items())
        commandline.succeeds("user", "import", *self._options(), "-", typed=typed)

    def _options(self) -> tuple[str, ...]:
        own: dict[str, Mapping[str, Any]] = {
            "server": {"domains": [self.domain]},
            "tls": {"certificates": {self.domain: str(self._certificate)}, "authorities": str(self.world.roots)},
            "federation": {"mode": "open"},
            "dial": {
                "nameservers": [f"127.0.0.1:{self.world.nameserver_port}"],
                "private_addresses": ["127.0.0.0/8"],
            },
            "listen": self._listen,
        }
        sections = {name: {**own.get(name, {}), **self._sections.get(name, {})} for name in {*own, *self._sections}}
        file = configuration_file(self.folder, sections)
        return ("--config", str(file), "--data", str(self.folder / "data"))

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.server = RunningServer("run", *self._options())
        self._listen |= {"server_port": self.server_port, "server_tls_port": self.server_tls_port}

    @property
    def said(self) -> list[str]:
        """The lines of its log."""
        return self.server.said if self.server is not None else []

    @property
    def server_port(self) -> int:
        """The port for other servers, with STARTTLS."""
        assert self.server is not None
        return self.server.port_for("servers, STARTTLS")

    @property
    def server_tls_port(self) -> int:
        """The same with TLS from the first byte."""
        assert self.server is not None
        return self.server.port_for("servers, TLS")

    def client(self, name: str, resource: str = "") -> Correspondent:
        """A client of one of the accounts."""
        assert self.server is not None
        return Correspondent.of(self.server.port, self.domain, name, PASSWORDS[name], resource, has_tls=True)

    def kill(self) -> None:
        """End it at once."""
        if self.server is not None:
            self.server.kill()

    @contextmanager
    def running(self) -> Iterator["Home"]:
        """Run it, and let the world know where."""
        self.start()
        try:
            self.world.announce(self.domain, self.server_port)
            yield self
        finally:
            self.kill()
