"""XEP-0045 sections 8 to 10: what follows when people become something else in a room, for it and for its occupants."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from db.rooms import Affiliation
from handlers.contacts.access import is_blocked
from handlers.rooms import presence, rates
from handlers.rooms.affiliation_log import Step
from handlers.rooms.entering import put_out
from handlers.rooms.invitations import password_of
from handlers.rooms.presence import Change, Changed
from handlers.rooms.ranks import Standing, role_after
from handlers.rooms.room import NOBODY, Occupant, Room
from handlers.rooms.telling import MUC_USER, text_element
from handlers.rooms.versions import Chain
from xmpp.data.errors import StanzaError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted

MOST_CHANGED = 500
"""By one request: nothing else goes on meanwhile."""
MOST_TOLD = 100
"""Of those who are away, so many hear of one request: it is a message to whoever somebody likes to name."""


class Actor(NamedTuple):
    """Who changes something: by its account, and by its nick, which is empty for who is not in the room."""

    account: JID
    nick: str = ""


class Turned(NamedTuple):
    """People who are something else now than they were, and do not know yet: occupants, with what they were before, and
    bare addresses of those who are away; `why` by address."""

    occupants: list[tuple[Occupant, str]]
    away: list[tuple[JID, str]]
    why: Mapping[JID, Affiliation]
    step: Step

    def reason_for(self, account: JID) -> str:
        """Why that of somebody was changed, or that of its domain."""
        return (self.why.get(account) or self.why[JID.parse(account.domain)]).reason


def actor_of(room: Room, session: JID) -> Actor:
    """Who acts, under the nick of this session, or of another one of the same account."""
    here = room.by_session.get(session) or next(iter(room.of_account(session.bare)), None)
    return Actor(session.bare, here.nick if here else "")


def keep(room: Room, changed: Mapping[JID, Affiliation]) -> Turned:
    """Have these people be something else, for good; nobody is told yet. Raises StanzaError for too many."""
    if len(changed) > MOST_CHANGED:
        raise StanzaError("policy-violation", f"{MOST_CHANGED} people at once can become something else")
    more = sum(each.affiliation != "none" and jid not in room.affiliations for jid, each in changed.items())
    if more:
        room.refuse_more_affiliations(more)
    touched = [(each, room.affiliation(each.account)) for each in room.occupants.values() if _is_of(each, changed)]
    before = {jid: room.affiliation(jid) for jid in changed}
    step = room.set_affiliations(dict(changed))
    here = {each.account for each, _ in touched}
    return Turned(
        [(each, was) for each, was in touched if room.affiliation(each.account) != was],
        [(jid, was) for jid, was in before.items() if jid.local and jid not in here and room.affiliation(jid) != was],
        changed,
        step,
    )


def tell(room: Room, turned: Turned, actor: Actor) -> None:
    """Tell all of it: who may not be in the room any more leaves it, others are shown as they are now."""
    ended, changed, chain = list[tuple[Occupant, Change]](), list[Changed](), Chain(room, turned.step)
    for occupant, was in turned.occupants:
        code, reason = _code_of_end(room, occupant), turned.reason_for(occupant.account)
        change = Change(codes=[code] if code else [], actor=actor.nick, reason=reason)
        if code:
            ended.append((occupant, change))
        else:
            changed.append(Changed(occupant, occupant.role, change))
            occupant.role = _role_after(room, occupant, was)
    were, gone = dict(turned.occupants), put_out(room, ended)
    for ended_one in gone:  # in the order in which all this is told
        ended_one.change.marks = chain.show(ended_one.occupant, were[ended_one.occupant])
    for changed_one in changed:
        if changed_one.occupant.sessions:
            changed_one.change.marks = chain.show(changed_one.occupant, were[changed_one.occupant])
    presence.show_put_out(room, gone)
    presence.show_changes(room, changed)
    chain.tell_the_rest()
    if turned.away:
        room.server.portions.begin(room.address, _tell_away(room, turned, actor))


def give_roles(room: Room, given: Iterable[tuple[Occupant, str, Change]]) -> None:
    """Have occupants have these roles, and show it. Who has it already, or is not in the room any more, stays as it
    is."""
    changed = list[Changed]()
    for occupant, role, change in given:
        if occupant.sessions and occupant.role != role:
            changed.append(Changed(occupant, occupant.role, change))
            room.give_role(occupant, role)
    presence.show_changes(room, changed)


def _code_of_end(room: Room, occupant: Occupant) -> str:
    """Why somebody may not be in the room any more, if so."""
    now = room.affiliation(occupant.account)
    if now == "outcast":
        return "301"
    return "321" if room.configuration.membersonly and not Standing(now).is_at_least("member") else ""


def _role_after(room: Room, occupant: Occupant, was: str) -> str:
    is_moderated = room.configuration.moderatedroom
    return role_after(was, room.affiliation(occupant.account), occupant.role, is_moderated=is_moderated)


def _is_of(occupant: Occupant, changed: Mapping[JID, Affiliation]) -> bool:
    return occupant.account in changed or JID.parse(occupant.account.domain) in changed


# -- those who are away


def _tell_away(room: Room, turned: Turned, actor: Actor) -> Iterator[None]:
    for jid, was in turned.away[:MOST_TOLD]:
        if room.server.ownership.is_ours(jid) and is_blocked(room.server, jid, actor.account):
            continue
        if not _may_be_told(room, actor, jid):
            continue
        now = room.affiliations.get(jid, NOBODY).affiliation
        if room.configuration.membersonly and was == "none" and Standing(now).is_at_least("member"):
            told = _invitation(room, actor.account, jid, turned.reason_for(jid))
        else:
            told = _notice(room, jid, now, turned.reason_for(jid))
        room.server.router.route(told)
        yield


def _may_be_told(room: Room, actor: Actor, jid: JID) -> bool:
    """What somebody has become waits for it in the room: there is no need to tell whoever somebody likes to name."""
    try:
        rates.spend_on_strangers(room.server, actor.account, [jid], rates.NOTICES)
    except StanzaError:
        return False
    return True


def _notice(room: Room, jid: JID, affiliation: str, reason: str) -> Stanza:
    """Code 101: its affiliation was changed while it was not in the room. Who is not online learns that in the room."""
    inner = text_element("reason", reason)
    item = f'<item affiliation="{affiliation}" jid={quoted(jid)} role="none">{inner}</item>'
    return Stanza.build("message", _x(item + '<status code="101"/>'), to=jid, sender=room.address)


def _invitation(room: Room, inviter: JID, jid: JID, reason: str) -> Stanza:
    """Who may enter from now on is invited to (9.5). That is a message like others: who is not online gets it later."""
    invite = f"<invite from={quoted(inviter)}>{text_element('reason', reason)}</invite>"
    x = _x(invite + password_of(room))
    return Stanza.build("message", x, type="normal", id=random_id(), to=jid, sender=room.address)


def _x(content: str) -> bytes:
    return f'<x xmlns="{MUC_USER}">{content}</x>'.encode()
