"""`xserv rooms`, `sessions`, `federation`, `reports` and `announce`: what administrators see and do beside accounts."""

import sys

import click

from cli import options, terminal
from db.reports import Report
from handlers.admin import links as of_links
from handlers.admin import rooms as of_rooms
from handlers.admin import sessions as of_sessions
from xmpp.control import CarryOut
from xmpp.routing.others import LinkShown


@click.group()
def rooms() -> None:
    """Rooms, whether the server runs or not."""


@rooms.command("list")
@options.search_option
@options.administrative()
def list_rooms(carry_out: CarryOut, text: str) -> None:
    """List the rooms: address, name, how many are in it, who made it, and when."""
    found = options.pages(carry_out, "rooms", text, of_rooms.Listed)
    rows = ((each.room, each.name, each.occupants, each.creator, terminal.day(each.created)) for each in found)
    terminal.show(("Room", "Name", "Occupants", "Made by", "Made on"), rows)


@rooms.command()
@click.argument("room")
@click.option("--reason", default="", help="What all who are in it are told.")
@click.option("--instead", "venue", default="", help="The address of the room that people are sent to.")
@options.administrative()
def destroy(carry_out: CarryOut, room: str, reason: str, venue: str) -> None:
    """End a room, with all that was said in it."""
    carry_out("destroy-room", room=room, reason=reason, venue=venue)
    click.echo(f"{room} is gone.")


@click.group()
def sessions() -> None:
    """The sessions of a server that runs."""


@sessions.command("list")
@options.search_option
@options.administrative()
def list_sessions(carry_out: CarryOut, text: str) -> None:
    """List the sessions: address, since when, from where, and by what (tcp, websocket, bosh). The last two are empty
    for a client that is away at the moment."""
    found = options.pages(carry_out, "sessions", text, of_sessions.Listed)
    terminal.show(
        ("Session", "Since", "From", "By"),
        ((each.session, terminal.minute(each.since), each.peer, each.carrier) for each in found),
    )


@sessions.command()
@click.argument("session")
@options.administrative()
def end(carry_out: CarryOut, session: str) -> None:
    """End a session, by its full address; its client may log in again."""
    carry_out("end-session", session=session)
    click.echo(f"{session} is logged out.")


@click.group()
def federation() -> None:
    """Other servers, as a server that runs has found them."""


@federation.command("list")
@options.search_option
@options.administrative()
def list_links(carry_out: CarryOut, text: str) -> None:
    """List the connections to other domains, and those that could not be made: since when, where to, how many stanzas
    wait, and what is wrong."""
    terminal.show(
        ("To", "From", "State", "Since", "At", "Waiting", "Problem"),
        (
            (each.theirs, each.ours, each.state, terminal.minute(each.since), each.peer, each.waiting, each.problem)
            for each in options.pages(carry_out, "links", text, LinkShown, of_links.place)
        ),
    )


@click.group()
def reports() -> None:
    """What people have reported of others when they blocked them (XEP-0377)."""


@reports.command("list")
@options.search_option
@options.administrative()
def list_reports(carry_out: CarryOut, text: str) -> None:
    """List the reports, the oldest first: number, when, who reports whom, for what, and what they say to it."""
    found = options.pages(carry_out, "reports", text, Report)
    rows = ((each.id, terminal.minute(each.at), each.account, each.reported, each.reason, each.text) for each in found)
    terminal.show(("Report", "At", "By", "Of", "For", "Text"), rows)


@reports.command("show")
@click.argument("report")
@options.administrative()
def show_report(carry_out: CarryOut, report: str) -> None:
    """Print the messages that were named with a report, by its number."""
    terminal.show(("Messages",), (carry_out("report", report=report),))


@reports.command("remove")
@click.argument("report")
@options.administrative()
def remove_report(carry_out: CarryOut, report: str) -> None:
    """Remove a report that is dealt with, by its number."""
    carry_out("remove-report", report=report)
    click.echo(f"Report {report} is removed.")


@click.command("announce")
@click.argument("text")
@click.option("--subject", default="")
@click.option("--online", "online_only", is_flag=True, help="Only to those who are online now.")
@click.option("--domain", default="", help="Only to those at this domain, if there are several.")
@options.administrative()
def announce(carry_out: CarryOut, text: str, subject: str, online_only: bool, domain: str) -> None:
    """Send TEXT, or for `-` standard input, to everybody who has an account; who is away gets it later."""
    if text == "-":
        text = sys.stdin.read()
    carry_out("announce", text=text, subject=subject, online_only=online_only, domain=domain)
    click.echo("It has gone out.")
