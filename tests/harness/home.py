"""Our server in a world with others: a process with names, a certificate and accounts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.harness import commandline
from tests.harness.authority import Issued
from tests.harness.configured import configuration_file
from tests.harness.correspondents import Correspondent
from tests.harness.servers import RunningServer
from tests.harness.world import World

PASSWORDS = {"juliet": "a rose by any other name", "romeo": "with love's light wings"}


class Home:
    """Our server for some domains, each with a certificate that is shown, and accounts of the same names. The first
    domain is `domain`; `settings` are those that matter to a test. Others find it by STARTTLS, or only by direct TLS.
    """

    def __init__(
        self,
        world: World,
        folder: Path,
        certificates: Mapping[str, Issued],
        *,
        is_direct: bool = False,
        **settings: Mapping[str, Any],
    ) -> None:
        self.world, self.folder, self.domains, self._settings = world, folder, tuple(certificates), settings
        self.domain = self.domains[0]
        self._is_direct = is_direct
        self._certificates = {
            domain: str(certificate.write(folder / "certificates" / domain))
            for domain, certificate in certificates.items()
        }
        self._listen: dict[str, Any] = {"server_port": 0, "server_tls_port": 0}
        self.server: RunningServer | None = None
        people = [(f"{name}@{domain}", password) for domain in self.domains for name, password in PASSWORDS.items()]
        typed = "".join(f"{address} {password}\n" for address, password in people)
        commandline.succeeds("user", "import", *self._options(), "-", typed=typed)

    def _options(self) -> tuple[str, ...]:
        own: dict[str, Mapping[str, Any]] = {
            "server": {"domains": list(self.domains)},
            "tls": {"certificates": self._certificates},
            "federation": {"mode": "open", "authorities": str(self.world.roots)},
            "dialling": {
                "nameservers": [f"127.0.0.1:{self.world.nameserver_port}"],
                "private_addresses": ["127.0.0.0/8"],
            },
            "listen": self._listen,
        }
        sections = {name: {**own.get(name, {}), **self._settings.get(name, {})} for name in {*own, *self._settings}}
        file = configuration_file(self.folder, sections)
        return ("--config", str(file), "--data", str(self.folder / "data"))

    def start(self) -> None:
        """Start it, on the same ports again, and wait until it listens."""
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

    def client(self, name: str, resource: str = "", domain: str = "") -> Correspondent:
        """A client of one of the accounts."""
        assert self.server is not None
        domain = domain or self.domain
        return Correspondent.of(self.server.port, domain, name, PASSWORDS[name], resource, has_tls=True)

    def kill(self) -> None:
        """End it at once."""
        if self.server is not None:
            self.server.kill()

    def __enter__(self) -> Self:
        """Run it, and let the world know where."""
        self.start()
        ports = {"tls_port": self.server_tls_port} if self._is_direct else {"port": self.server_port}
        self.world.announce(*self.domains, **ports)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
