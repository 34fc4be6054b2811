"""The command line: all commands of `xserv`, and what becomes of failures."""

import functools
import logging
import os
import platform
import sys
from pathlib import Path
from typing import Any

import click

import assembly
from cli import administration, demonstration, files, greetings, invitations, options, people, terminal
from cli.service import loss_of_terminal, serve
from db.sqlite.errors import StorageError
from xmpp import __version__, config_review
from xmpp.config.configuration import ConfigError
from xmpp.config.datafolder import DataFolder, DataFolderError
from xmpp.config.texts import documentation, example
from xmpp.control import ControlError, Refused
from xmpp.data import stanza
from xmpp.running import logs
from xmpp.stream.listener import ListenError
from xmpp.stream.tls.certificates import CertificateError

log = logging.getLogger("xserv")

FAILURES = (ConfigError, CertificateError, ListenError, StorageError, ControlError, Refused, DataFolderError)
"""Failures that are not mistakes in the code: reported in one sentence, without a traceback."""


class CommandLine(click.Group):
    """Commands that report a failure in one sentence and exit with status 1. The sentence is JSON if the log is."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        terminal.write_what_it_can_show()
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


_log_format_option = click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
_log_level_option = click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)


def _start_logging(style: str, level: str) -> terminal.Say:
    """Start the log; returns a function that prints lines in the same style."""
    logs.start_logging(style, level)
    how = "" if stanza.__file__.endswith(".py") else ", with compiled modules"
    log.info("xserv %s starts, on Python %s%s", __version__, platform.python_version(), how)
    return logs.printer(style, click.echo)


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xserv")
def main() -> None:
    """An XMPP server that starts with one command: `xserv demo` to try it out, `xserv run` to keep it."""
    os.umask(0o077)  # the database, its log, keys and sockets are for their owner only


@main.command()
@options.config_option
@options.data_option
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

        def announce(listening: list[str]) -> None:
            page = assembly.address_for_browsers(server)
            terminal.announce_server(say, server.default_domain, data, page, listening)

        control = assembly.control_socket(server, folder)
        serve(server, control, configured, announce, ends_at_hangup=loss_of_terminal())


@main.command()
@click.option("--config", type=options.FILE, help="The configuration; what a demo is for stays as it is.")
@click.option("--data", type=options.FOLDER, help="Keep accounts and keys here; without it they go when the demo ends.")
@click.option("--address", "addresses", multiple=True, default=["127.0.0.1"], help="A loopback address.")
@click.option("--port", type=int, help="For STARTTLS; 0: the system chooses.")
@click.option("--tls-port", type=int, help="For TLS from the first byte; 0: the system chooses.")
@click.option("--http-port", type=int, help="For browsers on this machine; 0: the system chooses.")
@click.option("--https-port", type=int, help="For browsers over TLS; 0: the system chooses.")
@click.option("--domain", "domains", multiple=True, help="A domain to serve, in place of localhost; can be repeated.")
@click.option("--browser/--no-browser", default=True, help="Open the demo in the browser, if there is a desktop.")
@_log_format_option
@_log_level_option
def demo(
    config: Path | None, data: Path | None, browser: bool, log_format: str, log_level: str, **chosen: Any
) -> None:
    """Try it out, on this machine only: two ready accounts, open registration, login without TLS."""
    say = _start_logging(log_format, log_level)
    overriding = demonstration.settings(**chosen, is_configured=config is not None)
    configured = functools.partial(assembly.served_configuration, config, overriding=overriding)
    with (
        assembly.blaming(config),
        assembly.blaming_options(),
        assembly.kept_or_temporary(data) as folder,
        assembly.opened_server(folder, configured(), is_demo=True) as server,
    ):
        passwords, room = demonstration.make_accounts(server), demonstration.make_room(server)

        def announce(listening: list[str]) -> None:
            shown = assembly.show_in_browser(server, passwords, room) if passwords else None
            terminal.announce_demo(say, passwords, shown, listening)
            if shown and browser:
                demonstration.open_in_browser(shown)

        serve(server, assembly.control_socket(server, folder), configured, announce, ends_at_hangup=lambda: True)


main.add_command(people.user)
main.add_command(invitations.invite)
main.add_command(invitations.group)
main.add_command(administration.rooms)
main.add_command(administration.sessions)
main.add_command(administration.federation)
main.add_command(administration.reports)
main.add_command(administration.announce)
main.add_command(files.files)
main.add_command(greetings.motd)
main.add_command(greetings.welcome)


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
@click.argument("file", type=options.FILE)
def check(file: Path) -> None:
    """Check a configuration, and the certificates that it names."""
    checked = assembly.read_configuration(file)
    with assembly.blaming(file):
        certificates = assembly.review_certificates(checked)
    doubts = [*config_review.unwise(checked, file), *certificates.doubts]
    if doubts:
        raise ConfigError("\n".join(f"{file}: {doubt}" for doubt in doubts))
    for note in (*assembly.notes_on_domains(checked), *assembly.notes_on_components(checked), *certificates.notes):
        click.echo(note, err=True)
    click.echo(f"{file} is fine.")


@configuration.command("dns")
@options.config_option
@options.data_option
def look_up_records(config: Path | None, data: Path) -> None:
    """Look up what other servers find in DNS for your domains and their services, and say what is missing."""
    missing, configured = 0, assembly.read_configuration(assembly.chosen(config, DataFolder(data)))
    if not assembly.talks_to_other_servers(configured):
        raise ConfigError("This server does not talk to others: see [federation], and the names of its domains.")
    for found in assembly.own_records(configured):
        click.echo(found.text)
        missing += found.is_missing
    if missing:
        raise ConfigError(f"{missing} of these cannot be reached by other servers.")


@configuration.command("host-meta")
@options.config_option
@options.data_option
def print_host_meta(config: Path | None, data: Path) -> None:
    """Print what the web server of your domain needs, so that clients in browsers find this server."""
    configured = assembly.read_configuration(assembly.chosen(config, DataFolder(data)))
    for lines in assembly.host_meta_to_paste(configured):
        click.echo(lines)
