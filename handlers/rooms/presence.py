"""XEP-0045 section 7: presence in a room, as it is written, and to whom which of it is told."""

from collections.abc import Iterator, Sequence

from lxml import etree

from handlers.messages.occupants import HATS, OCCUPANT_ID
from handlers.rooms.room import Occupant, Room
from handlers.rooms.telling import MUC, MUC_USER, forget_directed, tell_each
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import escaped, quoted, wire

OWN_NAMESPACES = tuple(f"{{{MUC}{part}}}" for part in ("", "#user", "#admin", "#owner"))
# What a room says of an occupant, and nobody says of himself.
OURS = frozenset({OCCUPANT_ID, HATS})
SELF = "110"


def content_of(presence: Stanza) -> bytes:
    """What a presence says, without what is for the room, or in its name."""
    children = [
        child
        for child in presence.element
        if isinstance(child.tag, str) and not child.tag.startswith(OWN_NAMESPACES) and child.tag not in OURS
    ]
    return b"".join(map(wire, children))


class Change:
    """What presence tells beside itself: why it comes. `codes` are those of section 15.6, `own_codes` for the occupant
    alone; `nick` is the new one where it has changed, `actor` the nick of who did it."""

    __slots__ = ("codes", "own_codes", "reason", "actor", "nick", "destroyed", "role", "affiliation")

    def __init__(
        self,
        *,
        codes: Sequence[str] = (),
        own_codes: Sequence[str] = (),
        reason: str = "",
        actor: str = "",
        nick: str = "",
        destroyed: bytes = b"",
        role: str | None = None,
        affiliation: str | None = None,
    ) -> None:
        self.codes = codes
        self.own_codes = own_codes
        self.reason = reason
        self.actor = actor
        self.nick = nick
        self.destroyed = destroyed
        self.role = role
        self.affiliation = affiliation


PLAIN = Change()


class Views:
    """Presence of an occupant, as those see it who see its address, those who do not, and the occupant itself, without
    an addressee. `type` is None while it is there."""

    __slots__ = ("_occupant", "_room", "_others", "_moderators", "_own")

    def __init__(
        self, room: Room, occupant: Occupant, change: Change, type: str | None, session: JID, said: bytes
    ) -> None:
        self._room, self._occupant = room, occupant
        self._others = _presence(room, occupant, change, type, None, said, is_own=False)
        self._moderators = _presence(room, occupant, change, type, session, said, is_own=False)
        self._own = _presence(room, occupant, change, type, session, said, is_own=True)

    def of(self, viewer: Occupant) -> Stanza:
        """What this occupant sees."""
        if viewer is self._occupant:
            return self._own
        return self._moderators if self._room.sees_addresses(viewer) else self._others


def show(room: Room, occupant: Occupant, change: Change = PLAIN, *, but: JID | None = None) -> None:
    """Tell everybody of an occupant's presence, but for this session."""
    views = Views(room, occupant, change, None, *occupant.shown)
    tell_each(
        room,
        [
            (session, views.of(each))
            for session, each in room.by_session.items()
            if session != but and is_shown(room, occupant, each)
        ],
    )


def show_end(
    room: Room,
    occupant: Occupant,
    gone: Sequence[JID],
    change: Change = PLAIN,
    said: bytes = b"",
    *,
    is_told_to_others: bool = True,
) -> None:
    """Tell these sessions, which were under one nick and are out of the room now, that they are; and, if it was all of
    them, the others."""
    views = Views(room, occupant, change, "unavailable", gone[0], said)
    forget_directed(room, occupant.nick, gone)
    told = [(session, views.of(occupant)) for session in gone]
    if is_told_to_others:
        told += [
            (session, views.of(each)) for session, each in room.by_session.items() if is_shown(room, occupant, each)
        ]
    tell_each(room, told)


def show_end_to_others(room: Room, occupant: Occupant, gone: Sequence[JID], change: Change) -> None:
    """The same for the others alone, where those who are out have been told already."""
    views = Views(room, occupant, change, "unavailable", gone[0], b"")
    viewers = [(session, each) for session, each in room.by_session.items() if is_shown(room, occupant, each)]
    tell_each(room, [(session, views.of(each)) for session, each in viewers])


def show_changed(room: Room, occupant: Occupant, change: Change, was: str) -> None:
    """Tell of an occupant whose role was another one; if that was shown, and the new one is not, it is gone for the
    others."""
    show(room, occupant, change)
    shown = room.configuration.presencebroadcast
    if was in shown and occupant.role not in shown:
        views = Views(room, occupant, change, "unavailable", occupant.shown[0], b"")
        others = [(session, each) for session, each in room.by_session.items() if each is not occupant]
        tell_each(room, [(session, views.of(each)) for session, each in others])


def show_others(room: Room, occupant: Occupant) -> None:
    """Show an occupant the others anew: it sees their addresses from now on."""
    others = list(others_of(room, occupant))
    tell_each(room, [(session, stanza) for session in occupant.sessions for stanza in others])


def own(room: Room, occupant: Occupant, session: JID, change: Change) -> Stanza:
    """What a session that enters is told of itself."""
    return _presence(room, occupant, change, None, session, occupant.sessions[session], is_own=True)


def others_of(room: Room, occupant: Occupant, to: JID | None = None) -> Iterator[Stanza]:
    """What who enters is shown of the others, as they are when it is their turn; addressed to a session of it, if one
    is named, which costs half of addressing it afterwards."""
    for nick in list(room.occupants):
        other = room.occupants.get(nick)
        if other is not None and other is not occupant and is_shown(room, other, occupant):
            session, said = other.shown
            shows = session if room.sees_addresses(occupant) else None
            yield _presence(room, other, PLAIN, None, shows, said, is_own=False, to=to)


def to_nobody(room: Room, occupant: Occupant, change: Change) -> Stanza:
    """What somebody is told who is not in the room."""
    return _presence(room, occupant, change, "unavailable", None, b"", is_own=True)


def is_shown(room: Room, occupant: Occupant, viewer: Occupant) -> bool:
    """Whether presence of an occupant is broadcast to another one; its own is in any case."""
    return occupant is viewer or occupant.role in room.configuration.presencebroadcast


def _presence(
    room: Room,
    occupant: Occupant,
    change: Change,
    type: str | None,
    shows: JID | None,
    said: bytes,
    *,
    is_own: bool,
    to: JID | None = None,
) -> Stanza:
    affiliation = change.affiliation or room.affiliation(occupant.account)
    role = change.role or ("none" if type and not change.nick else occupant.role)
    item = f' affiliation="{affiliation}" role="{role}"'
    if shows is not None:
        item += f" jid={quoted(shows)}"
    if change.nick:
        item += f" nick={quoted(change.nick)}"
    inner = f"<actor nick={quoted(change.actor)}/>" if change.actor else ""
    inner += f"<reason>{escaped(change.reason)}</reason>" if change.reason else ""
    codes = (*(change.own_codes if is_own else ()), *change.codes, *((SELF,) if is_own else ()))
    statuses = "".join(f'<status code="{code}"/>' for code in codes)
    x = f'<x xmlns="{MUC_USER}"><item{item}>{inner}</item>'.encode() + change.destroyed + f"{statuses}</x>".encode()
    id = f'<occupant-id xmlns="urn:xmpp:occupant-id:0" id="{occupant.id}"/>'.encode()
    sender = room.address.with_resource(occupant.nick)
    return Stanza.build("presence", said + x + id, type=type, to=to, sender=sender)


def muc_of(presence: Stanza) -> etree._Element | None:
    """The <x/> by which a client asks to enter."""
    return presence.child(f"{{{MUC}}}x")
