"""XEP-0045 sections 10.1.2, 10.1.3, 10.2 and 10.9: a room is configured, and destroyed (muc#owner)."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lxml import etree

from db.rooms import Affiliation
from handlers.rooms import affiliating, configuration, presence, rates
from handlers.rooms.affiliating import Actor, Turned
from handlers.rooms.configuration import RoomConfiguration, Submitted
from handlers.rooms.entering import put_out
from handlers.rooms.presence import Change
from handlers.rooms.ranks import Standing, role_on_entering
from handlers.rooms.room import NOBODY, Occupant, Room
from handlers.rooms.rooms_here import Rooms, destroy, existing, let_go_if_empty, remove
from handlers.rooms.settings import RoomSettings
from handlers.rooms.shown_anew import show_anew
from handlers.rooms.telling import MUC_OWNER, forget_directed, refuse_long_reason, tell_codes, tell_each, text_element
from xmpp.data import dataforms
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

QUERY, DESTROY, REASON, PASSWORD = (f"{{{MUC_OWNER}}}{name}" for name in ("query", "destroy", "reason", "password"))
DAY_SECONDS = 86_400


def answer_form(server: "Server", iq: Stanza) -> etree._Element:
    """The form to configure a room with (10.1.3, 10.2)."""
    room = _own_room(server, iq)
    query = etree.Element(QUERY, nsmap={None: MUC_OWNER})
    query.append(configuration.form(room.configuration, (*room.those_who_are("admin"),), (*room.owners(),)))
    return query


def receive(server: "Server", iq: Stanza) -> None:
    """A form that was filled in or put away, or the end of the room."""
    room, query = _own_room(server, iq), iq.only_child()
    if len(query) != 1:
        raise StanzaError("bad-request", "either a form or the end of the room")
    [child] = query
    if child.tag == DESTROY:
        _destroy(room, child)
    elif child.tag == dataforms.X and child.get("type") == "cancel":
        if room.is_locked:
            _give_up(room)
    else:
        _configure(room, child, iq)


def _own_room(server: "Server", iq: Stanza) -> Room:
    assert iq.to is not None and iq.sender is not None
    room = existing(server, iq.to)
    if room.affiliation(iq.sender.bare) != "owner":
        raise StanzaError("forbidden", "this is for the owners of the room")
    return room


# -- configuration


def _configure(room: Room, x: etree._Element, iq: Stanza) -> None:
    """Have the room be as an owner has filled in; an empty form takes it as it is (10.1.2)."""
    assert iq.to is not None and iq.sender is not None
    before, wanted = room.configuration, Submitted(x, room.configuration)
    people = _people(room, wanted)
    rates.spend_changes(room, iq.sender.bare, len(people) + _shown_anew(room, wanted.configuration))
    with room.server.db.change():
        turned = affiliating.keep(room, people)
        if wanted.configuration != before:
            room.configure(wanted.configuration)
        if room.is_locked:
            room.unlock()
    actor = affiliating.actor_of(room, iq.sender)
    iq.after_reply(lambda: _tell(room, before, turned, actor))


def _shown_anew(room: Room, wanted: RoomConfiguration) -> int:
    """How many are shown to all in another way once the room is configured so: nobody, or all who are in it."""
    names = ("whois", "presencebroadcast", "membersonly", "moderatedroom")
    is_other = any(getattr(wanted, name) != getattr(room.configuration, name) for name in names)
    return len(room.occupants) if is_other else 1


def _people(room: Room, wanted: Submitted) -> dict[JID, Affiliation]:
    """What people become by the lists of owners and admins, each of which says who is one and that nobody else is. Who
    is no owner any more is an admin, unless there is a list of them; who is no admin, a member where only those may be
    in the room."""
    if wanted.owners is None and wanted.admins is None:
        return {}
    owners = _listed(room, wanted.owners, "owner")
    admins = _listed(room, wanted.admins, "admin") - owners
    if not owners:
        raise StanzaError("conflict", "a room has an owner")
    if wanted.owners is not None and wanted.admins is None:
        admins |= {*room.owners()} - owners
    rest = "member" if wanted.configuration.membersonly else "none"
    become = dict.fromkeys((*room.owners(), *room.those_who_are("admin")), rest)
    become |= dict.fromkeys(sorted(admins), "admin") | dict.fromkeys(sorted(owners), "owner")
    known: Mapping[str, Affiliation] = room.affiliations
    return {
        jid: Affiliation(affiliation, "" if affiliation == "none" else known.get(jid, NOBODY).nick)
        for jid, affiliation in become.items()
        if known.get(jid, NOBODY).affiliation != affiliation
    }


def _listed(room: Room, given: Collection[str] | None, affiliation: str) -> set[JID]:
    listed = {*room.those_who_are(affiliation)} if given is None else {JID.parse(text).bare for text in given}
    if not all(jid.local for jid in listed):
        raise StanzaError("not-acceptable", "a whole domain is no owner and no admin")
    return listed


def _tell(room: Room, before: RoomConfiguration, turned: Turned, actor: Actor) -> None:
    """Tell who has become what, put out who may not be in the room any more, and say that it is another one now."""
    show_anew(room, before)
    affiliating.tell(room, turned, actor)
    if room.configuration.membersonly and not before.membersonly:
        told = Change(codes=["322"], actor=actor.nick)
        presence.show_put_out(room, put_out(room, ((each, told) for each in _strangers(room))))
    if room.configuration.moderatedroom != before.moderatedroom:
        _moderate(room)
    codes = _codes(before, room.configuration)
    if codes:
        tell_codes(room, codes)
    let_go_if_empty(room)


def _strangers(room: Room) -> list[Occupant]:
    """The occupants that are no members."""
    here = room.occupants.values()
    return [each for each in here if not Standing(room.affiliation(each.account)).is_at_least("member")]


def _moderate(room: Room) -> None:
    """Who is no member only listens in a room that is moderated, and speaks in one that is not (5.1.2)."""
    usual = room.usual_role("none")
    before = role_on_entering("none", is_moderated=not room.configuration.moderatedroom)
    affiliating.give_roles(room, [(each, usual, Change()) for each in _strangers(room) if each.role == before])


def _codes(before: RoomConfiguration, now: RoomConfiguration) -> list[str]:
    """The codes of what has changed (10.2.1): who is seen by whom, and anything else."""
    codes = []
    if before.is_anonymous != now.is_anonymous:
        codes.append("173" if now.is_anonymous else "172")
    if replace(before, whois=now.whois) != now:
        codes.append("104")
    return codes


# -- the end


def _destroy(room: Room, element: etree._Element) -> None:
    """The room is no more (10.9). Its name is not to be had for a while: who comes is told where people went."""
    reason, password = ((element.findtext(tag) or "").strip() for tag in (REASON, PASSWORD))
    for each in (reason, password):
        refuse_long_reason(each)
    end(room, _venue(element), reason, password)


def end(room: Room, venue: str, reason: str, password: str = "") -> None:
    """The room is no more, for whoever may say so. `venue`: the room where people go instead, with its password."""
    inner = text_element("reason", reason) + text_element("password", password)
    where = f" jid={quoted(venue)}" if venue else ""
    until = time.time() + room.server.settings(RoomSettings).tombstone_days * DAY_SECONDS
    destroy(room, until=until, venue=venue, reason=reason)
    _tell_end(room, f"<destroy{where}>{inner}</destroy>")


def _venue(element: etree._Element) -> str:
    try:
        return JID.parse(element.attrib["jid"]) if element.get("jid") else ""
    except MalformedJID as error:
        raise StanzaError("jid-malformed", str(error)) from None


def _give_up(room: Room) -> None:
    """Its creator does not want it after all (10.1.3): nothing is left of it."""
    remove(room)
    _tell_end(room, "<destroy/>")


def _tell_end(room: Room, content: str) -> None:
    """All that anybody hears of the end is that it is out itself. The room is not there any more, so nobody notices
    that they leave it one after the other, each when it is its turn."""
    told = Change(destroyed=content.encode(), affiliation="none", role="none")
    tell_each(room, _ends(room, told), if_lost=partial(_leave_untold, room))


def _ends(room: Room, told: Change) -> Iterator[tuple[JID, Stanza]]:
    for occupant in [*room.occupants.values()]:
        for session in room.take_out_all(occupant):
            if not _is_in_another(room, session):
                forget_directed(room, occupant.nick, [session])
                yield session, presence.to_nobody(room, occupant, told)


def _leave_untold(room: Room) -> bool:
    """The end could not be stored: they are out all the same, and enter again when they say something."""
    for occupant in [*room.occupants.values()]:
        room.take_out_all(occupant)
    return False


def _is_in_another(room: Room, session: JID) -> bool:
    """Whether it has entered a room that was made since under that name."""
    another = room.server.state(Rooms).here.get(room.address)
    return another is not None and session in another.by_session
