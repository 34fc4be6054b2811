"""XEP-0050: the commands of domains and accounts. Features offer them (COMMANDS_OFFERED); here they are found by those
whom they are for, and carried out.

Rooms, and the service for files, have commands of their own.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lxml import etree

from handlers.commands.command import COMMANDS_OFFERED, Asked, Command
from xmpp.data import commands
from xmpp.data.disco import ITEMS_QUERY
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import OWN, SERVER, Addressee, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

feature = Feature(
    "commands", xep="0050", disco=[commands.NAMESPACE], account_disco=[commands.NAMESPACE], optional=False
)


@feature.iq_set(commands.COMMAND, to=[SERVER, OWN])
def execute(server: "Server", iq: Stanza) -> etree._Element:
    """Do what a command does, or show its form. Nothing is kept in between (xmpp/data/commands.py)."""
    asked, request = _asked(server, iq), commands.requested(iq.only_child())
    command = _found(asked, request.node)
    if command is None:
        raise StanzaError("item-not-found", "there is no such command")
    _refuse_others(asked, command)
    form, fields = None, command.fields
    if fields is not None:
        form = commands.Form(command.form_type, lambda: fields(asked), command.instructions)
    return commands.carried_out(request, command.name, form, lambda answers: command.act(asked, answers))


@feature.disco_node(at=[SERVER, OWN])
def describe(server: "Server", iq: Stanza) -> etree._Element | None:
    """The list of the commands that the asker may use, and what each of them is (sections 2.2 and 2.3); None at any
    other node."""
    asked, query = _asked(server, iq), iq.only_child()
    node = query.get("node", "")
    if query.tag == ITEMS_QUERY and node == commands.NAMESPACE:
        usable = {command.node: command.name for command in _offered(asked) if command.is_for(asked)}
        return commands.items(asked.at, usable)
    if query.tag != ITEMS_QUERY and node == commands.NAMESPACE:
        return commands.LIST.element(node)
    command = _found(asked, node)
    if command is None or query.tag == ITEMS_QUERY:
        return None
    _refuse_others(asked, command)
    return commands.described(command.name).element(node)


def _asked(server: "Server", iq: Stanza) -> Asked:
    assert iq.to is not None and iq.sender is not None
    return Asked(server, iq, iq.sender.bare, iq.to)


def _offered(asked: Asked) -> Iterator[Command]:
    where: Addressee = OWN if asked.at.local else SERVER
    for offer in asked.server.tables[COMMANDS_OFFERED]:
        yield from (command for command in offer(asked.server) if where in command.at)


def _found(asked: Asked, node: str) -> Command | None:
    return next((command for command in _offered(asked) if command.node == node), None)


def _refuse_others(asked: Asked, command: Command) -> None:
    if not command.is_for(asked):
        raise commands.not_for_you()
