"""The two formats of bookmarks: an item for each room (XEP-0402), and one list of all (XEP-0048). Works on data alone.

What only one format has stays there: in items, extensions such as those of XEP-0469 and XEP-0492; in the list, web
pages, rooms with malformed addresses, and whatever else clients put there.
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
"""Of all items together, since all are read when one changes."""
MAX_ROOMS = 800
"""For the same reason."""

_NATIVE_ROOM = f"{{{NATIVE}}}conference"
_LISTED_ROOM = f"{{{LIST}}}conference"


class Room(NamedTuple):
    """What both formats say of a room; "" for what is not said."""

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
    """The bookmarks among items, given as (id, payload); other items are passed over. Raises StanzaError beyond
    MAX_BYTES or MAX_ROOMS."""
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
    """The rooms of these bookmarks; of two for the same room the last counts."""
    return {each.address: each.room for each in bookmarks}


def bookmark_of(room: Room, earlier: Bookmark | None) -> bytes:
    """The payload for a room, with everything else that the earlier bookmark holds."""
    if earlier is not None:
        element = parse(earlier.payload)
        _describe(element, room)
        return wire(element)
    # Written as text, in a fraction of the time: a client that used lists before brings hundreds
    name = f" name={quoted(room.name)}" if room.name else ""
    autojoin = ' autojoin="true"' if room.autojoin else ""
    children = "".join(
        f"<{tag}>{escaped(text)}</{tag}>" for tag, text in (("nick", room.nick), ("password", room.password)) if text
    )
    return f'<conference xmlns="{NATIVE}"{name}{autojoin}>{children}</conference>'.encode()


# -- the list


def is_list(payload: bytes) -> bool:
    """True if a payload is a list of bookmarks."""
    return bool(payload) and parse(payload).tag == STORAGE


def rooms_in(storage: bytes) -> dict[JID, Room]:
    """The rooms in a list; of two entries for the same room the first counts. Raises StanzaError beyond MAX_ROOMS."""
    rooms: dict[JID, Room] = {}
    reader = AddressReader()
    for element in parse(storage).iterchildren(_LISTED_ROOM):
        address = _address(element.get("jid"), reader)
        if address is not None:
            rooms.setdefault(address, _room(element))
    _check_number(rooms)
    return rooms


def list_with(storage: bytes, rooms: Mapping[JID, Room]) -> bytes:
    """The list with exactly these rooms, and with all else that is in it. Rooms stay in their places, new ones come
    last. Returns `storage` itself if nothing changes."""
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
    """The address of a room; None if the text is no bare address. Raises StanzaError if too many were read."""
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
    """Have a <conference/> say this of a room; returns whether it said something else before."""
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
    """The tag of a child of that name: it has the namespace of <conference/>."""
    return str(conference.tag).removesuffix("conference") + name
