"""XEP-0045 sections 9.2, 9.5, 10.5 and 10.8: the lists of those who are something in a room, and who may see which."""

from collections.abc import Iterator

from handlers.rooms.ranks import LETTERS, Standing, refusal_to_list_affiliation
from handlers.rooms.room import Room
from handlers.rooms.telling import text_element
from xmpp.data.wire import quoted


def refusal_to_list(room: Room, actor: Standing, asked: str) -> str | None:
    """Why somebody may not have the list of those who have this affiliation: the condition, or None."""
    return refusal_to_list_affiliation(
        actor,
        asked,
        is_anonymous=room.configuration.is_anonymous,
        usual_role=room.usual_role(actor.affiliation),
        may_ask=room.configuration.getmemberlist,
    )


def seen_by(room: Room, actor: Standing) -> str:
    """The letters of all that somebody may list; empty if that is nothing."""
    return "".join(
        letter
        for affiliation, letter in LETTERS.items()
        if affiliation != "none" and refusal_to_list(room, actor, affiliation) is None
    )


def as_seen(affiliation: str, seen: str) -> str:
    """What somebody is for those who may list this much."""
    return affiliation if LETTERS[affiliation] in seen else "none"


def items(room: Room, affiliation: str) -> Iterator[str]:
    """Those who have this affiliation, by address, as the list has them. There may be very many: a bare address has
    nothing in it that would have to be escaped."""
    start = f'<item affiliation="{affiliation}" jid="'
    for jid in room.addresses_of(affiliation):
        _, nick, reason = room.affiliations[jid]
        reserved = f" nick={quoted(nick)}" if nick else ""
        inner = text_element("reason", reason) if affiliation == "outcast" and reason else ""
        yield f'{start}{jid}"{reserved}>{inner}</item>'
