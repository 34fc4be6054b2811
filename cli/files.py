"""`xserv files`: what people have uploaded."""

import click

from cli import options, terminal
from handlers.admin import files as of_files
from xmpp.control import CarryOut

PAGE = 500  # of the list, which is asked for page by page


@click.group()
def files() -> None:
    """Files that people have uploaded, whether the server runs or not."""


@files.command("list")
@click.option("--account", default="", help="Only those of this account.")
@click.option("--search", "text", default="", help="Only those with this text in their name or their owner's address.")
@options.administrative()
def list_files(carry_out: CarryOut, account: str, text: str) -> None:
    """List files, the newest first: by which name it can be deleted, whose it is, what it is called, its bytes, what it
    is for, and until when it is kept."""
    rows, after = list[tuple[object, ...]](), ""
    while page := carry_out("files", text=text, account=account, after=after, most=PAGE):
        rows += [_row(of_files.Listed(*each)) for each in page]
        after = page[-1][0]
    terminal.show(("File", "Of", "Called", "Bytes", "For", "Kept until"), rows)


@files.command()
@click.argument("file")
@options.administrative()
def delete(carry_out: CarryOut, file: str) -> None:
    """Delete FILE, named as in the list or by its address."""
    carry_out("delete-file", file=file)
    click.echo(f"{file} is deleted.")


@files.command()
@click.option("--account", default="", help="Of this account.")
@options.administrative()
def usage(carry_out: CarryOut, account: str) -> None:
    """Tell how much is kept, and how much may be."""
    used = of_files.Used(*carry_out("files-usage", account=account))
    click.echo(f"{used.files} files, {used.bytes:,} of {used.max_bytes:,} bytes")
    if used.slots:
        click.echo(f"{used.slots} are being uploaded, {used.slot_bytes:,} bytes")


def _row(file: of_files.Listed) -> tuple[object, ...]:
    until = terminal.day(file.expires) if file.expires is not None else ""
    return file.file, file.account, file.name, file.bytes, file.purpose, until
