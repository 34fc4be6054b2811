"""XEP-0045 sections 9.2, 9.5, 10.5 and 10.8: who may see which of the lists of those who are something in a room."""

from handlers.rooms.ranks import LETTERS, Standing, refusal_to_list_affiliation
from handlers.rooms.room import Room


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
