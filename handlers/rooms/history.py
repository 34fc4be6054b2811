"""XEP-0045 sections 7.2.13 and 7.2.14: what was said before somebody came, and the subject."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

from lxml import etree

from db import archive, archives
from db.archive import Entry, Selection
from handlers.messages import delay, stanza_ids
from handlers.messages.occupants import occupant_id
from handlers.rooms.recent import MOST_HISTORY, Recent, Said
from handlers.rooms.room import Room
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import MUC
from xmpp.data import names, timestamps
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.data.wire import escaped

HISTORY = f"{{{MUC}}}history"
ARCHIVED = 2
"""To find so many messages with a text, as many times as many of the archive are looked at."""


def remember(room: Room, said: Said) -> None:
    """One more message that was told to all."""
    room.history.append(said)
    room.history.shorten(room.configuration.historylength, room.server.settings(RoomSettings).max_history_bytes)


def wanted(room: Room, muc: etree._Element, to: JID) -> Sequence[Said]:
    """What a session that enters asks for, the oldest first: of all limits that are given the narrowest."""
    asked = muc.find(HISTORY)
    most = room.configuration.historylength
    since, characters = 0.0, None
    if asked is not None:
        stanzas, characters = _number(asked, "maxstanzas"), _number(asked, "maxchars")
        most = most if stanzas is None else min(most, stanzas)
        since = _since(asked)
    if most and not room.is_history_whole:
        _read_from_archive(room)
    newest_first = takewhile(lambda said: said.at >= since, reversed(room.history))
    chosen = list[Said]()
    for said in newest_first:
        if characters is not None:
            characters -= len(delayed(room, said).addressed(to).wire().decode())  # as it gets them (7.2.14)
        if len(chosen) >= most or (characters is not None and characters < 0):
            break
        chosen.append(said)
    return chosen[::-1]


def delayed(room: Room, said: Said) -> Stanza:
    """A message of the history, with the time at which it was said, in the name of the room."""
    return said.stanza.with_last(delay.stamp(room.address, said.at), delay.DELAY)


def subject(room: Room) -> Stanza:
    """The subject, empty where there is none; from whom it was set, with when."""
    text, nick, at, by = room.subject
    sender = room.address.with_resource(nick) if nick else room.address
    content = f"<subject>{escaped(text)}</subject>".encode() if text else b"<subject/>"
    if at:
        content += delay.stamp(room.address, at)
    if by:
        content += occupant_id(by)
    return Stanza.build("message", content, type="groupchat", sender=sender)


def _read_from_archive(room: Room) -> None:
    """What was said before the room came into memory: once for as long as somebody is in it."""
    room.is_history_whole = True
    length, db = min(room.configuration.historylength, MOST_HISTORY), room.server.db
    if not room.configuration.enablearchiving:
        return
    archive.settle(db)
    selection = Selection(archives.of_room(db, room.number).number)
    newest_first = archive.page(db, selection, min(ARCHIVED * length, MOST_HISTORY), backwards=True)
    said = list(islice(_said(room, newest_first), length))
    if said:  # else what is in memory is all there is
        room.history = Recent()
        for each in reversed(said):
            room.history.append(each)


def _said(room: Room, newest_first: Sequence[Entry]) -> Iterator[Said]:
    """Messages as their occupants have got them, of those that have a text, and no more than may be in memory."""
    left = room.server.settings(RoomSettings).max_history_bytes
    for entry in newest_first:
        kept = archive.stanza(room.server.db, entry.row)
        if kept is None:
            continue
        left -= len(kept)  # also of one without a text: it was read
        if left < 0:
            return
        stanza = _read(kept)
        if stanza is not None and names.BODY in stanza.child_tags:
            yield Said(stanza_ids.with_id(stanza.kept(), room.address, entry.uid), entry.at, entry.uid)


def _read(kept: bytes) -> Stanza | None:
    try:
        return Stanza.from_wire(kept)
    except Unreadable:
        return None


def _number(asked: etree._Element, name: str) -> int | None:
    text = asked.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _since(asked: etree._Element) -> float:
    """The moment from which on: of two that are given the later one."""
    moments = [0.0]
    seconds = asked.get("seconds", "")
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
        moments.append(time.time() - int(seconds))
    try:
        moments.append(timestamps.parse(asked.get("since", "")))
    except ValueError:
        pass  # it says nothing that we could understand
    return max(moments)
