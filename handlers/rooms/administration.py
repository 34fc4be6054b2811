"""XEP-0045 sections 8.2 to 8.5, 9 and 10.3 to 10.8: who is what in a room, asked for and changed (muc#admin).

A request may have several items: all of them are done, or none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from db.rooms import Affiliation
from handlers.rooms import affiliating, lists, lookalikes, nicks, presence, rates
from handlers.rooms.affiliating import MOST_CHANGED, Actor, Turned
from handlers.rooms.entering import put_out
from handlers.rooms.lookalikes import Trusted
from handlers.rooms.presence import Change, Ended
from handlers.rooms.ranks import (
    AFFILIATIONS,
    FOR_OWNERS,
    ROLES,
    Standing,
    refusal_to_list_role,
    refusal_to_set_affiliation,
    refusal_to_set_role,
)
from handlers.rooms.room import NOBODY, Occupant, Room
from handlers.rooms.rooms_here import existing, let_go_if_empty
from handlers.rooms.telling import MUC_ADMIN, refuse_long_reason
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, AddressReader, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

QUERY, ITEM, REASON = (f"{{{MUC_ADMIN}}}{name}" for name in ("query", "item", "reason"))


class Item(NamedTuple):
    """What is asked for of somebody: an affiliation or a role, the other one is empty; `nick` None: nothing is said."""

    jid: JID | None
    nick: str | None
    affiliation: str
    role: str
    reason: str


class Given(NamedTuple):
    """A role that an occupant is given; none is a kick."""

    occupant: Occupant
    role: str
    reason: str


# -- lists


def answer_list(server: "Server", iq: Stanza) -> bytes:
    """Who has an affiliation, or a role (8.5, 9.2, 9.5, 9.8, 10.5, 10.8)."""
    assert iq.to is not None and iq.sender is not None
    room, items = existing(server, iq.to), _items(iq.only_child())
    if len(items) != 1:
        raise StanzaError("bad-request", "one list at a time")
    [item] = items
    actor = room.standing(iq.sender.bare)
    if item.role == "none":
        raise StanzaError("bad-request", "who has no role is not in the room")
    if item.role:
        refusal = refusal_to_list_role(actor, item.role)
    else:
        refusal = lists.refusal_to_list(room, actor, item.affiliation)
    if refusal is not None:
        raise StanzaError(refusal, "you may not have this list")
    answer = _list(_with_role(room, item.role)) if item.role else _those_who_are(room, item.affiliation)
    if len(answer) > server.stream_settings.unsent_bytes // 2:
        # What is more than may wait for a client would end its stream, and it would come back and ask again.
        raise StanzaError("resource-constraint", "this list is too long to be sent at once, but has versions")
    return answer


def _those_who_are(room: Room, affiliation: str) -> bytes:
    if affiliation not in room.lists:
        room.lists[affiliation] = _list(lists.items(room, affiliation))
    return room.lists[affiliation]


def _list(items: Iterable[str]) -> bytes:
    return f'<query xmlns="{MUC_ADMIN}">{"".join(items)}</query>'.encode()


def _with_role(room: Room, role: str) -> Iterator[str]:
    for each in room.occupants.values():
        if each.role == role:
            session, _ = each.shown
            who = f"jid={quoted(session)} nick={quoted(each.nick)}"
            yield f'<item affiliation="{room.affiliation(each.account)}" {who} role="{role}"/>'


# -- changes


def change(server: "Server", iq: Stanza) -> None:
    """Roles and affiliations that are to be others. Nothing is done before everything is known to be allowed."""
    assert iq.to is not None and iq.sender is not None
    room, items = existing(server, iq.to), _items(iq.only_child())
    actor, standing = affiliating.actor_of(room, iq.sender), room.standing(iq.sender.bare)
    people = _people(room, actor, standing, [item for item in items if item.affiliation])
    given = list(_roles(room, actor, standing, [item for item in items if item.role], people))
    rates.spend_changes(room, actor.account, len(items))
    turned = affiliating.keep(room, people)
    kicked = [each for each in given if each.role == "none"]
    ended = put_out(room, ((each.occupant, _told(actor, each, ["307"])) for each in kicked))
    iq.after_reply(lambda: _tell(room, actor, turned, given, ended))


def _tell(room: Room, actor: Actor, turned: Turned, given: list[Given], kicked: list[Ended]) -> None:
    """Who is kicked knows by now, and the moderator that it is done; the others hear of all after that (8.2)."""
    presence.show_put_out(room, kicked)
    affiliating.tell(room, turned, actor)
    affiliating.give_roles(room, ((each.occupant, each.role, _told(actor, each)) for each in given))
    let_go_if_empty(room)


def _told(actor: Actor, given: Given, codes: Sequence[str] = ()) -> Change:
    return Change(codes=codes, actor=actor.nick, reason=given.reason)


def _people(room: Room, actor: Actor, standing: Standing, items: list[Item]) -> dict[JID, Affiliation]:
    """What people are to be. Raises StanzaError for what is not allowed."""
    if items and not standing.is_at_least("admin"):
        raise StanzaError("forbidden", "affiliations are for admins to give")
    wanted = [(_account(room, item), item) for item in items]
    trusted = lookalikes.trusted(room) if any(item.nick for _, item in wanted) else {}
    people = {jid: _affiliation(room, jid, item, trusted) for jid, item in wanted}
    owners = {*room.owners(), *people} - {jid for jid, each in people.items() if each.affiliation != "owner"}
    for jid, item in wanted:
        target = Standing(room.affiliation(jid))
        refusal = refusal_to_set_affiliation(
            standing, target, item.affiliation, is_oneself=jid == actor.account, leaves_no_owner=not owners
        )
        if refusal is not None:
            raise StanzaError(refusal, f"you may not make {jid} {item.affiliation}")
        if not jid.local and item.affiliation in FOR_OWNERS:
            raise StanzaError("not-acceptable", "a whole domain is no owner and no admin")
    _refuse_nicks_twice(people)
    return people


def _account(room: Room, item: Item) -> JID:
    """Who is meant: by address, of which the bare one counts, or by its nick."""
    if item.jid is not None:
        return item.jid.bare
    return _occupant(room, item).account


def _affiliation(room: Room, jid: JID, item: Item, trusted: Trusted) -> Affiliation:
    """Who is banned or put off the list loses a nick that was reserved (9.1); an item with a nick reserves it (9.3)."""
    nick = room.affiliations.get(jid, NOBODY).nick
    if item.affiliation in ("outcast", "none"):
        nick = ""
    elif item.jid is not None and item.nick is not None:
        nick = _reserved(room, jid, item.nick, trusted)
    return Affiliation(item.affiliation, nick, item.reason)


def _reserved(room: Room, jid: JID, nick: str, trusted: Trusted) -> str:
    if not nick:
        return ""  # this unsets it (9.5)
    nicks.check(room.server, nick)
    nicks.refuse_taken(room, jid, nick, trusted)
    return nick


def _refuse_nicks_twice(people: Mapping[JID, Affiliation]) -> None:
    nicks = [each.nick for each in people.values() if each.nick]
    if len(set(nicks)) < len(nicks):
        raise StanzaError("conflict", "a nick is reserved for one person")


def _roles(
    room: Room, actor: Actor, standing: Standing, items: Iterable[Item], people: Mapping[JID, Affiliation]
) -> Iterator[Given]:
    """What roles occupants are to have, beside what they become. Raises StanzaError for what is not allowed."""
    for item in items:
        if not standing.has_role("moderator") and not standing.is_at_least("admin"):
            raise StanzaError("forbidden", "roles are for moderators to give")
        occupant = _occupant(room, item)
        becomes = people.get(occupant.account)
        target = Standing(becomes.affiliation if becomes else room.affiliation(occupant.account), occupant.role)
        is_oneself = occupant.account == actor.account
        refusal = refusal_to_set_role(standing, target, item.role, is_oneself=is_oneself)
        if refusal is not None:
            raise StanzaError(refusal, f"you may not give {occupant.nick} the role {item.role}")
        yield Given(occupant, item.role, item.reason)


def _occupant(room: Room, item: Item) -> Occupant:
    """The occupant of a nick, or of the full address of a session."""
    if item.nick is None and item.jid is None:
        raise StanzaError("bad-request", "an item says who is meant")
    occupant = None
    if item.nick is not None:
        occupant = room.occupants.get(item.nick)
    elif item.jid is not None:
        occupant = room.by_session.get(item.jid)
    if occupant is None:
        raise StanzaError("item-not-found", "nobody of this nick is in the room")
    return occupant


# -- what is asked for


def _items(query: etree._Element) -> list[Item]:
    """The items of a request. Raises StanzaError where there is none, or one that says what nobody can do."""
    elements, reader = query.findall(ITEM), AddressReader()
    if not elements:
        raise StanzaError("bad-request", "a request has an item")
    if len(elements) > MOST_CHANGED:
        raise StanzaError("policy-violation", f"a request has {MOST_CHANGED} items at most")
    return [_item(element, reader) for element in elements]


def _item(element: etree._Element, reader: AddressReader) -> Item:
    affiliation, role = element.get("affiliation"), element.get("role")
    if (affiliation is None) == (role is None):
        raise StanzaError("bad-request", "an item has either an affiliation or a role")
    if affiliation not in (None, *AFFILIATIONS) or role not in (None, *ROLES):
        raise StanzaError("bad-request", "there is no such affiliation or role")
    reason = (element.findtext(REASON) or "").strip()
    refuse_long_reason(reason)
    try:
        jid = reader.read(element.attrib["jid"]) if "jid" in element.attrib else None
        nick = _prepared(element.get("nick"))
    except MalformedJID as error:
        raise StanzaError("jid-malformed", str(error)) from None
    return Item(jid, nick, affiliation or "", role or "", reason)


def _prepared(nick: str | None) -> str | None:
    """A nick as those are that occupants have."""
    return JID.of("", "nick.invalid", nick).resource if nick else nick
