"""Commands (XEP-0050) by which people see what they have uploaded, and delete it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from db import uploads
from db.uploads import File
from handlers.upload import removing
from handlers.upload.slots import address, address_base, own_account
from xmpp.data import commands, dataforms, timestamps
from xmpp.data.commands import Answers, Done
from xmpp.data.dataforms import Field
from xmpp.data.disco import Info
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

FORM_TYPE = "xserv:files"
MOST = 200
"""Files in a list: the newest. Who deletes some of them sees others."""
NAME = Field("name", label="Name")
SIZE = Field("size", label="Bytes")
PURPOSE = Field("purpose", label="What it is for")
UPLOADED = Field("uploaded", label="Uploaded at")
EXPIRES = Field("expires", label="Kept until")
ADDRESS = Field("address", label="Address")


class Command(NamedTuple):
    """A command: what has to be filled in, if anything, and what it does, which gives the result, if there is one."""

    name: str
    form: "Callable[[Server, JID], tuple[Field, ...]] | None"
    act: "Callable[[Server, JID, Answers], etree._Element | None]"


def execute(server: "Server", iq: Stanza) -> etree._Element:
    """Do what a command does, or show its form."""
    account, request = own_account(server, iq), commands.requested(iq.only_child())
    command = _known(request.node)
    fields = command.form
    form = commands.Form(FORM_TYPE, lambda: fields(server, account), "Choose files.") if fields is not None else None
    return commands.carried_out(
        request, command.name, form, lambda answers: Done(command.act(server, account, answers))
    )


def listed(service: JID) -> etree._Element:
    """The commands of the service."""
    return commands.items(service, {node: command.name for node, command in COMMANDS.items()})


def describe(node: str) -> Info:
    """What is at a node of the service. Raises StanzaError if that is nothing."""
    return commands.LIST if node == commands.NAMESPACE else commands.described(_known(node).name)


def _known(node: str) -> Command:
    command = COMMANDS.get(node)
    if command is None:
        raise StanzaError("item-not-found", "there is no such command")
    return command


def _list(server: "Server", account: JID, answers: Answers) -> etree._Element:
    base = address_base(server, account.domain)
    rows = (_row(base, file) for file in uploads.listing(server.db, account, MOST))
    return dataforms.report(
        FORM_TYPE, [NAME, SIZE, PURPOSE, UPLOADED, EXPIRES, ADDRESS], rows, title="Your files, the newest first"
    )


def _row(base: str, file: File) -> Mapping[str, str]:
    row = {
        NAME.var: file.name,
        SIZE.var: str(file.size),
        PURPOSE.var: file.purpose,
        UPLOADED.var: timestamps.format_utc(file.created),
        ADDRESS.var: address(base, file.slot, file.name),
    }
    return row | ({EXPIRES.var: timestamps.format_utc(file.expires)} if file.expires is not None else {})


def _which(server: "Server", account: JID) -> tuple[Field, ...]:
    files = {file.slot: _in_short(file) for file in uploads.listing(server.db, account, MOST)}
    return (Field("files", "list-multi", "The files", required=True, options=files),)


def _in_short(file: File) -> str:
    return f"{file.name} ({file.size} bytes, {timestamps.format_utc(file.created)})"


def _delete(server: "Server", account: JID, answers: Answers) -> None:
    """Only files that the form has offered, and so the account's own, can be chosen."""
    chosen = set(answers["files"])
    own = uploads.listing(server.db, account, MOST)
    removing.mark_deleted(server, [file.id for file in own if file.slot in chosen])


COMMANDS: Mapping[str, Command] = {
    f"{FORM_TYPE}:list": Command("List my files", None, _list),
    f"{FORM_TYPE}:delete": Command("Delete files", _which, _delete),
}
