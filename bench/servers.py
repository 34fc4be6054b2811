"""The servers that are measured: how each is configured, given accounts and started. xserv and the floor."""

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from db import accounts
from db.sqlite.database import Database
from handlers.login.sasl import salted_keys
from handlers.login.sasl.settings import SASLSettings
from xmpp import __version__

ROOT = Path(__file__).resolve().parent.parent
DOMAIN, PASSWORD = "localhost", "password"  # as the load generator has them

TLS, SCRAM, PRESENCE, STREAM_MANAGEMENT = "TLS", "SCRAM", "presence", "stream management"
ARCHIVE, ROOMS, WEBSOCKET, FILES, SASL2 = "an archive", "rooms", "WebSocket", "files", "SASL2"
LINKS = "links to other servers"
ROOMS_HOST = f"rooms.{DOMAIN}"
NO_RATE_LIMIT = """\
[streams]
bytes_per_second = 1_000_000_000
[rooms]
messages_per_minute = 1_000_000
presences_per_minute = 1_000_000
nick_changes_per_minute = 1_000_000
enterings_per_minute = 1_000_000
enterings_per_hour = 10_000_000
told_bytes_per_minute = 1_000_000_000_000
[upload]
max_bytes_per_day = 1_000_000_000_000
max_account_bytes = 1_000_000_000_000
max_bytes = 1_000_000_000_000
"""
EVERYTHING = frozenset({TLS, SCRAM, PRESENCE, STREAM_MANAGEMENT, ARCHIVE, ROOMS, LINKS})


@dataclass(frozen=True)
class Others:
    """How a server finds others, and they it."""

    server_port: int
    nameserver_port: int
    roots: Path
    """A PEM file with those who are trusted to issue certificates."""
    domains: tuple[str, ...]
    """To which it talks, where that is to be listed."""
    has_tls: bool
    """With certificates that are valid; else there is no TLS, and each asks the other back (dialback)."""


@dataclass(frozen=True)
class Setup:
    """What a server is started with."""

    data: Path
    """A folder of its own, for configuration, accounts, and whatever it writes."""
    certificate: Path
    """A PEM file with certificate and key, the same for all servers."""
    port: int
    tls_port: int
    http_port: int
    has_archive: bool = False
    domain: str = DOMAIN
    others: Others | None = None
    """Without, it talks to none."""


class Server(ABC):
    """A server to measure."""

    name: ClassVar[str]
    offers: ClassVar[frozenset[str]] = EVERYTHING
    is_ours: ClassVar[bool] = False
    """Whether it comes with this project."""
    advice: ClassVar[str]
    """What to do if it does not start."""

    @abstractmethod
    def is_installed(self) -> bool:
        """Whether it can be started on this machine."""

    @abstractmethod
    def version(self) -> str:
        """The version that is installed."""

    @abstractmethod
    def make_accounts(self, data: Path, count: int, domain: str = DOMAIN) -> None:
        """Write accounts u0, u1, ... into a new data folder, all with the same keys: hashing takes its time."""

    @abstractmethod
    def command(self, setup: Setup) -> Sequence[str]:
        """Write the configuration, and return the command that starts the server in the foreground."""

    def environment(self, setup: Setup) -> Mapping[str, str]:
        """What is added to the environment."""
        return {}


