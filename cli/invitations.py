"""`xserv invite` and `xserv group`: people are invited, and made each other's contacts."""

import io
import re
import shutil
import sys

import click
import segno

from cli import options, terminal
from db.invitations import RESET
from handlers.admin import groups as of_groups
from handlers.admin import invitations as of_invitations
from handlers.admin.invitations import Made
from xmpp.control import CarryOut

UNITS = {"h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"([1-9][0-9]{0,4})([hd]?)")

_domain = click.option("--domain", default="", help="Of which domain, if there are several.")


class Invite(click.Group):
    """Commands, of which `link` is the one that is meant where none is named; so its options stand in the help."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """As for any group of commands."""
        if not args or (args[0].startswith("-") and args[0] not in context.help_option_names):
            args = ["link", *args]
        return super().parse_args(context, args)

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Those of `link`, before the list of commands."""
        link = self.get_command(context, "link")
        records = [record for each in (link.params if link else []) if (record := each.get_help_record(context))]
        with formatter.section("Options"):
            formatter.write_dl([*records, ("-h, --help", "Show this message and exit.")])
        self.format_commands(context, formatter)


class Duration(click.ParamType[float]):
    """So many days or hours, in seconds."""

    name = "days"

    def convert(self, value: object, parameter: click.Parameter | None, context: click.Context | None) -> float:
        """From a text such as 7, 7d or 12h."""
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"expected days, as in 7 or 7d, or hours, as in 12h, found {value!r}", parameter, context)
        return int(found[1]) * UNITS[found[2] or "d"]


@click.group(cls=Invite)
def invite() -> None:
    """Links with which people make accounts, or set another password; without a command: `link`."""


@invite.command()
@click.option("--name", default="", help="The name that the new account gets; nobody else gets it meanwhile.")
@click.option("--group", default="", help="The group that whoever comes joins (see `xserv group`).")
@click.option("--uses", type=click.IntRange(1), default=1, help="For how many accounts it is good.", show_default=True)
@click.option("--expires", type=Duration(), default=0.0, help="How long it holds: 7 or 7d for days, 12h for hours.")
@click.option("--reset", "account", metavar="ACCOUNT", help="For who has forgotten the password of this account.")
@click.option("--qr/--no-qr", default=None, help="Draw it, to be read by a camera: as usual, on a terminal only.")
@_domain
@options.administrative(may_make=True)
def link(
    carry_out: CarryOut,
    name: str,
    group: str,
    uses: int,
    expires: float,
    account: str | None,
    qr: bool | None,
    domain: str,
) -> None:
    """Print a link with which an account can be made: once, by anybody who has it, unless told otherwise."""
    if account is not None:
        if name or group or uses > 1 or expires:
            raise click.UsageError("--reset ACCOUNT stands alone.")
        made = Made(*carry_out("reset-link", account=account))
    else:
        made = Made(*carry_out("invite", name=name, domain=domain, group=group, uses=uses, seconds=expires))
    for address in filter(None, (made.page, made.uri)):
        click.echo(address)
    if sys.stdout.isatty() if qr is None else qr:
        _draw(made.page or made.uri)
    click.echo(f"Number {made.number}; it holds until {terminal.minute(made.expires)}.", err=True)


def _draw(address: str) -> None:
    """Draw an address, light on dark whatever the terminal has: not all cameras read it the other way round."""
    drawn = io.StringIO()
    segno.make(address, error="m", micro=False).terminal(drawn, compact=True)
    if not terminal.can_show(drawn.getvalue()):
        click.echo(f"It is not drawn: {sys.stdout.encoding}, the encoding here, has no blocks; UTF-8 has.", err=True)
        return
    lines = drawn.getvalue().splitlines()
    if len(lines[0]) > (columns := shutil.get_terminal_size().columns):
        click.echo(f"It is not drawn: the terminal has {columns} columns, and it takes {len(lines[0])}.", err=True)
        return
    for line in lines:
        click.secho(line, fg="bright_white", bg="black")


@invite.command("list")
@options.search_option
@options.administrative()
def list_invitations(carry_out: CarryOut, text: str) -> None:
    """List the invitations, the oldest first: number, kind, for whom, into which group, by whom, how many more times
    it can be used, until when, and whether it is open, used or expired."""
    terminal.show(
        ("Number", "Kind", "For", "Group", "By", "Uses left", "Until", "State"),
        (
            (each.number, each.kind, _whom(each), each.group, each.inviter, each.uses_left,
             terminal.minute(each.expires), each.state)
            for each in options.pages(carry_out, "invitations", text, of_invitations.Listed)
        ),
    )  # fmt: skip


@invite.command()
@click.argument("number")
@options.administrative()
def revoke(carry_out: CarryOut, number: str) -> None:
    """Take an invitation back, by its number."""
    carry_out("revoke", number=number)
    click.echo(f"Invitation {number} is taken back.")


def _whom(invitation: of_invitations.Listed) -> str:
    if invitation.account:
        return invitation.account
    return f"anybody at {invitation.domain}" if invitation.kind != RESET else ""


# -- groups


@click.group()
def group() -> None:
    """Groups of people who have each other as contacts."""


@group.command("list")
@options.search_option
@options.administrative()
def list_groups(carry_out: CarryOut, text: str) -> None:
    """List the groups: name, domain, how many are in it, its room, and when it was made."""
    found = options.pages(carry_out, "groups", text, of_groups.Listed)
    rows = ((each.name, each.domain, each.members, each.room, terminal.day(each.created)) for each in found)
    terminal.show(("Group", "Domain", "Members", "Room", "Made on"), rows)


@group.command("create")
@click.argument("group")
@click.option("--room", is_flag=True, help="With a room for its members.")
@_domain
@options.administrative()
def create_group(carry_out: CarryOut, group: str, room: bool, domain: str) -> None:
    """Make a group; GROUP is what its members have in their contact lists."""
    carry_out("create-group", group=group, domain=domain, room=room)
    click.echo(f"There is a group {group} now.")


@group.command("members")
@click.argument("group")
@_domain
@options.administrative()
def list_members(carry_out: CarryOut, group: str, domain: str) -> None:
    """List the members of a group."""
    terminal.show(("Member",), ((each,) for each in carry_out("group", group=group, domain=domain)))


@group.command("add")
@click.argument("group")
@click.argument("account")
@_domain
@options.administrative()
def add_member(carry_out: CarryOut, group: str, account: str, domain: str) -> None:
    """Put an account into a group: it and all others in it have each other as contacts."""
    carry_out("add-to-group", group=group, account=account, domain=domain)
    click.echo(f"{account} is in {group} now.")


@group.command("remove")
@click.argument("group")
@click.argument("account")
@_domain
@options.administrative()
def remove_member(carry_out: CarryOut, group: str, account: str, domain: str) -> None:
    """Take an account out of a group: it and the others are no contacts any more, unless they were before."""
    carry_out("remove-from-group", group=group, account=account, domain=domain)
    click.echo(f"{account} is not in {group} any more.")


@group.command("delete")
@click.argument("group")
@_domain
@options.administrative()
def delete_group(carry_out: CarryOut, group: str, domain: str) -> None:
    """End a group, and its room. Those who were in it stay each other's contacts."""
    carry_out("delete-group", group=group, domain=domain)
    click.echo(f"The group {group} is gone.")
