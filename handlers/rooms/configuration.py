"""XEP-0045 section 10.1.3 and its registry: how a room is configured: from forms, to forms, and as it is kept."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from lxml import etree

from xmpp.data import dataforms, kept
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError

ROOM_CONFIG = "http://jabber.org/protocol/muc#roomconfig"
PREFIX = "muc#roomconfig_"
HISTORY = "muc#maxhistoryfetch"
PRESENT = ("moderator", "participant", "visitor")
MAX_TEXT = 1_000
SLOW_MODE_MOST = 86_400
"""Seconds: a day."""


@dataclass(frozen=True)
class RoomConfiguration:
    """The configuration of a room, its fields called as those of the form. Where its owner says nothing a room is
    hidden, kept, and archived; `maxusers` None: as many as the service lets in."""

    roomname: str = ""
    roomdesc: str = ""
    lang: str = ""
    persistentroom: bool = True
    publicroom: bool = False
    membersonly: bool = False
    moderatedroom: bool = False
    passwordprotectedroom: bool = False
    roomsecret: str = ""
    whois: str = "moderators"
    maxusers: int | None = None
    changesubject: bool = False
    allowinvites: bool = False
    allowpm: str = "anyone"
    getmemberlist: tuple[str, ...] = PRESENT
    presencebroadcast: tuple[str, ...] = PRESENT
    enablearchiving: bool = True
    historylength: int = 20
    slow_mode_duration: int = 0
    pubsub: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Whether only moderators see real addresses (semi-anonymous)."""
        return self.whois != "anyone"


def _roles(var: str, label: str) -> Field:
    options = {"moderator": "Moderators", "participant": "Participants", "visitor": "Visitors"}
    return Field(PREFIX + var, "list-multi", label, options=options)


def _choice(var: str, label: str, **options: str) -> Field:
    return Field(PREFIX + var, "list-single", label, options=options)


def _boolean(var: str, label: str) -> Field:
    return Field(PREFIX + var, "boolean", label)


NO_LIMIT = "none"
OCCUPANTS = {**{str(number): str(number) for number in (10, 20, 50, 100, 200, 500, 1000, 5000)}, NO_LIMIT: "No limit"}
FIELDS = (
    Field(PREFIX + "roomname", label="The name of the room"),
    Field(PREFIX + "roomdesc", label="What the room is about"),
    Field(PREFIX + "lang", label="The language that is spoken in it"),
    _boolean("persistentroom", "Whether it stays when nobody is in it"),
    _boolean("publicroom", "Whether it is listed"),
    _boolean("membersonly", "Whether only members may enter"),
    _boolean("moderatedroom", "Whether those who are no members may only listen"),
    _boolean("passwordprotectedroom", "Whether a password is asked for"),
    Field(PREFIX + "roomsecret", "text-private", "The password"),
    _choice("whois", "Who sees the addresses of occupants", moderators="Moderators", anyone="Anyone"),
    Field(PREFIX + "maxusers", "list-single", "How many may be in it", options=OCCUPANTS, is_open=True),
    _boolean("changesubject", "Whether participants may change the subject"),
    _boolean("allowinvites", "Whether participants may invite others"),
    _choice(
        "allowpm",
        "Who may send private messages",
        anyone="Anyone",
        participants="Participants",
        moderators="Moderators",
        none="Nobody",
    ),
    _roles("getmemberlist", "Who may ask for the list of members"),
    _roles("presencebroadcast", "Whose presence is shown"),
    _boolean("enablearchiving", "Whether messages are kept, for those who may enter"),
    Field(HISTORY, label="How many messages are shown on entering"),
    Field(
        PREFIX + "slow_mode_duration",
        label="How many seconds a participant waits between two messages",
        within=(0, SLOW_MODE_MOST),
    ),
    Field(PREFIX + "pubsub", label="A node that belongs to the room"),
)
# What clients of other servers send for the same (checked in their sources); what they ask for is never more.
ALIASES: Mapping[str, str] = {
    "mam": "enablearchiving",
    "muc#roomconfig_mam": "enablearchiving",
    "muc#roomconfig_enablelogging": "enablearchiving",
    "muc#roomconfig_defaulthistorymessages": "historylength",
    "muc#roomconfig_historylength": "historylength",
    "{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites": "allowinvites",
    "muc#roomconfig_allowmemberinvites": "allowinvites",
}
ADMINS, OWNERS = PREFIX + "roomadmins", PREFIX + "roomowners"
PEOPLE = (
    Field(ADMINS, "jid-multi", "The admins of the room"),
    Field(OWNERS, "jid-multi", "The owners of the room"),
)
NUMBERS: Mapping[str, tuple[int, int]] = {
    "maxusers": (1, 100_000),
    "historylength": (0, 1_000),
    "slow_mode_duration": (0, SLOW_MODE_MOST),
}
DEFAULT = RoomConfiguration()


