"""Rooms in tests: entering them, how they are configured, and what they tell in short."""

from dataclasses import replace
from typing import Any

from lxml import etree

from db.rooms import Affiliation
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import find
from tests.harness.in_process import Client, content_of
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

SERVICE = "rooms.localhost"
ROOM = "verona@rooms.localhost"
MUC = "http://jabber.org/protocol/muc"
USER = "{http://jabber.org/protocol/muc#user}"
CLIENT = "{jabber:client}"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'/>"


def enter(client: Client, nick: str, x: str = "", *, room: str = ROOM, says: str = "") -> list[str]:
    """Enter a room, or enter it again; `x`: what the request contains, `says`: the presence. Returns what came."""
    return client.sends(f"<presence to='{room}/{nick}' id='in'><x xmlns='{MUC}'>{x}</x>{says}</presence>")


def leave(client: Client, nick: str, *, room: str = ROOM) -> list[str]:
    return client.sends(f"<presence to='{room}/{nick}' type='unavailable'/>")


def say(client: Client, body: str, *, room: str = ROOM, type: str = "groupchat") -> list[str]:
    return client.sends(f"<message to='{room}' type='{type}' id='m'><body>{body}</body></message>")


def ask_room(client: Client, payload: str) -> str:
    """Have a room do something: what the answer contains, or the condition of the error. What else came is in the inbox
    again."""
    received = client.sends(f"<iq type='set' id='q' to='{ROOM}'>{payload}</iq>")
    [answer] = [each for each in received if each.startswith("<iq")]
    for each in received:
        if each is not answer:
            client.write(each.encode())
    return content_of(answer)


def opened(owner: Client, nick: str, *, room: str = ROOM, **configuration: Any) -> Room:
    """A room that is configured so, with its owner in it under this nick; what that told it is dropped."""
    enter(owner, nick, room=room)
    made = room_at(owner.server, room)
    made.is_locked = False
    configure(made, **configuration)
    return made


def configure(room: Room, **configuration: Any) -> None:
    """Change some of its configuration."""
    room.configure(replace(room.configuration, **configuration))


def be(room: Room, client: Client, affiliation: str, nick: str = "") -> None:
    """Make somebody something in a room, with a nick that is reserved for it."""
    room.set_affiliations({client.account: Affiliation(affiliation, nick)})


def room_at(server: Server, address: str = ROOM) -> Room:
    """The room of that address, which has to be there."""
    found = find(server, JID.parse(address))
    assert found is not None
    return found


def told(received: list[str]) -> list[str]:
    """What a room told, in short, stanza by stanza: see `in_short`."""
    return [in_short(each) for each in received]


def in_short(stanza: str) -> str:
    """A stanza of a room in short: the nick that it is from; what it is, as "in", "out", "says", "subject" or "error";
    then what is particular about it."""
    element = parse(stanza.encode())
    sender = JID.parse(element.get("from", "nobody.example"))
    error = element.find(f"{CLIENT}error")
    if error is not None:
        parts = ["error", etree.QName(error[0]).localname, error.get("type", "")]
    else:
        parts = _of_presence(element) if etree.QName(element).localname == "presence" else _of_message(element)
    return " ".join([sender.resource or "room", *parts])


def _of_presence(element: etree._Element) -> list[str]:
    x = element.find(f"{USER}x")
    assert x is not None
    item = x.find(f"{USER}item")
    assert item is not None
    parts = ["out" if element.get("type") else "in", f"{item.get('affiliation')}/{item.get('role')}"]
    parts += [str(item.get(name)) for name in ("jid", "nick") if item.get(name)]
    return parts + [each.get("code", "") for each in x.iterchildren(f"{USER}status")]


def _of_message(element: etree._Element) -> list[str]:
    body, subject = element.find(f"{CLIENT}body"), element.find(f"{CLIENT}subject")
    late = ["late"] if element.find("{urn:xmpp:delay}delay") is not None else []
    if body is not None:
        return [*late, "says", body.text or ""]
    return [*late, "subject", (subject.text or "")] if subject is not None else [etree.QName(element[0]).localname]


def fields_in(element: etree._Element) -> dict[str, list[str]]:
    """The values of the one form in an element."""
    [form] = element.findall("{jabber:x:data}x")
    fields = form.iterchildren("{jabber:x:data}field")
    return {each.get("var", ""): [value.text or "" for value in each.iterchildren("{*}value")] for each in fields}
