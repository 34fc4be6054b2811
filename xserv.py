"""xserv: the command line, and the place where all parts are put together. The only file that sees everything."""

from gevent import monkey

monkey.patch_all()  # before anything else imports sockets and threads

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import click

from db.database import Database
from db.errors import StorageError
from handlers import FEATURES, TABLES, administration, demonstration
from xmpp import __version__, terminal
from xmpp.config import ConfigError, Configuration, Section
from xmpp.config_texts import documentation, example
from xmpp.control import CarryOut, ControlClient, ControlError, ControlSocket, Refused
from xmpp.logs import start_logging
from xmpp.routing.feature import Feature
from xmpp.server import Server, ServerSettings
from xmpp.service import serve
from xmpp.stream.certificates import CertificateError
from xmpp.stream.client import StreamSettings
from xmpp.stream.listener import ListenError, ListenSettings
from xmpp.stream.tls import ServerTLS, TLSSettings

DATABASE, CONTROL, CERTIFICATES = "xserv.db", "control.sock", "certificates"  # in the data folder
FAILURES = (ConfigError, CertificateError, ListenError, StorageError, ControlError, Refused)
"""What is no mistake in the code: told in one sentence, without a traceback."""


# The command line


class CommandLine(click.Group):
    """Commands that end with one sentence and exit status 1 where they fail."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except FAILURES as failure:
            raise click.ClickException(str(failure)) from failure


def _default_data() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "xserv"


_folder = click.Path(file_okay=False, path_type=Path)
_file = click.Path(dir_okay=False, path_type=Path)
_data_option = click.option(
    "--data",
    type=_folder,
    envvar="XSERV_DATA",
    default=_default_data,
    help="Where accounts and keys are kept: $XSERV_DATA, else ~/.local/state/xserv.",
)
_config_option = click.option("--config", type=_file, help="The configuration: DATA/xserv.toml, if there is one.")
_log_format_option = click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
_log_level_option = click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xserv")
def main() -> None:
    """An XMPP server that starts with one command: `xserv demo` to try it out, `xserv run` to keep it."""
    os.umask(0o077)  # the database, its log, keys and sockets are for their owner only


@main.command()
@_config_option
@_data_option
@_log_format_option
@_log_level_option
def run(config: Path | None, data: Path, log_format: str, log_level: str) -> None:
    """Run the server until SIGTERM or Ctrl-C; SIGHUP reads configuration and certificates again."""
    start_logging(log_format, log_level)
    file = _chosen(config, data)
    configured = functools.partial(_configuration, file)
    with _blaming(file), _opened_server(data, configured(), has_tls=True) as server:
        announce = functools.partial(terminal.announce_server, server.default_domain, data)
        serve(server, _control_socket(server, data), configured, announce)


@main.command()
@click.option("--config", type=_file, help="The configuration; what a demo is for stays as it is.")
@click.option("--data", type=_folder, help="Keep accounts and keys here; without it they go when the demo ends.")
@click.option("--address", "addresses", multiple=True, default=["127.0.0.1"], help="A loopback address.")
@click.option("--port", type=int, help="For STARTTLS; 0: the system chooses.")
@click.option("--tls-port", type=int, help="For TLS from the first byte; 0: the system chooses.")
@click.option("--domain", "domains", multiple=True, help="A domain to serve, in place of localhost; can be repeated.")
@_log_format_option
@_log_level_option
def demo(config: Path | None, data: Path | None, log_format: str, log_level: str, **options: Any) -> None:
    """Try it out, on this machine only: two ready accounts, open registration, login without TLS."""
    start_logging(log_format, log_level)
    configured = functools.partial(_configuration, config, overriding=demonstration.settings(**options))
    with (
        _blaming(config),
        _kept_or_temporary(data) as folder,
        _opened_server(folder, configured(), has_tls=True, must_be_secure=False) as server,
    ):
        announce = functools.partial(terminal.announce_demo, demonstration.make_accounts(server))
        serve(server, _control_socket(server, folder), configured, announce)


@main.group()
def user() -> None:
    """Accounts, whether the server runs or not. Passwords are asked for, or read from standard input."""


def _administrative(command: Callable[..., None]) -> Callable[..., None]:
    """Hand a command what carries out administration: the server that runs on the data folder, or this process."""

    @_config_option
    @_data_option
    @functools.wraps(command)
    def administering(config: Path | None, data: Path, **arguments: Any) -> None:
        with _administration(config, data) as carry_out:
            command(carry_out, **arguments)

    return administering


@user.command()
@click.argument("account")
@_administrative
def add(carry_out: CarryOut, account: str) -> None:
    """Make an account, for example juliet@example.org."""
    carry_out("add", account=account, password=terminal.ask_password())
    click.echo(f"{account} can log in now.")


@user.command()
@click.argument("account")
@_administrative
def passwd(carry_out: CarryOut, account: str) -> None:
    """Set another password; whoever is logged in as this account is logged out."""
    carry_out("passwd", account=account, password=terminal.ask_password())
    click.echo(f"{account} has a new password.")


@user.command()
@click.argument("account")
@_administrative
def remove(carry_out: CarryOut, account: str) -> None:
    """Remove an account and all it has; whoever is logged in as it is logged out."""
    carry_out("remove", account=account)
    click.echo(f"{account} is gone.")


@user.command("list")
@_administrative
def list_accounts(carry_out: CarryOut) -> None:
    """List the accounts, the day each was made on, and how many clients are logged in."""
    terminal.show_accounts(carry_out("list"))


@user.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@_administrative
def import_accounts(carry_out: CarryOut, file: TextIO) -> None:
    """Make the accounts of FILE, or of standard input for `-`: on each line an address, a space, a password."""
    listed = terminal.read_accounts(file)
    for number, reason in carry_out("unsuitable", addresses=[each.address for each in listed]):
        raise Refused(f"{file.name}, line {listed[number].line}: {reason} Nothing was imported.")
    for batch in terminal.in_batches([(each.address, each.password) for each in listed]):
        carry_out("import", accounts_and_passwords=batch)
    click.echo(f"{len(listed)} accounts can log in now.")


@main.group("config")
def configuration() -> None:
    """The configuration file."""


@configuration.command("example")
def print_example() -> None:
    """Print a whole configuration: every setting, explained, with its default value."""
    click.echo(example(_sections()), nl=False)


@configuration.command("documentation")
def print_documentation() -> None:
    """Print the same as Markdown."""
    click.echo(documentation(_sections()), nl=False)


@configuration.command("check")
@click.argument("file", type=_file)
def check(file: Path) -> None:
    """Check a configuration, and the certificates that it names."""
    checked = _configuration(file)
    with _blaming(file), TemporaryDirectory() as keys:
        ServerTLS(checked[TLSSettings], checked[ServerSettings].domains, Path(keys))
    click.echo(f"{file} is fine.")


# Putting the parts together


def _sections() -> list[Section]:
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


def _chosen(config: Path | None, data: Path) -> Path | None:
    """The configuration file that was asked for, else the one in the data folder, if there is one."""
    beside = data / "xserv.toml"
    return config or (beside if beside.exists() else None)


def _configuration(file: Path | None, *, overriding: Mapping[str, Mapping[str, Any]] | None = None) -> Configuration:
    """Read the configuration, then put other settings in place of its own. Raises ConfigError."""
    return Configuration.load(file, _sections()).with_values(overriding or {})


@contextmanager
def _kept_or_temporary(data: Path | None) -> Iterator[Path]:
    if data:
        yield data
        return
    with TemporaryDirectory(prefix="xserv-demo-") as temporary:
        yield Path(temporary)


@contextmanager
def _opened_server(
    data: Path, configuration: Configuration, *, has_tls: bool, must_be_secure: bool = True
) -> Iterator[Server]:
    """A server on its data folder, which no other process can open meanwhile."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{data}: this folder cannot be made: {error.strerror}.") from error
    domains = configuration[ServerSettings].domains
    with Database(data / DATABASE) as db:
        tls = ServerTLS(configuration[TLSSettings], domains, data / CERTIFICATES) if has_tls else None
        yield Server(
            configuration,
            db,
            FEATURES,
            TABLES,
            storage_errors=(StorageError,),
            tls=tls,
            must_be_secure=must_be_secure,
        )


@contextmanager
def _blaming(file: Path | None) -> Iterator[None]:
    """Name the configuration file where what it says turns out wrong only when it is tried."""
    try:
        yield
    except (CertificateError, ListenError) as error:
        raise ConfigError(f"{file}: {error}" if file else str(error)) from error


def _control_socket(server: Server, data: Path) -> ControlSocket:
    return ControlSocket(data / CONTROL, functools.partial(administration.carry_out, server))


@contextmanager
def _administration(config: Path | None, data: Path) -> Iterator[CarryOut]:
    client = ControlClient.connect(data / CONTROL)
    if client:
        with closing(client):
            yield client
        return
    with _opened_server(data, _configuration(_chosen(config, data)), has_tls=False) as server:
        yield functools.partial(administration.carry_out, server)


if __name__ == "__main__":
    main(prog_name="xserv")
