"""XEP-0045 sections 7.2, 7.7, 7.14 and 10.1: entering a room, with its errors, making one by that, presence in it, and
leaving."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import gevent
from lxml import etree

from db import rooms
from handlers.admin.roles import is_limited, reach
from handlers.contacts.access import is_at_home
from handlers.login.sasl.guests import is_guest
from handlers.rooms import history, nicks, presence, rates, room_vcard, versions
from handlers.rooms.configuration import DEFAULT
from handlers.rooms.presence import Change, Ended
from handlers.rooms.ranks import Standing
from handlers.rooms.room import Occupant, Room
from handlers.rooms.rooms_here import Rooms, create, find, keep_in_memory, let_go_if_empty
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import MUC, session_here, tell_each
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.running.handling import Handled
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

ABOVE_THE_LIMIT = 20
"""So many owners and admins still enter a room that is full."""
TOLD_OF_ENTERING = 5
"""Times as much as there are occupants: each is told that somebody comes, and goes, which nobody is refused; and who
comes is told of each, which costs more, since all of that is different."""


def receive(server: "Server", stanza: Stanza) -> None:
    """Presence without a type to an occupant's address: to enter, to say something new, or to change the nick."""
    assert stanza.to is not None and stanza.sender is not None
    address, nick, session = stanza.to.bare, stanza.to.resource, stanza.sender
    room, muc = find(server, address), presence.muc_of(stanza)
    occupant = room.by_session.get(session) if room is not None else None
    if room is not None and occupant is not None:
        if occupant.nick != nick:
            _check_presence(server, stanza)
            nicks.change(room, occupant, stanza, presence.content_of(stanza))
            if muc is not None:  # it does not know that it is here: of the room it knows nothing either
                _welcome(room, room.by_session[session], stanza, muc)
        elif muc is not None:
            _enter_again(room, occupant, stanza, muc)
        else:
            _say_presence(room, occupant, stanza)
    elif muc is None:
        _tell_outside(room, stanza)
    else:
        _enter(server, room, stanza, muc)


def leave(server: "Server", stanza: Stanza) -> None:
    """Presence of type unavailable to an occupant's address; silence where the session is not in the room."""
    assert stanza.to is not None and stanza.sender is not None
    room = server.state(Rooms).here.get(stanza.to.bare)
    if room is not None:
        leave_room(room, stanza.sender, _last_words(server, stanza), Change(answers=stanza))


def _last_words(server: "Server", stanza: Stanza) -> bytes:
    """What somebody says who leaves; whoever says too much leaves without a word, since it leaves in any case."""
    is_too_long = len(stanza.wire()) > server.settings(RoomSettings).max_presence_bytes
    return b"" if is_too_long else presence.content_of(stanza)


def leave_room(room: Room, session: JID, said: bytes = b"", change: Change = presence.PLAIN) -> None:
    """A session leaves a room, or is put out; others are told where it was the last one under its nick, or where it is
    its presence that they were shown."""
    occupant = room.by_session.get(session)
    if occupant is None:
        return
    was_shown = occupant.shown[0] == session
    room.take_out(session)
    if room.is_locked and not room.occupants:  # nobody has configured it, so it ends with that (10.1.3)
        change = Change(codes=change.codes, destroyed=b"<destroy/>", affiliation="none", answers=change.answers)
    presence.show_end(room, occupant, [session], change, said, is_told_to_others=not occupant.sessions)
    if occupant.sessions and was_shown:
        presence.show(room, occupant)
    let_go_if_empty(room)


def put_out(room: Room, occupants: Iterable[tuple[Occupant, Change]]) -> list[Ended]:
    """Occupants leave with all their sessions: they are kicked, banned, or not members any more. They are told; the
    others are not yet."""
    ended = [Ended(occupant, gone, change) for occupant, change in occupants if (gone := room.take_out_all(occupant))]
    presence.tell_put_out(room, ended)
    return ended


# -- entering


