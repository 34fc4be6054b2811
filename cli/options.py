"""What commands have in common: where the data and the configuration are, and what carries out administration."""

import functools
import os
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

import click

import assembly
from cli import terminal
from xmpp.config.datafolder import DataFolder
from xmpp.control import CarryOut


def _default_data() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "xserv"


Item = TypeVar("Item", bound=tuple[Any, ...])

PAGE = 500  # of a list
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
data_option = click.option(
    "--data",
    type=FOLDER,
    envvar="XSERV_DATA",
    default=_default_data,
    help="Where accounts and keys are kept: $XSERV_DATA, else ~/.local/state/xserv.",
)
search_option = click.option("--search", "text", default="", help="Only those with this text in them.")
config_option = click.option("--config", type=FILE, help="The configuration: DATA/xserv.toml, if there is one.")


def administrative(*, may_make: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, as its first argument, what carries out administration: the server that runs on the data folder,
    or this process.

    `may_make`: a database is made if there is none; only for commands that make accounts.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @config_option
        @data_option
        @functools.wraps(command)
        def administering(config: Path | None, data: Path, **arguments: Any) -> None:
            made_new = functools.partial(terminal.announce_new_database, data)
            with assembly.administering(config, DataFolder(data), may_make=may_make, made_new=made_new) as carry_out:
                command(carry_out, **arguments)

        return administering

    return decorated


def pages(
    carry_out: CarryOut, command: str, text: str, of: type[Item], place: Callable[[Item], object] = itemgetter(0)
) -> Iterator[Item]:
    """All items of a list, asked for page by page; `place`: where one stands in it, for most their first value."""
    after = ""
    while page := [of(*each) for each in carry_out(command, text=text, after=after, most=PAGE)]:
        yield from page
        after = str(place(page[-1]))
