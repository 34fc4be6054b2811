"""How what a room says reaches its occupants: written once, in order, a little at a time where there are many.

All that a room tells is one line of portions (xmpp/routing/portions.py), so everybody hears everything in one order.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from handlers.rooms.gathered import AT_ONCE, MANY, Gathered
from handlers.rooms.room import Room
from xmpp.data.copies import copies
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import escaped
from xmpp.routing import portions

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

MUC = "http://jabber.org/protocol/muc"
MUC_USER = f"{MUC}#user"
MUC_ADMIN = f"{MUC}#admin"
MUC_OWNER = f"{MUC}#owner"
X = f"{{{MUC_USER}}}x"
CHANGED = ("104",)
"""What a room says when something has changed that whoever wants to know asks for."""
MAX_REASON = 1_000
"""Characters: all in the room get it, and a ban and a tombstone keep it."""
POINTER = 8
"""Bytes of memory for each who is told, until it is its turn."""


def text_element(name: str, text: str) -> str:
    """The element that says why, or by which password: nothing if there is no text."""
    return f"<{name}>{escaped(text)}</{name}>" if text else ""


def refuse_long_reason(reason: str) -> None:
    """Raise StanzaError where somebody says too much of why he does something."""
    if len(reason) > MAX_REASON:
        raise StanzaError("not-acceptable", f"a reason may have {MAX_REASON} characters")


def tell(room: Room, stanza: Stanza) -> None:
    """Send a stanza, which has no addressee yet, to all sessions that are in the room. Where they are many that is
    begun in a moment, and whoever has caused it does not wait."""
    works, size = room.server.portions, len(stanza.wire())
    if room.gathered is not None and room.gathered.takes_more:
        room.untold += room.gathered.add(stanza)
        works.note_size(room.address, size)
        return
    gathered, count = Gathered(room.by_session, room.came, room.entrances), len(room.by_session)
    room.untold += gathered.add(stanza)
    are_few = count < MANY
    room.gathered = None if are_few else gathered
    works.begin(
        room.address,
        _counted(room, gathered),
        size=size + POINTER * count,
        at_once=are_few,
        is_waited_for=are_few,
        is_of_stored=False,  # each message waits by itself for what it tells of
    )


def _counted(room: Room, gathered: Gathered) -> Iterator[None]:
    try:
        yield from gathered.sent_by(partial(send, room.server))
    finally:
        room.untold -= gathered.weight


def tell_codes(room: Room, codes: Iterable[str]) -> None:
    """Tell all that are in the room what has changed, by codes of XEP-0045 section 10.2.1."""
    statuses = "".join(f'<status code="{code}"/>' for code in codes)
    x = f'<x xmlns="{MUC_USER}">{statuses}</x>'.encode()
    tell(room, Stanza.build("message", x, type="groupchat", sender=room.address))


def tell_each(
    room: Room, stanzas: Iterable[tuple[JID, Stanza]], if_lost: Callable[[], bool] = portions.leave_undone
) -> None:
    """Send each of these sessions a stanza of its own; the pairs are asked for one after the other. `if_lost`: see
    Portions.begin."""
    room.gathered = None
    room.server.portions.begin(room.address, _each(room.server, stanzas), if_lost=if_lost)


def unless_back(room: Room, stanzas: Iterable[tuple[JID, Stanza]]) -> Iterator[tuple[JID, Stanza]]:
    """These, but for sessions that have come since: they were out of the room, and were told by their welcome how it is
    now."""
    came, entrances = room.came, room.entrances
    return ((session, stanza) for session, stanza in stanzas if came.get(session, 0) <= entrances)


def forget_directed(room: Room, nick: str, sessions: Iterable[JID]) -> None:
    """These sessions are not in the room any more under this nick, to which they had sent presence: when they end that
    is not to be ended there."""
    for jid in sessions:
        session = session_here(room.server, jid)
        if session is not None:
            session.directed.discard(room.address.with_resource(nick))


def session_here(server: "Server", jid: JID) -> "Session | None":
    """The session of this full address, if its account is ours and it is online."""
    return server.online.session(jid) if server.ownership.is_ours(jid) else None


def is_over(server: "Server", jid: JID) -> bool:
    """True if a session has ended: by the time that it would be told something, its address may be that of another."""
    return server.ownership.is_ours(jid) and server.online.session(jid) is None


def _each(server: "Server", stanzas: Iterable[tuple[JID, Stanza]]) -> Iterator[None]:
    last, copy, left = None, None, AT_ONCE
    for jid, stanza in stanzas:
        if copy is None or stanza is not last:  # most are the same for many, one after the other
            last, copy = stanza, copies(stanza)
        send(server, copy(jid))
        left -= 1
        if not left:
            left = AT_ONCE
            yield


def send(server: "Server", stanza: Stanza) -> None:
    """Send a stanza of a room to a session that is in it. Whoever has entered hears the room: it does not run through
    the steps of the account, which may have blocked others in there, and keeps no archive of rooms."""
    assert stanza.to is not None
    if not server.ownership.is_ours(stanza.to):
        server.router.route(stanza)
        return
    session = server.online.session(stanza.to)
    if session is not None:
        session.send(stanza)