def _enter(server: "Server", room: Room | None, stanza: Stanza, muc: etree._Element) -> None:
    assert stanza.to is not None and stanza.sender is not None
    nick, session = stanza.to.resource, stanza.sender
    nicks.check(server, nick)
    _check_presence(server, stanza)
    _check_rooms_left(server, session)
    _count_entering(server, stanza)
    is_new = room is None
    if room is None:
        room = _make(server, stanza.to.bare, session)
    refuse_entrance(room, session, nick, muc.findtext(f"{{{MUC}}}password"))
    said = presence.content_of(stanza)
    rates.spend_told(room, session.bare, rates.PRESENCE_BYTES + len(said), TOLD_OF_ENTERING)
    occupant = room.put(nick, session, said, room.role_of_who_enters(session.bare))
    keep_in_memory(room)
    presence.show(room, occupant, but=session)
    _welcome(room, occupant, stanza, muc, [*(["201"] if is_new else []), *nicks.codes_of(stanza)])


def _count_entering(server: "Server", stanza: Stanza) -> None:
    """Also where it is refused: or passwords could be guessed."""
    assert stanza.to is not None and stanza.sender is not None
    account = stanza.sender.bare
    rates.spend(server, account, rates.ENTERINGS, room=stanza.to.bare)
    rates.spend(server, account, rates.ALL_ENTERINGS)


def refuse_entrance(room: Room, session: JID, nick: str, password: str | None) -> None:
    """Raise StanzaError for who may not come in under this nick (7.2.5 to 7.2.10)."""
    account, configuration = session.bare, room.configuration
    affiliation = room.affiliation(account)
    standing = Standing(affiliation)
    if room.is_locked and account != room.creator:
        raise StanzaError("item-not-found", "the room is not open yet")
    if affiliation == "outcast":
        raise StanzaError("forbidden", "you are banned from this room")
    if configuration.membersonly and not standing.is_at_least("member"):
        raise StanzaError("registration-required", "this room is for its members")
    if configuration.passwordprotectedroom and password != configuration.roomsecret:
        raise StanzaError("not-authorized", "this room asks for a password")
    nicks.refuse_taken(room, account, nick)
    if nick not in room.occupants:
        _check_room_left(room, standing)


def _check_room_left(room: Room, standing: Standing) -> None:
    most = room.server.settings(RoomSettings).max_occupants
    if room.configuration.maxusers is not None:
        most = min(most, room.configuration.maxusers)
    if standing.is_at_least("admin"):
        most += ABOVE_THE_LIMIT
    if len(room.occupants) >= most:
        raise StanzaError("service-unavailable", "the room is full", type="wait")


def _check_presence(server: "Server", stanza: Stanza) -> None:
    most = server.settings(RoomSettings).max_presence_bytes
    if len(stanza.wire()) > most:
        raise StanzaError("policy-violation", f"presence in a room may have {most} bytes")


def _check_rooms_left(server: "Server", session: JID) -> None:
    most = server.settings(RoomSettings).max_rooms_entered
    if server.state(Rooms).entered[session] >= most:
        raise StanzaError("resource-constraint", f"nobody is in more than {most} rooms at once")


def _make(server: "Server", address: JID, session: JID) -> Room:
    """A room comes into being by the first who enters (10.1.1)."""
    settings, creator = server.settings(RoomSettings), session.bare
    old = rooms.tombstone(server.db, address, time.time())
    if old is not None:
        raise _gone(old)
    if not _may_make(server, address.domain, creator):
        raise StanzaError("not-allowed", "you may not make rooms here")
    if rooms.count_of(server.db, creator) >= settings.max_rooms:
        raise StanzaError("resource-constraint", f"you have made {settings.max_rooms} rooms")
    rates.spend(server, creator, rates.ROOMS_MADE)
    room = create(server, address, creator, DEFAULT)
    gevent.spawn_later(settings.lock_seconds, _open_if_locked, server, address, room.number)
    return room


def _may_make(server: "Server", service: str, creator: JID) -> bool:
    if is_guest(server, creator) or is_limited(server, creator):
        return False
    home = server.subdomains.home[service]
    match server.settings_at(home, RoomSettings).creators:
        case "everybody":
            return True
        case "accounts":
            return bool(creator.local) and creator.domain == home
        case "administrators":
            return is_at_home(server, creator) and reach(server, creator) in ("", home)
    return False


