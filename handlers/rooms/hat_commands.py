"""XEP-0317: the commands (XEP-0050) by which admins make the hats of a room and give them to people, and by which
others see them."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from db.room_hats import Hat
from handlers.rooms import lists, presence, rates
from handlers.rooms.presence import PLAIN, Changed
from handlers.rooms.ranks import Standing
from handlers.rooms.room import Occupant, Room
from handlers.rooms.rooms_here import open_to
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import CHANGED, tell_codes
from xmpp.data import commands, dataforms
from xmpp.data.commands import Answers, Done
from xmpp.data.dataforms import Field
from xmpp.data.disco import Info
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

FORM_TYPE = "urn:xmpp:hats:commands"
MOST_BYTES = 255
"""Of a title, and of a URI: all of them are in each presence of who wears the hat."""
HUE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,20})?")
FULL_CIRCLE = 360
TITLE = Field("hats#title", label="What it is called", required=True)
URI = Field("hats#uri", label="The URI that it is known by", required=True)
COLOUR = Field("hats#hue", label="Its colour, an angle from 0 to 360")
WEARER = Field("hats#jid", "jid-single", "Who wears it", required=True)

class Command(NamedTuple):
    """A command: for whom it is, what has to be filled in, if anything, and what it does, which gives the result, if
    there is one."""

    name: str
    is_for: Callable[[Room, JID], bool]
    form: Callable[[Room], tuple[Field, ...]] | None
    act: Callable[[Room, Stanza, Answers], etree._Element | None]


def execute(server: "Server", iq: Stanza) -> etree._Element:
    """Do what a command does, or show its form."""
    assert iq.to is not None and iq.sender is not None
    room = open_to(server, iq.to, iq.sender.bare)
    request = commands.requested(iq.only_child())
    command = _usable(room, iq.sender, request.node)
    fields = command.form
    form = commands.Form(FORM_TYPE, lambda: fields(room)) if fields is not None else None
    return commands.carried_out(request, command.name, form, lambda answers: Done(command.act(room, iq, answers)))


# -- how they are found


def listed(room: Room, asker: JID) -> etree._Element:
    """The commands that somebody may use."""
    named = {node: command.name for node, command in COMMANDS.items() if command.is_for(room, asker)}
    return commands.items(room.address, named)


def describe(room: Room, asker: JID, node: str) -> Info:
    """What is at a node of a room. Raises StanzaError if that is nothing, or not for the asker."""
    return commands.LIST if node == commands.NAMESPACE else commands.described(_usable(room, asker, node).name)


def hash_for(room: Room, asker: JID) -> tuple[str, ...]:
    """What disco#info tells somebody of the list of hats, by which a client knows whether it is still the one that it
    has; nothing if there are none."""
    return (room.hats.hash,) if room.hats.known and room.is_known_to(asker) else ()


def _usable(room: Room, asker: JID, node: str) -> Command:
    command = COMMANDS.get(node)
    if command is None:
        raise StanzaError("item-not-found", "there is no such command")
    if not command.is_for(room, asker):
        raise commands.not_for_you()
    return command


# -- forms


def _of_a_hat(room: Room) -> tuple[Field, ...]:
    return (TITLE, URI, COLOUR)


def _which_hat(room: Room) -> tuple[Field, ...]:
    """One of those that there are."""
    hats = {hat.uri: hat.title for hat in room.hats.known.values()}
    return (Field(URI.var, "list-single", "The hat", required=True, options=hats),)


def _whose_hat(room: Room) -> tuple[Field, ...]:
    return (WEARER, *_which_hat(room))


# -- which hats there are


def _create(room: Room, iq: Stanza, answers: Answers) -> None:
    """Have a hat, or have the one with this URI be another one; what nothing is said of stays."""
    [title], [uri] = answers[TITLE.var], answers[URI.var]
    had = room.hats.known.get(uri)
    hue = "".join(answers[COLOUR.var]) if COLOUR.var in answers else had.hue if had else ""
    hat = Hat(uri, title.strip(), hue)
    _check(hat)
    if hat == had:
        return
    most = room.server.settings(RoomSettings).max_hats
    if had is None and len(room.hats.known) >= most:
        raise StanzaError("resource-constraint", f"a room has {most} hats at most")
    wearers = room.hats.wearers(uri)
    _spend(room, iq, *wearers, is_another_list=True)
    room.hats.put(hat)
    iq.after_reply(lambda: _tell(room, *wearers, is_another_list=True))


def _check(hat: Hat) -> None:
    if not hat.title or max(len(hat.title.encode()), len(hat.uri.encode())) > MOST_BYTES:
        raise StanzaError("not-acceptable", f"title and URI have {MOST_BYTES} bytes at most")
    if [hat.uri] != hat.uri.split():
        raise StanzaError("not-acceptable", "there is no white space in a URI")
    if hat.hue and (HUE.fullmatch(hat.hue) is None or float(hat.hue) > FULL_CIRCLE):
        raise StanzaError("not-acceptable", "a colour is an angle from 0 to 360")


def _destroy(room: Room, iq: Stanza, answers: Answers) -> None:
    [uri] = answers[URI.var]
    wearers = room.hats.wearers(uri)
    _spend(room, iq, *wearers, is_another_list=True)
    room.hats.destroy(uri)
    iq.after_reply(lambda: _tell(room, *wearers, is_another_list=True))


def _list(room: Room, iq: Stanza, answers: Answers) -> etree._Element:
    rows = (_row(hat) for hat in room.hats.known.values())
    return dataforms.report(FORM_TYPE, [TITLE, URI, COLOUR], rows, title="The hats of the room")


# -- who wears which


def _assign(room: Room, iq: Stanza, answers: Answers) -> None:
    wearer, [uri] = _wearer(answers), answers[URI.var]
    worn, settings = room.hats.worn.get(wearer, ()), room.server.settings(RoomSettings)
    if uri in worn:
        return
    if len(worn) >= settings.max_hats_worn:
        raise StanzaError("resource-constraint", f"one person wears {settings.max_hats_worn} hats at most")
    if room.hats.given >= settings.max_hats_given:
        raise StanzaError("resource-constraint", f"in one room {settings.max_hats_given} hats are worn at most")
    _spend(room, iq, wearer)
    room.hats.give(wearer, uri)
    iq.after_reply(lambda: _tell(room, wearer))


def _unassign(room: Room, iq: Stanza, answers: Answers) -> None:
    wearer, [uri] = _wearer(answers), answers[URI.var]
    if uri not in room.hats.worn.get(wearer, ()):
        raise StanzaError("item-not-found", f"{wearer} does not wear this hat")
    _spend(room, iq, wearer)
    room.hats.take(wearer, uri)
    iq.after_reply(lambda: _tell(room, wearer))


def _list_assigned(room: Room, iq: Stanza, answers: Answers) -> etree._Element:
    rows, fields = _rows_of_wearers(room), [WEARER, URI, TITLE, COLOUR]
    return dataforms.report(FORM_TYPE, fields, rows, title="Who wears which hat")


def _rows_of_wearers(room: Room) -> Iterator[Mapping[str, str]]:
    for account, uris in room.hats.worn.items():
        for uri in uris:
            yield {WEARER.var: account, **_row(room.hats.known[uri])}


def _row(hat: Hat) -> Mapping[str, str]:
    hue = {COLOUR.var: hat.hue} if hat.hue else {}
    return {TITLE.var: hat.title, URI.var: hat.uri, **hue}


def _wearer(answers: Answers) -> JID:
    [address] = answers[WEARER.var]
    wearer = JID.parse(address).bare
    if not wearer.local:
        raise StanzaError("not-acceptable", "a hat is worn by a person")
    return wearer


# -- how others learn of it


def _spend(room: Room, iq: Stanza, *wearers: JID, is_another_list: bool = False) -> None:
    """Count what all are told because of this. Raises StanzaError, before anything is done."""
    assert iq.sender is not None
    rates.spend_changes(room, iq.sender.bare, len(_here(room, *wearers)) + is_another_list)


def _tell(room: Room, *wearers: JID, is_another_list: bool = False) -> None:
    """Show those who have other hats now, if they are in the room; and say that the list has changed."""
    if is_another_list:
        tell_codes(room, CHANGED)
    presence.show_changes(room, [Changed(each, each.role, PLAIN) for each in _here(room, *wearers)])


def _here(room: Room, *wearers: JID) -> list[Occupant]:
    of = set(wearers)
    return [each for each in room.occupants.values() if each.account in of]


# -- for whom they are


def _is_admin(room: Room, asker: JID) -> bool:
    return Standing(room.affiliation(asker.bare)).is_at_least("admin")


def _may_list_people(room: Room, asker: JID) -> bool:
    """Whoever may have the list of members: it shows addresses, too."""
    return lists.refusal_to_list(room, room.standing(asker.bare), "member") is None


COMMANDS: Mapping[str, Command] = {
    f"{FORM_TYPE}:create": Command("Make or change a hat", _is_admin, _of_a_hat, _create),
    f"{FORM_TYPE}:destroy": Command("Destroy a hat", _is_admin, _which_hat, _destroy),
    f"{FORM_TYPE}:list": Command("List the hats", Room.is_known_to, None, _list),
    f"{FORM_TYPE}:assign": Command("Give somebody a hat", _is_admin, _whose_hat, _assign),
    f"{FORM_TYPE}:unassign": Command("Take a hat from somebody", _is_admin, _whose_hat, _unassign),
    f"{FORM_TYPE}:list-assigned": Command("List who wears which hat", _may_list_people, None, _list_assigned),
}
