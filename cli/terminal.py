"""What the command line asks for, reads and shows."""

import io
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from xmpp.control import Refused
from xmpp.data.jid import JID, MalformedJID

Say = Callable[[str], object]
"""Prints a line."""

_SEPARATOR = re.compile("[ \t]")

BATCH = 50  # accounts made at a time, few enough for a progress bar to move


class ListedAccount(NamedTuple):
    """A line of a list of accounts; the password may have spaces in it."""

    line: int
    address: JID
    password: str


def ask_password() -> str:
    """Ask for a password twice, if there is a terminal, else read the first line of standard input. Raises Refused."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again")
        return password
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Refused("Expected the password on the first line of standard input.")
    return password


def read_accounts(file: TextIO) -> list[ListedAccount]:
    """Read lines `jid password`, with a space or a tab between. Raises Refused, naming the line, if one is malformed or
    its account was listed before."""
    listed = dict[JID, ListedAccount]()
    try:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            account = _listed(file.name, number, line)
            first = listed.setdefault(account.address, account)
            if first is not account:
                raise Refused(f"{file.name}, line {number}: {account.address} is on line {first.line} too.")
    except UnicodeDecodeError as error:
        raise Refused(f"{file.name}: expected UTF-8, found other bytes.") from error
    return list(listed.values())


def _listed(source: str, number: int, line: str) -> ListedAccount:
    # Split at the first space or tab: an address has neither, and a password may have spaces, but no tabs (RFC 4013)
    address, *password = _SEPARATOR.split(line.strip("\r\n").lstrip(), maxsplit=1)
    if not any(password):
        raise Refused(f"{source}, line {number}: expected an address, a space or a tab, and a password.")
    try:
        return ListedAccount(number, JID.parse(address), *password)
    except MalformedJID as error:
        raise Refused(f"{source}, line {number}: {address!r} is not an address: {error}.") from error


def in_batches(accounts: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    """Yield the accounts in batches, and show the progress if there is a terminal."""
    columns = TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(accounts))
        for start in range(0, len(accounts), BATCH):
            batch = accounts[start : start + BATCH]
            yield batch
            progress.advance(bar, len(batch))


def announce_new_database(data: Path) -> None:
    """Print to standard error that a database was made, in case another folder was meant."""
    click.echo(f"There was no database in {data}; a new one was made.", err=True)


def announce_server(say: Say, domain: str, data: Path, page: str | None, listening: Iterable[str]) -> None:
    """Print the addresses that a server listens on, and what to do next; `page` is where browsers find it."""
    _show_listening(say, listening)
    browser = f", or with a browser at {page}" if page else ""
    say(f"Next: xserv user add NAME@{domain} --data {shlex.quote(str(data))}, and log in with an XMPP client{browser}.")


def announce_demo(say: Say, passwords: Mapping[str, str], page: str | None, listening: Iterable[str]) -> None:
    """Print the addresses that a demo listens on, its new accounts, its page in the browser, and what to do next."""
    _show_listening(say, listening)
    for address, password in passwords.items():
        say(f"Account {address} with password {password}")
    if page:
        say(f"Open {page} in a browser: two people are logged in there, side by side.")
        say("Or log in with an XMPP client for each of the two accounts. Ctrl-C ends the demo.")
    else:
        say("Next: log in with an XMPP client for each of the two accounts, and say hello. Ctrl-C ends the demo.")


def _show_listening(say: Say, addresses: Iterable[str]) -> None:
    """Print a line for each address. Scripts read the ports from these lines."""
    for address in addresses:
        say(f"Listening on {address}")


def show(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: as a table on a terminal, else as lines of values separated by tabs. Nothing is left out where a
    terminal is narrow; what stands in the first column is what other commands take, and stays together."""
    console = Console()
    printable = (tuple(map(_printable, row)) for row in rows)
    if not console.is_terminal:
        for row in printable:
            click.echo("\t".join(row))
        return
    cells = [tuple(map(Text, row)) for row in printable]  # as it is: no markup, no names of emoji
    table = Table(*(Column(heading, overflow="fold") for heading in headings))
    table.columns[0].no_wrap = all(first.cell_len <= console.width // 2 for first, *_ in cells)
    for line in cells:
        table.add_row(*line)
    console.print(table)


def write_what_it_can_show() -> None:
    """Have characters that are not in the encoding of standard output written like `\\u0436`, as on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def can_show(text: str) -> bool:
    """Whether all of a text is in the encoding of standard output."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def day(moment: float) -> str:
    """A time, in seconds since 1970, as the day that it was here."""
    return datetime.fromtimestamp(moment).astimezone().date().isoformat()


def minute(moment: float) -> str:
    """The same to the minute."""
    return datetime.fromtimestamp(moment).astimezone().isoformat(" ", "minutes")


def _printable(value: object) -> str:
    """What others may have chosen, without what would move the cursor, or begin another column or line."""
    return "".join(each if each.isprintable() else "\ufffd" for each in str(value))
