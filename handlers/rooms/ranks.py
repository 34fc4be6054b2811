"""XEP-0045 sections 5, 8, 9 and 10: roles and affiliations, and who may change whose. Works on data alone.

Affiliations are for good, and belong to bare addresses; a role is what an occupant may do for as long as it is there.
The questions answer with the condition of the refusal, or None: it is allowed.
"""

from collections.abc import Collection
from typing import NamedTuple

AFFILIATIONS = ("owner", "admin", "member", "none", "outcast")
ROLES = ("moderator", "participant", "visitor", "none")

LETTERS = {"owner": "o", "admin": "a", "member": "m", "outcast": "x", "none": "-"}
"""Of affiliations, in a text that says which of them somebody may list; nobody lists those who are nothing."""

_AFFILIATION_RANK = {affiliation: -rank for rank, affiliation in enumerate(AFFILIATIONS)}
_ROLE_RANK = {role: -rank for rank, role in enumerate(ROLES)}
FOR_OWNERS = frozenset({"owner", "admin"})
"""What only owners make of anybody."""


class Standing(NamedTuple):
    """What somebody is in a room; `role` is none for who is not there."""

    affiliation: str = "none"
    role: str = "none"

    def is_at_least(self, affiliation: str) -> bool:
        """Whether its affiliation is this one, or a higher one."""
        return _AFFILIATION_RANK[self.affiliation] >= _AFFILIATION_RANK[affiliation]

    def has_role(self, role: str) -> bool:
        """Whether its role is this one, or a higher one."""
        return _ROLE_RANK[self.role] >= _ROLE_RANK[role]

    def is_above(self, other: "Standing") -> bool:
        """Whether its affiliation is higher than that of another one."""
        return _AFFILIATION_RANK[self.affiliation] > _AFFILIATION_RANK[other.affiliation]


def role_on_entering(affiliation: str, *, is_moderated: bool) -> str:
    """The role that goes with an affiliation (5.1.2)."""
    match affiliation:
        case "owner" | "admin":
            return "moderator"
        case "member":
            return "participant"
        case "outcast":
            return "none"
    return "visitor" if is_moderated else "participant"


def role_after(before: str, after: str, role: str, *, is_moderated: bool) -> str:
    """The role of an occupant whose affiliation was one, and is another one now. Who rises has the role that goes with
    it at least (5.1.3); who is no admin any more is no moderator (9.7, 10.7); else it stays as it was given."""
    usual = role_on_entering(after, is_moderated=is_moderated)
    if Standing(after).is_above(Standing(before)):
        return role if Standing(role=role).has_role(usual) else usual
    return usual if before in FOR_OWNERS and after not in FOR_OWNERS else role


def refusal_to_set_affiliation(
    actor: Standing, target: Standing, wanted: str, *, is_oneself: bool, leaves_no_owner: bool
) -> str | None:
    """Why somebody may not give this affiliation to somebody (9.1 to 9.5, 10.3 to 10.8). `leaves_no_owner`: whether
    nobody owns the room once all is done that is asked for."""
    if not actor.is_at_least("admin"):
        return "forbidden"
    if is_oneself and wanted == "outcast":
        return "conflict"
    if actor.affiliation == "owner":
        return "conflict" if target.affiliation == "owner" != wanted and leaves_no_owner else None
    if wanted in FOR_OWNERS:
        return "forbidden"
    if target.affiliation in FOR_OWNERS:
        return "not-allowed" if wanted == "outcast" else "forbidden"  # 9.1; 10.4 and 10.7
    return None


def refusal_to_set_role(actor: Standing, target: Standing, wanted: str, *, is_oneself: bool = False) -> str | None:
    """Why somebody may not give this role to an occupant (8.2 to 8.4, 9.6, 9.7); role none is a kick."""
    if wanted == "moderator":
        return None if actor.is_at_least("admin") else "forbidden"
    if wanted == "none":
        return _refusal_to_kick(actor, target, is_oneself)
    if target.role == "moderator":
        return _refusal_to_take_moderation(actor, target)
    if not actor.has_role("moderator"):
        return "forbidden"
    return "not-allowed" if wanted == "visitor" and _keeps_the_floor(actor, target) else None


def _keeps_the_floor(actor: Standing, target: Standing) -> bool:
    """Nobody takes the floor from who has the same affiliation or a higher one (8.4); who has none has no level."""
    return target.affiliation != "none" and not actor.is_above(target)


def _refusal_to_kick(actor: Standing, target: Standing, is_oneself: bool) -> str | None:
    """Moderators kick who is not above them; moderators are kicked by admins (5.1.3), or kick themselves (8.2)."""
    if not actor.has_role("moderator"):
        return "forbidden"
    if is_oneself:
        return None
    is_spared = target.role == "moderator" and not actor.is_at_least("admin")
    return "not-allowed" if is_spared or target.is_above(actor) else None


def _refusal_to_take_moderation(actor: Standing, target: Standing) -> str | None:
    """Admins make moderators, and take that back from whoever is none by affiliation (9.7)."""
    if not actor.has_role("moderator") and not actor.is_at_least("admin"):
        return "forbidden"
    if target.affiliation in FOR_OWNERS or target.is_above(actor):
        return "not-allowed"
    return None if actor.is_at_least("admin") else "forbidden"


def refusal_to_list_affiliation(
    actor: Standing, asked: str, *, is_anonymous: bool, usual_role: str, may_ask: Collection[str]
) -> str | None:
    """Why somebody may not have the list of those who have this affiliation (9.2, 9.5, 10.5, 10.8). Members see who
    belongs to a room where nobody is anonymous, there or not, if the role is one that `may_ask`."""
    role = usual_role if actor.role == "none" else actor.role
    if asked in ("outcast", "none"):
        is_allowed = actor.is_at_least("admin")
    else:
        is_shown = not is_anonymous and actor.is_at_least("member") and role in may_ask
        is_allowed = is_shown or actor.is_at_least("admin" if asked == "member" else "owner")
    return None if is_allowed else "forbidden"


def refusal_to_list_role(actor: Standing, asked: str) -> str | None:
    """Why somebody may not have the list of those who have this role (8.5, 9.8)."""
    is_allowed = actor.is_at_least("admin") if asked == "moderator" else actor.has_role("moderator")
    return None if is_allowed else "forbidden"
