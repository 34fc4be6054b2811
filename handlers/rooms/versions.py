"""XEP-0463: who is what in a room, by version. A client that knows the list as it was is told what has changed since;
one that does not, all of it; and each change from then on, be it of somebody who is there or not."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from lxml import etree

from db.room_changes import AffiliationChange
from handlers.messages.payloads import MAV
from handlers.rooms.affiliation_log import Step, is_seen
from handlers.rooms.lists import as_seen, seen_by
from handlers.rooms.ranks import Standing
from handlers.rooms.room import NOBODY, Occupant, Room
from handlers.rooms.telling import MUC_USER, tell_each
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted, wire

NAMESPACE = MAV[1:].partition("}")[0]
MOST_BYTES = 16_384
"""Of the items of one message: it is written at once, and other servers do not take much more than ten times that."""
JID_BYTES = 8
"""What it takes to remember who is still to be told, for each."""


class Answer(NamedTuple):
    """What is told who enters: messages before all presence, and what its own presence says of the version; `held`:
    bytes of memory that the messages take until they are told."""

    messages: Iterable[Stanza] = ()
    mark: bytes = b""
    held: int = 0


# -- who enters


def answer(room: Room, occupant: Occupant, session: JID, muc: etree._Element) -> Answer:
    """What a session is told that enters, or enters again, and what it asks for; and have it hear of changes."""
    asked = muc.find(MAV)
    room.versioned.pop(session, None)
    if asked is None:
        return Answer()
    seen, given = seen_by(room, room.standing_of(occupant)), asked.get("since")
    if not seen:
        return _refused(room, session, muc)
    latest = room.log.latest(seen)
    until, since = _version(room, latest, seen), None
    items, held = _everybody(room, seen), JID_BYTES * len(room.affiliations)
    if given == until:
        items, held = iter(()), 0
    elif given is not None:
        number = _number(room, given, seen)
        changed = None if number is None else room.log.since(number, seen)
        if changed is not None and not _could_list_then(room, occupant, changed, seen):
            return _refused(room, session, muc)
        if changed:
            since, items, held = given, _these(room, changed, seen), JID_BYTES * len(changed)
    room.versioned[session] = room.log.last
    messages = () if given == until else _messages(room, occupant, session, seen, items, since, until)
    return Answer(messages, _mark(None, until), held)


def _refused(room: Room, session: JID, muc: etree._Element) -> Answer:
    """Who may not ask for the lists, or could not at the version that it names (sections "Error Cases", "Security
    Considerations"). It enters nevertheless."""
    error = StanzaError("forbidden", "you may not see who is what in this room")
    error.by = room.address
    request = muc.getparent()
    id = None if request is None else request.get("id")
    refusal = Stanza.build("message", wire(error.element()), type="error", id=id, to=session, sender=room.address)
    return Answer([refusal])


def _could_list_then(room: Room, occupant: Occupant, changed: Mapping[JID, str], seen: str) -> bool:
    """Whether somebody could list as much when those who have changed since were what they were."""
    domain = JID.parse(occupant.account.domain)
    if occupant.account not in changed and domain not in changed:
        return True
    was = changed.get(occupant.account, room.affiliations.get(occupant.account, NOBODY).affiliation)
    if was == "none":
        was = changed.get(domain, room.affiliations.get(domain, NOBODY).affiliation)
    return set(seen) <= set(seen_by(room, Standing(was, occupant.role)))


def _everybody(room: Room, seen: str) -> Iterator[bytes]:
    """An item for each who can be listed, as they are when it is their turn."""
    for jid in list(room.affiliations):
        affiliation = as_seen(room.affiliations.get(jid, NOBODY).affiliation, seen)
        if affiliation != "none":
            yield _item(jid, affiliation)


def _these(room: Room, jids: Iterable[str], seen: str) -> Iterator[bytes]:
    for jid in jids:
        yield _item(jid, as_seen(room.affiliations.get(jid, NOBODY).affiliation, seen))


def _messages(
    room: Room, occupant: Occupant, session: JID, seen: str, items: Iterator[bytes], since: str | None, until: str
) -> Iterator[Stanza]:
    """One message, or several: the versions between them are none that the room knows, so who does not get all of them
    begins anew. They end with the right to see them."""
    reached, pieces = since, _pieces(items)
    piece = next(pieces, b"")
    for number, following in enumerate(pieces, 1):
        if session not in occupant.sessions or seen_by(room, room.standing_of(occupant)) != seen:
            return
        between = _between(until, number)
        yield _message(room, _mark(reached, between) + piece, session)
        reached, piece = between, following
    yield _message(room, _mark(reached, until) + piece, session)


def _pieces(items: Iterator[bytes]) -> Iterator[bytes]:
    piece, size = list[bytes](), 0
    for item in items:
        if piece and size + len(item) > MOST_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(item)
        size += len(item)
    if piece:
        yield b"".join(piece)


# -- changes


class Told(NamedTuple):
    """What those hear who may list as much, of the changes of one request: what each presence of those has beside
    itself, and messages after them."""

    marks: list[bytes]
    messages: list[Stanza]


class Chain:
    """What is told of the changes that one request has made, one after the other: each goes on from the version that
    the one before has led to. First all presence is named that tells of them, and then it is sent."""

    def __init__(self, room: Room, step: Step) -> None:
        self._room = room
        self._changes = {each.jid: each for each in step.changes}
        self._step = step
        self._shown = list[tuple[JID, str, str]]()
        self._told: dict[str, Told] = {}
        self._seen: dict[Standing, str] = {}

    def show(self, occupant: Occupant, was: str) -> partial[bytes] | None:
        """Presence of an occupant tells of it; `was`: what it was, by itself or by its domain. Returns what that has as
        its marks; None where the presence of such occupants is not shown."""
        if occupant.role not in self._room.configuration.presencebroadcast:
            return None
        change = self._changes.get(occupant.account)
        was, became = (change.was, change.became) if change else (was, self._room.affiliation(occupant.account))
        self._shown.append((occupant.account, was, became))
        return partial(self._mark, len(self._shown) - 1)

    def tell_the_rest(self) -> None:
        """Tell of all whom no presence tells of: by messages to the sessions that hear of changes."""
        if self._room.versioned and self._step.changes:
            tell_each(self._room, self._told_in_messages())

    def _told_in_messages(self) -> Iterator[tuple[JID, Stanza]]:
        for session in list(self._room.versioned):
            viewer = self._room.by_session.get(session)
            if viewer is not None and self._hears(session):
                for message in self._told_to(viewer).messages:
                    yield session, message

    def _mark(self, index: int, viewer: Occupant, session: JID) -> bytes:
        return self._told_to(viewer).marks[index] if self._hears(session) else b""

    def _hears(self, session: JID) -> bool:
        """Whether a session has asked to hear of changes, and has not heard of these by entering after them."""
        known = self._room.versioned.get(session)
        return known is not None and bool(self._step.changes) and known < self._step.changes[-1].version

    def _told_to(self, viewer: Occupant) -> Told:
        standing = self._room.standing_of(viewer)
        if standing not in self._seen:
            self._seen[standing] = seen_by(self._room, standing)
        seen = self._seen[standing]
        if seen not in self._told:
            self._told[seen] = self._written(seen)
        return self._told[seen]

    def _written(self, seen: str) -> Told:
        """Nothing of what cannot be seen by those who may list this much."""
        room, visible = self._room, [each for each in self._step.changes if is_seen(each.was, each.became, seen)]
        told = Told([b""] * len(self._shown), [])
        if not visible:
            return told
        shown = [index for index, (_, was, became) in enumerate(self._shown) if is_seen(was, became, seen)]
        pieces = list(_pieces(self._rest(visible, seen)))
        until = _version(room, visible[-1].version, seen)
        reached = [_version(room, room.log.latest_before(self._step, seen), seen)]
        reached += [_between(until, number) for number in range(1, len(shown) + len(pieces))] + [until]
        for number, index in enumerate(shown):
            told.marks[index] = _mark(reached[number], reached[number + 1])
        for number, piece in enumerate(pieces, len(shown)):
            told.messages.append(_message(room, _mark(reached[number], reached[number + 1]) + piece))
        return told

    def _rest(self, visible: Iterable[AffiliationChange], seen: str) -> Iterator[bytes]:
        shown = {account for account, _, _ in self._shown}
        here = {each.account for each in self._room.occupants.values()}
        for each in visible:
            if each.jid not in shown:
                role = "" if each.jid in here else ' role="none"'
                yield _item(each.jid, as_seen(each.became, seen), role)


# -- how it is written


def _version(room: Room, number: int, seen: str) -> str:
    """A version as it is told those who may list this much. Nobody can guess one: it would tell who has been there."""
    digest = hmac.digest(room.secret, f"affiliations\0{number}\0{seen}".encode(), "sha256")
    return f"{number}.{urlsafe_b64encode(digest[:12]).decode()}"


def _between(until: str, number: int) -> str:
    """A version that is told on the way to another one, and that the room does not know."""
    return f"{until}.{number}"


def _number(room: Room, version: str, seen: str) -> int | None:
    """The number of a version; None if it is none, or not one of those who may list this much."""
    text = version.partition(".")[0]
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        return None
    known = _version(room, int(text), seen)
    return int(text) if hmac.compare_digest(known.encode(), version.encode()) else None


def _mark(since: str | None, until: str) -> bytes:
    begin = "" if since is None else f" since={quoted(since)}"
    return f'<mav xmlns="{NAMESPACE}"{begin} until={quoted(until)}/>'.encode()


def _item(jid: str, affiliation: str, role: str = "") -> bytes:
    """No bare address has anything in it that would have to be escaped."""
    return f'<item jid="{jid}" affiliation="{affiliation}"{role}/>'.encode()


def _message(room: Room, content: bytes, to: JID | None = None) -> Stanza:
    x = f'<x xmlns="{MUC_USER}">'.encode() + content + b"</x>"
    return Stanza.build("message", x, to=to, sender=room.address)
