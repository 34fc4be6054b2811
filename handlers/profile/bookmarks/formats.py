"""The two formats of bookmarks: an item for each room (XEP-0402), and one list of all (XEP-0048). Works on data alone.

What only one of them can say stays in that one: the extensions in items (such as XEP-0469 and XEP-0492 have them), and
web pages, rooms whose address is malformed, and whatever a client has thought of, in the list.
"""

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import NamedTuple

from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, AddressReader, MalformedJID, TooManyAddresses
from xmpp.data.wire import escaped, parse, quoted, wire

NATIVE = "urn:xmpp:bookmarks:1"
LIST = "storage:bookmarks"
STORAGE = f"{{{LIST}}}storage"
EMPTY = f'<storage xmlns="{LIST}"/>'.encode()

MAX_BYTES = 512 * 1024
"""What the items may have together: with each that changes all of them are read."""
MAX_ROOMS = 800
"""So many of them, for the same reason."""

_NATIVE_ROOM = f"{{{NATIVE}}}conference"
_LISTED_ROOM = f"{{{LIST}}}conference"


class Room(NamedTuple):
    """What both formats say of a room; "" where they say nothing."""

    name: str = ""
    autojoin: bool = False
    nick: str = ""
    password: str = ""


class Bookmark(NamedTuple):
    """The item of a room."""

    id: str
    payload: bytes
    address: JID
    room: Room


# -- items


def bookmarks(items: Iterable[tuple[str, bytes]]) -> list[Bookmark]:
    """Those of the items, given by their ids and payloads, that are bookmarks of rooms. Raises StanzaError where they
    are too many to look into."""
    found, reader = [], AddressReader()
    for id, payload in _within(items, MAX_BYTES):
        address, element = _address(id, reader), parse(payload) if payload else None
        if address is not None and element is not None and element.tag == _NATIVE_ROOM:
            found.append(Bookmark(id, payload, address, _room(element)))
    _check_number(found)
    return found


def _check_number(rooms: Sized) -> None:
    if len(rooms) > MAX_ROOMS:
        raise StanzaError("resource-constraint", f"there are bookmarks of {MAX_ROOMS} rooms at most")


def _within(items: Iterable[tuple[str, bytes]], most: int) -> Iterator[tuple[str, bytes]]:
    for id, payload in items:
        most -= len(payload)
        if most < 0:
            raise StanzaError("resource-constraint", f"bookmarks have {MAX_BYTES} bytes at most together")
        yield id, payload


def rooms_of(bookmarks: Iterable[Bookmark]) -> dict[JID, Room]:
    """The rooms; the last word counts where two items are about the same one."""
    return {each.address: each.room for each in bookmarks}


def bookmark_of(room: Room, earlier: Bookmark | None) -> bytes:
    """The payload for a room. All else that an earlier one holds stays in it."""
    if earlier is None:
        return _new_bookmark(room)
    element = parse(earlier.payload)
    _describe(element, room)
    return wire(element)


def _new_bookmark(room: Room) -> bytes:
    """As text, which takes a fraction of the time: a client that comes from lists brings hundreds of them."""
    name = f" name={quoted(room.name)}" if room.name else ""
    autojoin = ' autojoin="true"' if room.autojoin else ""
    children = "".join(
        f"<{tag}>{escaped(text)}</{tag}>" for tag, text in (("nick", room.nick), ("password", room.password)) if text
    )
    return f'<conference xmlns="{NATIVE}"{name}{autojoin}>{children}</conference>'.encode()


# -- the list


def is_list(payload: bytes) -> bool:
    """Whether this is a list at all."""
    return bool(payload) and parse(payload).tag == STORAGE


def rooms_in(storage: bytes) -> dict[JID, Room]:
    """The rooms in a list; the first word counts where there are two about the same one."""
    rooms: dict[JID, Room] = {}
    reader = AddressReader()
    for element in parse(storage).iterchildren(_LISTED_ROOM):
        address = _address(element.get("jid"), reader)
        if address is not None:
            rooms.setdefault(address, _room(element))
    _check_number(rooms)
    return rooms


def list_with(storage: bytes, rooms: Mapping[JID, Room]) -> bytes:
    """The list with exactly these rooms: those that are there in their places, then the others; and all else in it. It
    is the same one where it says that already."""
    element, left, reader, is_changed = parse(storage), dict(rooms), AddressReader(), False
    for listed in list(element.iterchildren(_LISTED_ROOM)):
        address = _address(listed.get("jid"), reader)
        if address in left:
            is_changed |= _describe(listed, left.pop(address))
        elif address is not None:
            element.remove(listed)
            is_changed = True
    for address, room in left.items():
        _describe(etree.SubElement(element, _LISTED_ROOM, jid=address), room)
    return wire(element) if is_changed or left else storage


# -- both


def _address(text: str | None, reader: AddressReader) -> JID | None:
    """The address of a room; None where it cannot be one. Raises StanzaError where it is one too many."""
    try:
        address = reader.read(text or "")
    except TooManyAddresses as error:
        raise StanzaError("policy-violation", str(error)) from None
    except MalformedJID:
        return None
    return address if address.is_bare else None


def _room(conference: etree._Element) -> Room:
    texts = {child.tag: child.text or "" for child in conference}
    return Room(
        conference.get("name", ""),
        names.BOOLEANS.get(conference.get("autojoin", ""), False),
        texts.get(_beside(conference, "nick"), ""),
        texts.get(_beside(conference, "password"), ""),
    )


def _describe(conference: etree._Element, room: Room) -> bool:
    """Write what there is to say of a room, where that says something else; returns whether it did."""
    said = _room(conference)
    if room.name != said.name:
        _set_attribute(conference, "name", room.name)
    if room.autojoin != said.autojoin:
        _set_attribute(conference, "autojoin", "true" if room.autojoin else "")
    if room.password != said.password:
        _set_first_child(conference, "password", room.password)
    if room.nick != said.nick:
        _set_first_child(conference, "nick", room.nick)
    return room != said


def _set_attribute(element: etree._Element, name: str, value: str) -> None:
    if value:
        element.set(name, value)
    else:
        element.attrib.pop(name, None)


def _set_first_child(conference: etree._Element, name: str, text: str) -> None:
    tag = _beside(conference, name)
    for child in conference.findall(tag):
        conference.remove(child)
    if text:
        child = etree.SubElement(conference, tag)
        child.text = text
        conference.insert(0, child)


def _beside(conference: etree._Element, name: str) -> str:
    """The tag of that name in the format of this element."""
    return str(conference.tag).removesuffix("conference") + name
