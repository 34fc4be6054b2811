"""XEP-0045 sections 7.2.8, 7.6 and 16.1: nicks: which are to be had, and how an occupant takes another one."""

from typing import TYPE_CHECKING

from handlers.rooms import lookalikes, presence, rates
from handlers.rooms.lookalikes import Trusted
from handlers.rooms.presence import Change, Views
from handlers.rooms.room import Occupant, Room
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import forget_directed, tell_each, unless_back
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def check(server: "Server", nick: str) -> None:
    """Raise StanzaError for what is no nick."""
    most = server.settings(RoomSettings).max_nick_characters
    if not nick.strip() or len(nick) > most:
        raise StanzaError("jid-malformed", f"a nick has from 1 to {most} characters, and not spaces alone")


def refuse_taken(room: Room, account: JID, nick: str, trusted: Trusted | None = None) -> None:
    """Raise StanzaError for a nick that is somebody else's, who may be in the room or not, or that only looks like it.
    `trusted`: those of the room, if they are known by now."""
    holder, owner = room.occupants.get(nick), room.reserved_by(nick)
    if (holder is not None and holder.account != account) or (owner is not None and owner != account):
        raise StanzaError("conflict", "this nick is somebody else's")
    if holder is None and owner is None and lookalikes.is_taken_for_another(room, account, nick, trusted):
        raise StanzaError("conflict", "this nick looks like somebody else's")


def codes_of(presence: Stanza) -> list[str]:
    """What its sender is told of the nick: 210, if it is another one in its normal form than as it was written."""
    assert presence.to is not None
    address: str = presence.element.get("to", "")
    return ["210"] if presence.to.resource != address.partition("/")[2] else []


def change(room: Room, occupant: Occupant, asked: Stanza, said: bytes) -> None:
    """A session takes another nick. Others see the occupant leave under the old one and come under the new one, unless
    it has other sessions, which keep theirs. Raises StanzaError."""
    assert asked.to is not None and asked.sender is not None
    nick, session = asked.to.resource, asked.sender
    check(room.server, nick)
    refuse_taken(room, session.bare, nick)
    rates.spend_presence(room, session.bare, said, rates.NICKS, times=2)
    _tell_of_end(room, occupant, asked)
    version, came = room.versioned.get(session), room.came[session]
    is_alone, was_shown = len(occupant.sessions) == 1, occupant.shown[0] == session
    if is_alone and nick not in room.occupants:
        room.rename(occupant, nick)
    else:
        room.take_out(session)
    renamed = room.put(nick, session, said, occupant.role)
    room.came[session] = came
    if version is not None:
        room.versioned[session] = version
    if not is_alone and was_shown:
        presence.show(room, occupant)
    elif not is_alone:  # to itself the old nick has just ended
        presence.show_to(room, occupant, session)
    presence.show(room, renamed, Change(own_codes=codes_of(asked), answers=asked))


def _tell_of_end(room: Room, occupant: Occupant, asked: Stanza) -> None:
    assert asked.to is not None and asked.sender is not None
    session, change = asked.sender, Change(codes=["303"], nick=asked.to.resource, answers=asked)
    views = Views(room, occupant, change, "unavailable", session, b"")
    viewers = room.by_session.items() if len(occupant.sessions) == 1 else [(session, occupant)]
    forget_directed(room, occupant.nick, [session])
    told = [(to, views.to(to, each)) for to, each in viewers if presence.is_shown(room, occupant, each)]
    tell_each(room, unless_back(room, told))