class Submitted:
    """What an owner has filled in: `configuration`, and the whole lists of `admins` and `owners`, None where it says
    nothing of them."""

    def __init__(self, x: etree._Element, base: RoomConfiguration) -> None:
        """Read a form on top of a configuration. Raises StanzaError where it is none, or not to be had."""
        try:
            given = dataforms.values_of(x)
            answers = dataforms.submitted(x, ROOM_CONFIG, [*FIELDS, *PEOPLE])
        except ValueError as error:
            raise StanzaError("bad-request", str(error)) from None
        changes = {_name(field): _value(field, answers[field.var]) for field in FIELDS if field.var in answers}
        for alias, name in ALIASES.items():
            if any(given.get(alias, ())) and name not in changes:
                changes[name] = _aliased(name, given[alias])
        self.configuration = replace(base, **changes)
        self.admins: tuple[str, ...] | None = answers.get(ADMINS)
        self.owners: tuple[str, ...] | None = answers.get(OWNERS)
        if self.configuration.passwordprotectedroom and not self.configuration.roomsecret:
            raise StanzaError("not-acceptable", "a room with a password needs one")


def _name(field: Field) -> str:
    """What a field is called in the configuration."""
    return "historylength" if field.var == HISTORY else field.var.removeprefix(PREFIX)


def _value(field: Field, values: tuple[str, ...]) -> Any:
    name = _name(field)
    if field.type == "boolean":
        return dataforms.boolean(values)
    if field.type in dataforms.MULTIPLE:
        return tuple(role for role in PRESENT if role in values)
    if not values:
        return getattr(DEFAULT, name)
    if name in NUMBERS:
        return None if values[0] == NO_LIMIT else _number(name, values[0])
    if len(values[0]) > MAX_TEXT:
        raise StanzaError("not-acceptable", f"{name} may have {MAX_TEXT} characters")
    return values[0]


def _aliased(name: str, values: tuple[str, ...]) -> Any:
    text = values[0] if values else ""
    return _number(name, text) if name in NUMBERS else text in ("1", "true")


def _number(name: str, text: str) -> int:
    least, most = NUMBERS[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text)):
        raise StanzaError("not-acceptable", f"{name} is a number from {least} to {most}")
    return min(int(text), most)


# -- to forms


def form(configuration: RoomConfiguration, admins: tuple[str, ...], owners: tuple[str, ...]) -> etree._Element:
    """The form to configure a room with, filled in as the room is configured (10.2)."""
    chosen = asdict(configuration)
    fields = [dataforms.filled(field, dataforms.texts(chosen[_name(field)], none=NO_LIMIT)) for field in FIELDS]
    people = [dataforms.filled(field, values) for field, values in zip(PEOPLE, (admins, owners), strict=True)]
    return dataforms.form(ROOM_CONFIG, [*fields, *people], title="Configuration of the room")


# -- to be kept


def to_text(configuration: RoomConfiguration) -> str:
    """The text that is kept of a configuration."""
    return kept.to_text(configuration)


def from_text(text: str) -> RoomConfiguration:
    """The configuration that a text was kept of."""
    return kept.from_text(RoomConfiguration, text)


def name_in(text: str) -> tuple[str, str]:
    """Name and description of a room by such a text, which costs half of reading all of it."""
    said = json.loads(text)
    return said["roomname"], said["roomdesc"]