class XServ(Server):
    """This server, with its defaults, but without a rate limit if not said otherwise: the others have none either.

    As a demo, since clients of `xserv run` must use TLS.
    """

    name = "xserv"
    offers = EVERYTHING | {WEBSOCKET, FILES, SASL2}
    is_ours = True
    advice = "`make test` says what is wrong with it."

    root: ClassVar[Path] = ROOT
    """The folder that it runs from."""

    def __init__(self, *, has_rate_limit: bool = False) -> None:
        self._has_rate_limit = has_rate_limit

    def is_installed(self) -> bool:
        return True

    def version(self) -> str:
        return __version__

    def make_accounts(self, data: Path, count: int, domain: str = DOMAIN) -> None:
        credentials = salted_keys.derive(PASSWORD, SASLSettings().iterations)  # once for all: it takes its time
        with Database(data / "xserv.db") as db:
            accounts.create_many(db, ((f"u{number}@{domain}", credentials) for number in range(count)), time.time())

    def environment(self, setup: Setup) -> Mapping[str, str]:
        """As it is installed: compiled once, and not at each start, as it may be in a container of a developer's."""
        return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": str(self.root)}

    def command(self, setup: Setup) -> Sequence[str]:
        ports = ("--port", str(setup.port), "--tls-port", str(setup.tls_port))
        return [*self._command("demo", setup), *ports]

    def run_command(self, setup: Setup) -> Sequence[str]:
        """`xserv run`, for clients that use TLS."""
        return self._command("run", setup)

    def _command(self, command: str, setup: Setup) -> list[str]:
        configuration = setup.data / "bench.toml"
        configuration.write_text(
            f'[listen]\naddresses = ["127.0.0.1"]\nport = {setup.port}\ntls_port = {setup.tls_port}\n'
            f"http_port = {setup.http_port}\nhttps_port = 0\n"
            f"server_port = {setup.others.server_port if setup.others else -1}\nserver_tls_port = -1\n"
            f'[server]\ndomains = ["{setup.domain}"]\n'
            f'[tls.certificates]\n"{setup.domain}" = "{setup.certificate}"\n'
            f"{'' if self._has_rate_limit else NO_RATE_LIMIT}"
            f"[archive]\nenabled = {'true' if setup.has_archive else 'false'}\n"
            f"{_with_others(setup.others) if setup.others else ''}"
        )
        options = ("--config", str(configuration), "--data", str(setup.data))
        is_unencrypted = setup.others is not None and not setup.others.has_tls
        program = ["-m", "bench.unencrypted"] if is_unencrypted else [str(self.root / "xserv.py")]
        return [sys.executable, *program, command, *options]


class Compiled(XServ):
    """The same with compiled modules."""

    name = "compiled"
    advice = "`make compiled` makes it."
    root = ROOT / "build" / "compiled"

    def is_installed(self) -> bool:
        """Whether it has been made, of the sources as they are now: another program would be measured."""
        return (self.root / "made").exists() and all(self._has(path.relative_to(ROOT)) for path in _sources())

    def _has(self, path: Path) -> bool:
        made = self.root / path
        return made.exists() and made.read_bytes() == (ROOT / path).read_bytes()


def _sources() -> Iterator[Path]:
    yield from (ROOT / "assembly.py", ROOT / "xserv.py")
    for folder in ("cli", "db", "handlers", "web", "xmpp"):
        yield from (ROOT / folder).rglob("*.py")


def _with_others(others: Others) -> str:
    plain = "" if others.has_tls else f"without_tls = {json.dumps(others.domains)}\n"
    return (
        f'[federation]\nmode = "open"\nauthorities = "{others.roots}"\nbytes_per_second = 1_000_000_000\n{plain}'
        "domain_bytes_per_second = 1_000_000_000\ndomain_stanzas_per_second = 1_000_000\n"
        "address_bytes_per_second = 1_000_000_000\n"
        f'[dialling]\nnameservers = ["127.0.0.1:{others.nameserver_port}"]\nprivate_addresses = ["127.0.0.0/8"]\n'
    )


class Floor(Server):
    """The least a server of this kind can do (floor.py): no accounts, no TLS, no roster, no archive."""

    name = "floor"
    is_ours = True
    offers = frozenset()
    advice = "It needs what xserv needs: `make test` installs it."

    def is_installed(self) -> bool:
        return True

    def version(self) -> str:
        return "of this folder"

    def make_accounts(self, data: Path, count: int, domain: str = DOMAIN) -> None:
        pass  # it lets anybody in

    def command(self, setup: Setup) -> Sequence[str]:
        return [sys.executable, str(ROOT / "bench" / "floor.py"), "--port", str(setup.port)]
