"""`xserv user`: accounts."""

from typing import TextIO

import click

from cli import options, terminal
from handlers.admin.activity import Contact, Statistics
from handlers.admin.people import MAX_DAYS, Person
from handlers.admin.roles import ADMINISTRATOR, LIMITED, MEMBER, ROLES
from handlers.login.client_access import CERTIFICATE, PASSWORD, Client
from xmpp.control import CarryOut, Refused


@click.group()
def user() -> None:
    """Accounts, whether the server runs or not. Passwords are asked for, or read from standard input."""


@user.command()
@click.argument("account")
@options.administrative(may_make=True)
def add(carry_out: CarryOut, account: str) -> None:
    """Make an account, for example juliet@example.org."""
    for _, reason in carry_out("unsuitable", addresses=[account]):
        raise Refused(reason)
    carry_out("add", account=account, password=terminal.ask_password())
    click.echo(f"{account} can log in now.")


@user.command()
@click.argument("account")
@options.administrative()
def passwd(carry_out: CarryOut, account: str) -> None:
    """Set another password; whoever is logged in as this account is logged out."""
    carry_out("passwd", account=account, password=terminal.ask_password())
    click.echo(f"{account} has a new password.")


@user.command()
@click.argument("account")
@click.option("--days", type=click.IntRange(0, MAX_DAYS), default=0, help="Keep it for so long, to be restored.")
@options.administrative()
def remove(carry_out: CarryOut, account: str, days: int) -> None:
    """Remove an account and all it has; whoever is logged in as it is logged out."""
    carry_out("remove", account=account, days=days)
    click.echo(f"{account} is gone in {days} days." if days else f"{account} is gone.")


@user.command()
@click.argument("account")
@options.administrative()
def restore(carry_out: CarryOut, account: str) -> None:
    """Keep an account that was to be removed after some days."""
    carry_out("restore", account=account)
    click.echo(f"{account} stays.")


@user.command()
@click.argument("account")
@options.administrative()
def disable(carry_out: CarryOut, account: str) -> None:
    """Let nobody log in to an account; whoever is logged in as it is logged out. All that it has stays."""
    carry_out("disable", account=account)
    click.echo(f"{account} cannot log in any more.")


@user.command()
@click.argument("account")
@options.administrative()
def enable(carry_out: CarryOut, account: str) -> None:
    """Undo `disable`."""
    carry_out("enable", account=account)
    click.echo(f"{account} can log in again.")


@user.command()
@click.argument("account")
@click.argument("role", type=click.Choice(ROLES))
@options.administrative()
def role(carry_out: CarryOut, account: str, role: str) -> None:
    """Say what an account may do: a member is free, a limited one stays within this server, makes no rooms and invites
    nobody, an administrator looks after the others."""
    carry_out("role", account=account, role=role)
    click.echo(f"{account} is {'an' if role == ADMINISTRATOR else 'a'} {role}{' account' * (role == LIMITED)} now.")


@user.command()
@click.argument("account")
@click.option("--revoke", metavar="ID", help="End the sessions of this one, and have it log in anew.")
@options.administrative()
def devices(carry_out: CarryOut, account: str, revoke: str | None) -> None:
    """List the clients that can log in to an account, or have: what they are, when they came and were there last, and
    by what they log in."""
    if revoke is None:
        found = [Client(*each) for each in carry_out("devices", account=account)]
        terminal.show(("Id", "Software", "Device", "Since", "Last seen", "By"), map(_device, found))
    else:
        ways = carry_out("revoke-device", account=account, id=revoke)
        if not ways:
            click.echo(f"This client of {account} cannot log in any more.")
        if PASSWORD in ways:
            click.echo(f"This client was logged out, but it knows the password: see `xserv user passwd {account}`.")
        if CERTIFICATE in ways:
            click.echo(
                "This client was logged out, but it has logged in with a certificate, which lets it in until it "
                "expires or is on the list of those that its authority has revoked ([tls] client_authorities)."
            )


@user.command("list")
@options.administrative()
def list_accounts(carry_out: CarryOut) -> None:
    """List the accounts: the day each was made on, how many clients are logged in, its role, and whether it is
    disabled or to be removed."""
    people = [Person(*each) for each in carry_out("list")]
    terminal.show(("Account", "Made on", "Sessions", "Role", "State"), map(_row, people))


@user.command("show")
@click.argument("account")
@options.administrative()
def show_account(carry_out: CarryOut, account: str) -> None:
    """Print what is known of an account: its last login, its sessions and where they come from, its contacts."""
    person, *_ = carry_out("person", account=account)
    at, found = carry_out("last-login", account=account), Statistics(*carry_out("statistics", account=account))
    _, made, sessions, role, state = _row(Person(*person))
    rows = {
        "Made on": made,
        "Role": role or MEMBER,
        "State": state,
        "Last login": terminal.minute(at) if at is not None else "",
        "Sessions": f"{sessions} {' '.join(found.resources)}".strip(),
        "From": " ".join(found.addresses),
        "Contacts": found.contacts,
    }
    terminal.show((account, ""), rows.items())


@user.command("contacts")
@click.argument("account")
@options.administrative()
def list_contacts(carry_out: CarryOut, account: str) -> None:
    """List the contacts of an account: address, name, who gets whose presence, and the groups."""
    contacts = (Contact(*each) for each in carry_out("roster", account=account))
    rows = ((each.contact, each.name, each.subscription, ", ".join(each.groups)) for each in contacts)
    terminal.show(("Contact", "Name", "Subscription", "Groups"), rows)


@user.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@options.administrative(may_make=True)
def import_accounts(carry_out: CarryOut, file: TextIO) -> None:
    """Make the accounts of FILE, or of standard input for `-`: on each line an address, a space or tab, a password, or
    the keys that another server has kept of it."""
    listed = terminal.read_accounts(file)
    for number, reason in carry_out("unsuitable", addresses=[each.address for each in listed]):
        raise Refused(f"{file.name}, line {listed[number].line}: {reason} Nothing was imported.")
    for batch in terminal.in_batches([(each.address, each.password) for each in listed]):
        carry_out("import", accounts_and_passwords=batch)
    click.echo(f"{len(listed)} accounts can log in now.")


def _device(client: Client) -> tuple[object, ...]:
    seen = "now" if client.is_connected else terminal.day(client.last_seen)
    return client.id, client.software, client.called, terminal.day(client.first_seen), seen, ", ".join(client.ways)


def _row(person: Person) -> tuple[object, ...]:
    state = "disabled" if person.disabled_at is not None else ""
    if person.remove_at is not None:
        state = f"removed on {terminal.day(person.remove_at)}"
    role = ADMINISTRATOR if person.is_administrator else LIMITED if person.role == LIMITED else ""
    return person.account, terminal.day(person.created), person.sessions, role, state
