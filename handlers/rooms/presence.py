"""XEP-0045 section 7: presence in a room, as it is written, and to whom which of it is told."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from lxml import etree

from handlers.messages.occupants import HATS, OCCUPANT_ID, occupant_id
from handlers.messages.payloads import MAV
from handlers.messages.stanza_ids import STANZA_ID
from handlers.rooms.room import Occupant, Room
from handlers.rooms.telling import MUC, MUC_USER, forget_directed, is_over, tell_each, text_element, unless_back
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted, wire

OWN_NAMESPACES = tuple(f"{{{MUC}{part}}}" for part in ("", "#user", "#admin", "#owner"))
# What a room says of an occupant, and nobody says of himself.
OURS = frozenset({OCCUPANT_ID, HATS, MAV, STANZA_ID})
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
    alone; `nick` is the new one where it has changed, `actor` the nick of who did it. `answers`: what the occupant has
    sent for it, the id of which its session gets back. `marks`: what is added for a viewer, by the session that it has
    (versions.Chain)."""

    __slots__ = (
        "codes", "own_codes", "reason", "actor", "nick", "destroyed", "role", "affiliation", "answers", "marks"
    )  # fmt: skip

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
        answers: Stanza | None = None,
        marks: Callable[[Occupant, JID], bytes] | None = None,
    ) -> None:
        self.codes = codes
        self.own_codes = own_codes
        self.reason = reason
        self.actor = actor
        self.nick = nick
        self.destroyed = destroyed
        self.role = role
        self.affiliation = affiliation
        self.answers = answers
        self.marks = marks


PLAIN = Change()


class Views:
    """Presence of an occupant, as those see it who see its address, those who do not, and the occupant itself, without
    an addressee. `type` is None while it is there."""

    __slots__ = ("_occupant", "_room", "_others", "_moderators", "_own", "_shows", "_write", "_change", "_particular")

    def __init__(
        self, room: Room, occupant: Occupant, change: Change, type: str | None, session: JID, said: bytes
    ) -> None:
        self._room, self._occupant, self._change, self._shows = room, occupant, change, session
        self._write = partial(_presence, room, occupant, change, type, said=said)
        self._others = self._write(None, is_own=False)
        self._moderators = self._write(session, is_own=False)
        self._own = self._write(session, is_own=True)
        self._particular: dict[tuple[JID | None, bool, bytes, str | None], Stanza] = {}

    def to(self, session: JID, viewer: Occupant) -> Stanza:
        """What this session of an occupant sees: with what is added for it alone."""
        marks, answers = self._change.marks, self._change.answers
        mark = marks(viewer, session) if marks is not None else b""
        id = answers.id if answers is not None and answers.sender == session else None
        if not mark and id is None:
            return self.of(viewer)
        is_own = viewer is self._occupant
        shows = self._shows if is_own or self._room.sees_addresses(viewer) else None
        key = shows, is_own, mark, id
        if key not in self._particular:
            self._particular[key] = self._write(shows, is_own=is_own, mark=mark, id=id)
        return self._particular[key]

    def of(self, viewer: Occupant) -> Stanza:
        """What this occupant sees, by whatever session."""
        if viewer is self._occupant:
            return self._own
        return self._moderators if self._room.sees_addresses(viewer) else self._others


def show(room: Room, occupant: Occupant, change: Change = PLAIN, *, but: JID | None = None) -> None:
    """Tell everybody of an occupant's presence, but for this session."""
    views = Views(room, occupant, change, None, *occupant.shown)
    tell_each(
        room,
        ((session, views.to(session, each)) for session, each in viewers_of(room, occupant) if session != but),
    )


def show_to(room: Room, occupant: Occupant, session: JID) -> None:
    """Tell one session alone of an occupant's presence."""
    viewer = room.by_session[session]
    if is_shown(room, occupant, viewer):
        tell_each(room, [(session, Views(room, occupant, PLAIN, None, *occupant.shown).of(viewer))])


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
    told = [(session, views.to(session, occupant)) for session in gone if not is_over(room.server, session)]
    others = viewers_of(room, occupant) if is_told_to_others else ()
    tell_each(room, chain(unless_back(room, told), ((session, views.of(each)) for session, each in others)))


class Ended(NamedTuple):
    """An occupant that was put out, with the sessions that it had, and why."""

    occupant: Occupant
    gone: Sequence[JID]
    change: Change


class Changed(NamedTuple):
    """An occupant that has become something else in the room; `was` is the role that it had."""

    occupant: Occupant
    was: str
    change: Change


def tell_put_out(room: Room, ended: Sequence[Ended]) -> None:
    """Tell those who were put out. They may be all of a large room, so each is written when it is its turn."""
    for each in ended:
        forget_directed(room, each.occupant.nick, each.gone)
    tell_each(room, unless_back(room, (told for each in ended for told in told_themselves(room, each))))


def show_put_out(room: Room, ended: Sequence[Ended]) -> None:
    """Tell the others of those who were put out."""
    tell_each(room, unless_back(room, (told for each in ended for told in _told_others(room, each))))


def show_changes(room: Room, changed: Sequence[Changed]) -> None:
    """Tell everybody of those who have become something else, as they are when it is their turn."""
    told = (told for each in changed if each.occupant.sessions for told in _told_of_change(room, each))
    tell_each(room, unless_back(room, told))


