"""`xserv motd` and `xserv welcome`: what a domain says to each of its accounts once."""

import sys

import click

from cli import options, terminal
from handlers.admin.greetings import MOTD, WELCOME
from xmpp.control import CarryOut

_domain = click.option("--domain", default="", help="Only at this domain, if there are several.")


@click.group()
def motd() -> None:
    """The message of the day: each account is told it once, when it is online."""


@click.group()
def welcome() -> None:
    """What new accounts are told when they come online for the first time."""


@motd.command("set")
@click.argument("text")
@click.option("--mended", is_flag=True, help="Do not tell those again who were told the one before.")
@_domain
@options.administrative()
def set_motd(carry_out: CarryOut, text: str, mended: bool, domain: str) -> None:
    """Say TEXT, or for `-` standard input: at once to those who are online."""
    carry_out("greet", kind=MOTD, text=_given(text), domain=domain, is_mended=mended)
    click.echo("It is said from now on.")


@welcome.command("set")
@click.argument("text")
@_domain
@options.administrative()
def set_welcome(carry_out: CarryOut, text: str, domain: str) -> None:
    """Say TEXT, or for `-` standard input, to accounts that are made from now on."""
    carry_out("greet", kind=WELCOME, text=_given(text), domain=domain)
    click.echo("It is said from now on.")


def _add_others(group: click.Group, kind: str) -> None:
    """`show` and `remove`, which are the same for both."""

    @group.command()
    @_domain
    @options.administrative()
    def show(carry_out: CarryOut, domain: str) -> None:
        """Print what is said, by domain."""
        terminal.show(("Domain", "Text"), carry_out("greeting", kind=kind, domain=domain))

    @group.command()
    @_domain
    @options.administrative()
    def remove(carry_out: CarryOut, domain: str) -> None:
        """Say nothing any more."""
        carry_out("remove-greeting", kind=kind, domain=domain)
        click.echo("Nothing is said any more.")


_add_others(motd, MOTD)
_add_others(welcome, WELCOME)


def _given(text: str) -> str:
    return sys.stdin.read() if text == "-" else text