def _gone(old: rooms.Tombstone) -> StanzaError:
    return StanzaError("gone", old.reason or "this room was destroyed", uri=_iri(old.venue) if old.venue else None)


def _iri(room: str) -> str:
    """Where a room is entered: an address as RFC 5122 writes it."""
    return "xmpp:" + "".join(each if each.isalnum() or each in "@.-_~" else _percent(each) for each in room) + "?join"


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _open_if_locked(server: "Server", address: JID, number: int) -> None:
    """Its creator has not configured it: then it is as it is."""
    room = server.state(Rooms).here.get(address)
    if room is not None and room.number == number and room.is_locked and not server.is_stopping:
        try:
            with Handled():
                room.unlock()
        except server.storage_errors as error:
            log_refusal(log, error, "cannot keep that %s is open", address)
            room.is_locked = False


def _welcome(
    room: Room, occupant: Occupant, asked: Stanza, muc: etree._Element, more_codes: Sequence[str] = ()
) -> None:
    """What who enters gets, in this order (7.2.2): presence of the room itself if that is wanted, of the others, and
    its own with the id of its request; history, the subject. It may have left before it is its turn."""
    assert asked.sender is not None
    session, id = asked.sender, asked.id
    codes = [*([] if room.configuration.is_anonymous else ["100"]), *more_codes]
    said, versioned = history.wanted(room, muc, session), versions.answer(room, occupant, session, muc)
    others = presence.others_of(room, occupant, session)  # who comes later is shown to it by coming

    def all_of_it() -> Iterator[Stanza]:
        of_room = room_vcard.presence_of(room)
        if of_room is not None:
            yield of_room.addressed(session)
        yield from versioned.messages
        yield from others
        if session not in occupant.sessions:
            return
        own = presence.own(room, occupant, session, Change(own_codes=codes), id, versioned.mark)
        yield own.addressed(session)
        for each in said:
            yield history.delayed(room, each).addressed(session)
        yield history.subject(room).addressed(session)

    ours = session_here(room.server, session)
    if ours is not None:
        ours.send_all(all_of_it(), held=versioned.held)
    else:
        tell_each(room, ((session, stanza) for stanza in all_of_it()))


# -- in the room


def _enter_again(room: Room, occupant: Occupant, stanza: Stanza, muc: etree._Element) -> None:
    """A client that is in, and has lost count: it gets everything again, others only what is new (16.3)."""
    assert stanza.sender is not None
    _check_presence(room.server, stanza)
    _count_entering(room.server, stanza)
    said = presence.content_of(stanza)
    rates.spend_told(room, occupant.account, rates.PRESENCE_BYTES + len(said), TOLD_OF_ENTERING - 1)
    if occupant.sessions[stanza.sender] != said:
        room.put(occupant.nick, stanza.sender, said, occupant.role)
        presence.show(room, occupant, but=stanza.sender)
    _welcome(room, occupant, stanza, muc)


def _say_presence(room: Room, occupant: Occupant, stanza: Stanza) -> None:
    assert stanza.sender is not None
    _check_presence(room.server, stanza)
    said = presence.content_of(stanza)
    rates.spend_presence(room, occupant.account, said, rates.PRESENCES, times=1)
    room.put(occupant.nick, stanza.sender, said, occupant.role)
    presence.show(room, occupant, Change(answers=stanza))


def _tell_outside(room: Room | None, stanza: Stanza) -> None:
    """7.2.18: who is not in the room, and seems to think so, is told. This is not how one enters."""
    assert stanza.to is not None and stanza.sender is not None
    if room is None:
        raise StanzaError("item-not-found", "there is no such room")
    outside = Occupant(stanza.to.resource, stanza.sender.bare, room.id_of(stanza.sender.bare), "none")
    change = Change(own_codes=["307", "333"], reason="You are not in the room.")
    room.server.router.route(presence.to_nobody(room, outside, change).addressed(stanza.sender))