def told_themselves(room: Room, ended: Ended) -> Iterator[tuple[JID, Stanza]]:
    """What those are told who were put out, without an addressee, each with whom it is for."""
    for session in ended.gone:
        yield session, _presence(room, ended.occupant, ended.change, "unavailable", session, b"", is_own=True)


def _told_others(room: Room, ended: Ended) -> Iterator[tuple[JID, Stanza]]:
    views = Views(room, ended.occupant, ended.change, "unavailable", ended.gone[0], b"")
    for session, viewer in viewers_of(room, ended.occupant):
        yield session, views.to(session, viewer)


def _told_of_change(room: Room, changed: Changed) -> Iterator[tuple[JID, Stanza]]:
    """If the role that it had was shown to others, and its new one is not, it is gone for them. A moderator is shown
    the others anew: it sees their addresses from now on."""
    occupant, was, change = changed
    views = Views(room, occupant, change, None, *occupant.shown)
    gone = None
    if was in room.configuration.presencebroadcast:
        gone = Views(room, occupant, change, "unavailable", occupant.shown[0], b"")
    for session, viewer in those_here(room):
        if is_shown(room, occupant, viewer):
            yield session, views.to(session, viewer)
        elif gone is not None:
            yield session, gone.of(viewer)
    if occupant.role == "moderator" != was and room.configuration.is_anonymous:
        for session in tuple(occupant.sessions):
            yield from ((session, stanza) for stanza in others_of(room, occupant))


def viewers_of(room: Room, occupant: Occupant) -> Iterator[tuple[JID, Occupant]]:
    """The sessions to which presence of an occupant is broadcast: of all that are in the room, or its own alone."""
    if occupant.role in room.configuration.presencebroadcast:
        return those_here(room)
    return ((session, occupant) for session in tuple(occupant.sessions) if session in occupant.sessions)


def those_here(room: Room) -> Iterator[tuple[JID, Occupant]]:
    """The sessions that are in the room now, and still are when it is their turn."""
    here, came, entrances = tuple(room.by_session), room.came, room.entrances  # of a large room many of these may wait
    return ((jid, room.by_session[jid]) for jid in here if 0 < came.get(jid, 0) <= entrances)


def own(room: Room, occupant: Occupant, session: JID, change: Change, id: str | None, mark: bytes = b"") -> Stanza:
    """What a session that enters is told of itself; `id`: that of its request."""
    said = occupant.sessions[session]
    return _presence(room, occupant, change, None, session, said, is_own=True, id=id, mark=mark)


def others_of(room: Room, occupant: Occupant, to: JID | None = None) -> Iterator[Stanza]:
    """What who enters is shown of the others that are there by now, as they are when it is their turn; addressed to a
    session of it, if one is named, which costs half of addressing it afterwards."""
    return _shown_others(room, occupant, tuple(room.occupants), to)


def _shown_others(room: Room, occupant: Occupant, nicks: Sequence[str], to: JID | None) -> Iterator[Stanza]:
    for nick in nicks:
        other = room.occupants.get(nick)
        if other is not None and other is not occupant and is_shown(room, other, occupant):
            session, said = other.shown
            shows = session if room.sees_addresses(occupant) else None
            yield _presence(room, other, PLAIN, None, shows, said, is_own=False, to=to)


def as_seen_by(room: Room, occupant: Occupant, viewer: Occupant) -> Stanza:
    """The presence of an occupant, as another one sees it, or it itself."""
    session, said = occupant.shown
    return Views(room, occupant, PLAIN, None, session, said).of(viewer)


def to_nobody(room: Room, occupant: Occupant, change: Change, *, is_own: bool = True) -> Stanza:
    """What is told of somebody who is not in the room, to itself or to others."""
    return _presence(room, occupant, change, "unavailable", None, b"", is_own=is_own)


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
    id: str | None = None,
    mark: bytes = b"",
) -> Stanza:
    affiliation = change.affiliation or room.affiliation(occupant.account)
    role = change.role or ("none" if type and not change.nick else occupant.role)
    item = f' affiliation="{affiliation}" role="{role}"'
    if shows is not None:
        item += f" jid={quoted(shows)}"
    if change.nick:
        item += f" nick={quoted(change.nick)}"
    inner = f"<actor nick={quoted(change.actor)}/>" if change.actor else ""
    inner += text_element("reason", change.reason)
    codes = (*(change.own_codes if is_own else ()), *change.codes, *((SELF,) if is_own else ()))
    statuses = "".join(f'<status code="{code}"/>' for code in codes)
    x = f'<x xmlns="{MUC_USER}">'.encode() + mark + f"<item{item}>{inner}</item>".encode()
    x += change.destroyed + f"{statuses}</x>".encode() + occupant_id(occupant.id)
    if occupant.account in room.hats.worn and type is None:
        x += room.hats.element(occupant.account)
    sender = room.address.with_resource(occupant.nick)
    return Stanza.build("presence", said + x, type=type, id=id, to=to, sender=sender)


def muc_of(presence: Stanza) -> etree._Element | None:
    """The <x/> by which a client asks to enter."""
    return presence.child(f"{{{MUC}}}x")
