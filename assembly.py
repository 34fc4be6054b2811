"""All parts put together: what a server is made of, and what carries out administration. The only file that sees
everything."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from db.sqlite.database import Database
from db.sqlite.errors import StorageError
from handlers.admin import administration
from handlers.tables import FEATURES, TABLES
from xmpp import config_review
from xmpp.config.configuration import ConfigError, Configuration, Section
from xmpp.config.datafolder import DataFolder
from xmpp.config.settings import ServerSettings, StreamSettings
from xmpp.config_review import ClashError
from xmpp.control import CarryOut, ControlClient, ControlSocket
from xmpp.routing.feature import Feature
from xmpp.server import Server
from xmpp.stream.listener import ClientListener, ListenError, ListenSettings
from xmpp.stream.tls.certificates import CertificateError
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

log = logging.getLogger(__name__)


def sections() -> list[Section]:
    """All that a configuration may hold: the engine's own settings, and those of the features."""
    engine = {"server": ServerSettings, "listen": ListenSettings, "tls": TLSSettings, "streams": StreamSettings}
    return [Section(name, settings, settings.__doc__ or "") for name, settings in engine.items()] + [
        Section(each.name, each.settings, _about(each), each.optional, each.by_default)
        for each in FEATURES
        if each.settings or each.optional
    ]


def _about(feature: Feature) -> str:
    if feature.settings and feature.settings.__doc__:
        return feature.settings.__doc__
    return f"XEP-{feature.xep}." if feature.xep else f"RFC {feature.rfc}."


def chosen(config: Path | None, data: DataFolder) -> Path | None:
    """The configuration file that was asked for, else the one in the data folder, if there is one."""
    return config or (data.configuration if data.has(data.configuration) else None)


def read_configuration(
    file: Path | None, *, overriding: Mapping[str, Mapping[str, Any]] | None = None
) -> Configuration:
    """Read the configuration, then put other settings in place of its own. Raises ConfigError."""
    configuration = Configuration.load(file, sections()).with_values(overriding or {})
    with blaming(file):
        config_review.refuse_clashes(configuration, FEATURES)
    return configuration


def served_configuration(
    file: Path | None, *, overriding: Mapping[str, Mapping[str, Any]] | None = None
) -> Configuration:
    """The same for a server: what is unwise is said in the log."""
    configuration = read_configuration(file, overriding=overriding)
    for doubt in config_review.unwise(configuration, file):
        log.warning("%s%s", f"{file}: " if file else "", doubt)
    return configuration


def review_certificates(configuration: Configuration) -> config_review.CertificateReview:
    """Look at the certificates that the configuration names. Raises CertificateError where one is no use at all."""
    return config_review.review_certificates(configuration, FEATURES)


@contextmanager
def opened_server(data: DataFolder, configuration: Configuration, *, must_be_secure: bool = True) -> Iterator[Server]:
    """A server that can listen, on its data folder, which no other process can open meanwhile.

    The database is made, or brought up to date. Raises what cli.commands.FAILURES has.
    """
    data.make()
    data.close_to_others()
    with Database(data.database) as db:
        server = _server(configuration, db)
        tls = ServerTLS(configuration[TLSSettings], server.subdomains.by_domain, data.certificates)
        server.listeners.append(ClientListener(server, tls, must_be_secure=must_be_secure))
        yield server


def control_socket(server: Server, data: DataFolder) -> ControlSocket:
    """What the command line reaches the server by."""
    return ControlSocket(data.control, partial(administration.carry_out, server))


@contextmanager
def blaming(file: Path | None) -> Iterator[None]:
    """Name the configuration file where what it says turns out wrong only when it is tried."""
    try:
        yield
    except (CertificateError, ListenError, ClashError) as error:
        raise ConfigError(f"{file}: {error}" if file else str(error)) from error


@contextmanager
def blaming_options() -> Iterator[None]:
    """Name the option of the command line where it would help, whatever the configuration says."""
    try:
        yield
    except ListenError as error:
        option = f"--{error.key.replace('_', '-')}"
        raise ConfigError(f"{option}: {error.reason} With {option} 0 the system chooses one.") from error


@contextmanager
def kept_or_temporary(data: Path | None) -> Iterator[DataFolder]:
    """The data folder that was asked for, else one for as long as this lasts."""
    if data:
        yield DataFolder(data)
        return
    with TemporaryDirectory(prefix="xserv-demo-") as temporary:
        yield DataFolder(Path(temporary))


# Administration


@contextmanager
def administering(
    config: Path | None, data: DataFolder, *, may_make: bool, made_new: Callable[[], None]
) -> Iterator[CarryOut]:
    """What carries out administration: the server that runs on the data folder, or this process.

    `may_make`: where there is no database, a new one is made, and `made_new` called. Raises DataFolderError otherwise.
    """
    client = ControlClient.connect(data.control)
    if client:
        with closing(client):
            yield client
        return
    if not may_make:
        data.refuse_missing_database()
    with ExitStack() as opened:
        yield _Alone(data, chosen(config, data), opened, made_new)


class _Alone:
    """Carries out administration while no server runs. What is not there is made by the first command that stores."""

    def __init__(self, data: DataFolder, file: Path | None, opened: ExitStack, made_new: Callable[[], None]) -> None:
        self._data = data
        self._file = file
        self._configuration = read_configuration(file)
        self._opened = opened
        self._made_new = made_new
        self._server: Server | None = None

    def __call__(self, command: str, **arguments: Any) -> Any:
        if command == "unsuitable":
            return self._unsuitable(**arguments)
        return administration.carry_out(self._its_server(), command, **arguments)

    def _unsuitable(self, addresses: Sequence[str]) -> list[tuple[int, str]]:
        found = self._judge(addresses)
        return [(place, self._foreign(addresses[place]) or reason) for place, reason in found]

    def _foreign(self, address: str) -> str | None:
        """What to do where the domain is not known here: the server may be run with another configuration."""
        domains = self._configuration[ServerSettings].domains
        domain = administration.domain_of(address)
        if domain is None or domain in domains:
            return None
        if self._file:
            return (
                f"{domain} is not among the domains of {self._file} ({', '.join(domains)}): "
                "add it there to [server] domains, or name the server's configuration with --config."
            )
        return (
            f"{domain} is not among the domains known here ({', '.join(domains)}), since there is no configuration: "
            f"name the server's with --config, or put it at {self._data.configuration}."
        )

    def _judge(self, addresses: Sequence[str]) -> Any:
        """Where there is no database yet, on one that is thrown away: none is made for what is refused anyway."""
        if self._data.has(self._data.database):
            return administration.carry_out(self._its_server(), "unsuitable", addresses=addresses)
        with TemporaryDirectory() as empty, Database(Path(empty) / "xserv.db") as db:
            return administration.carry_out(_server(self._configuration, db), "unsuitable", addresses=addresses)

    def _its_server(self) -> Server:
        self._server = self._server or self._open()
        return self._server

    def _open(self) -> Server:
        is_new = not self._data.has(self._data.database)
        self._data.make()
        self._data.close_to_others()
        db = self._opened.enter_context(Database(self._data.database, may_migrate=False))
        if is_new:
            self._made_new()
        return _server(self._configuration, db)


def _server(configuration: Configuration, db: Database) -> Server:
    return Server(configuration, db, FEATURES, TABLES, storage_errors=(StorageError,))
