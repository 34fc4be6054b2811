"""The command line: `xserv demo`, `run`, `user` and `config`."""

import functools
import logging
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import click

import assembly
from cli import demonstration, terminal
from cli.service import loss_of_terminal, serve
from db.sqlite.errors import StorageError
from xmpp import __version__, config_review
from xmpp.config.configuration import ConfigError
from xmpp.config.datafolder import DataFolder, DataFolderError
from xmpp.config.texts import documentation, example
from xmpp.control import CarryOut, ControlError, Refused
from xmpp.running import logs
from xmpp.stream.listener import ListenError
from xmpp.stream.tls.certificates import CertificateError

log = logging.getLogger("xserv")

FAILURES = (ConfigError, CertificateError, ListenError, StorageError, ControlError, Refused, DataFolderError)
"""Failures that are not mistakes in the code: reported in one sentence, without a traceback."""


class CommandLine(click.Group):
    """Commands that report a failure in one sentence and exit with status 1. The sentence is JSON if the log is."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        if not logs.asks_for_json(sys.argv[1:]):
            return super().main(*arguments, **options)
        try:
            status = super().main(*arguments, **{**options, "standalone_mode": False})
        except click.ClickException as failure:
            log.error(failure.format_message())
            sys.exit(failure.exit_code)
        except click.Abort:
            log.error("interrupted")
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)

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


def _start_logging(style: str, level: str) -> terminal.Say:
    """Start the log; returns a function that prints lines in the same style."""
    logs.start_logging(style, level)
    log.info("xserv %s starts, on Python %s", __version__, platform.python_version())
    return logs.printer(style, click.echo)


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
    """Run the server until SIGTERM or Ctrl-C; SIGHUP reads configuration and certificates again.

    Where it was started on a terminal, it ends with the terminal.
    """
    say = _start_logging(log_format, log_level)
    folder = DataFolder(data)
    file = assembly.chosen(config, folder)
    configured = functools.partial(assembly.served_configuration, file)
    with assembly.blaming(file), assembly.opened_server(folder, configured()) as server:
        announce = functools.partial(terminal.announce_server, say, server.default_domain, data)
        control = assembly.control_socket(server, folder)
        serve(server, control, configured, announce, ends_at_hangup=loss_of_terminal())


@main.command()
@click.option("--config", type=_file, help="The configuration; what a demo is for stays as it is.")
@click.option("--data", type=_folder, help="Keep accounts and keys here; without it they go when the demo ends.")
@click.option("--address", "addresses", multiple=True, default=["127.0.0.1"], help="A loopback address.")
@click.option("--port", type=int, help="For STARTTLS; 0: the system chooses.")
@click.option("--tls-port", type=int, help="For TLS from the first byte; 0: the system chooses.")
@click.option("--http-port", type=int, help="For browsers on this machine; 0: the system chooses.")
@click.option("--https-port", type=int, help="For browsers over TLS; 0: the system chooses.")
@click.option("--domain", "domains", multiple=True, help="A domain to serve, in place of localhost; can be repeated.")
@_log_format_option
@_log_level_option
def demo(config: Path | None, data: Path | None, log_format: str, log_level: str, **options: Any) -> None:
    """Try it out, on this machine only: two ready accounts, open registration, login without TLS."""
    say = _start_logging(log_format, log_level)
    configured = functools.partial(assembly.served_configuration, config, overriding=demonstration.settings(**options))
    with (
        assembly.blaming(config),
        assembly.blaming_options(),
        assembly.kept_or_temporary(data) as folder,
        assembly.opened_server(folder, configured(), must_be_secure=False) as server,
    ):
        announce = functools.partial(terminal.announce_demo, say, demonstration.make_accounts(server))
        serve(server, assembly.control_socket(server, folder), configured, announce, ends_at_hangup=lambda: True)


@main.group()
def user() -> None:
    """Accounts, whether the server runs or not. Passwords are asked for, or read from standard input."""


def _administrative(*, may_make: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, as its first argument, what carries out administration: the server that runs on the data folder,
    or this process.

    `may_make`: a database is made if there is none; only for commands that make accounts.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @_config_option
        @_data_option
        @functools.wraps(command)
        def administering(config: Path | None, data: Path, **arguments: Any) -> None:
            made_new = functools.partial(terminal.announce_new_database, data)
            with assembly.administering(config, DataFolder(data), may_make=may_make, made_new=made_new) as carry_out:
                command(carry_out, **arguments)

        return administering

    return decorated


@user.command()
@click.argument("account")
@_administrative(may_make=True)
def add(carry_out: CarryOut, account: str) -> None:
    """Make an account, for example juliet@example.org."""
    for _, reason in carry_out("unsuitable", addresses=[account]):
        raise Refused(reason)
    carry_out("add", account=account, password=terminal.ask_password())
    click.echo(f"{account} can log in now.")


@user.command()
@click.argument("account")
@_administrative()
def passwd(carry_out: CarryOut, account: str) -> None:
    """Set another password; whoever is logged in as this account is logged out."""
    carry_out("passwd", account=account, password=terminal.ask_password())
    click.echo(f"{account} has a new password.")


@user.command()
@click.argument("account")
@_administrative()
def remove(carry_out: CarryOut, account: str) -> None:
    """Remove an account and all it has; whoever is logged in as it is logged out."""
    carry_out("remove", account=account)
    click.echo(f"{account} is gone.")


@user.command("list")
@_administrative()
def list_accounts(carry_out: CarryOut) -> None:
    """List the accounts, the day each was made on, and how many clients are logged in."""
    terminal.show_accounts(carry_out("list"))


@user.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@_administrative(may_make=True)
def import_accounts(carry_out: CarryOut, file: TextIO) -> None:
    """Make the accounts of FILE, or of standard input for `-`: on each line an address, a space or tab, a password."""
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
    click.echo(example(assembly.sections()), nl=False)


@configuration.command("documentation")
def print_documentation() -> None:
    """Print the same as Markdown."""
    click.echo(documentation(assembly.sections()), nl=False)


@configuration.command("check")
@click.argument("file", type=_file)
def check(file: Path) -> None:
    """Check a configuration, and the certificates that it names."""
    checked = assembly.read_configuration(file)
    with assembly.blaming(file):
        certificates = assembly.review_certificates(checked)
    doubts = [*config_review.unwise(checked, file), *certificates.doubts]
    if doubts:
        raise ConfigError("\n".join(f"{file}: {doubt}" for doubt in doubts))
    for note in certificates.notes:
        click.echo(note, err=True)
    click.echo(f"{file} is fine.")
