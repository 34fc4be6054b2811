"""XEP-0045 sections 5, 8, 9 and 10: roles and affiliations, and who may change whose. Works on data alone.

Affiliations are for good, and belong to bare addresses; a role is what an occupant may do for as long as it is there.
The questions answer with the condition of the refusal, or None: it is allowed.
"""

from typing import NamedTuple

AFFILIATIONS = ("owner", "admin", "member", "none", "outcast")
ROLES = ("moderator", "participant", "visitor", "none")

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


def role_after(affiliation: str, role: str, *, is_moderated: bool) -> str:
    """The role of an occupant who has had one, and whose affiliation is another one now: who becomes a member keeps the
    floor that was given to it, and who is no admin any more is no moderator (9.7, 10.7)."""
    usual = role_on_entering(affiliation, is_moderated=is_moderated)
    return role if role == "participant" and usual == "visitor" else usual


def refusal_to_set_affiliation(
    actor: Standing, target: Standing, wanted: str, *, is_oneself: bool, is_last_owner: bool
) -> str | None:
    """Why somebody may not give this affiliation to somebody (9.1 to 9.5, 10.3 to 10.8)."""
    if not actor.is_at_least("admin"):
        return "forbidden"
    if is_oneself and wanted == "outcast":
        return "conflict"
    if target.affiliation == "owner" and wanted != "owner" and is_last_owner:
        return "conflict" if actor.affiliation == "owner" else "not-allowed"
    if actor.affiliation == "owner":
        return None
    if wanted in FOR_OWNERS:
        return None if wanted == target.affiliation == "admin" and is_oneself else "forbidden"
    if target.affiliation in FOR_OWNERS and not is_oneself:
        return "not-allowed"
    return None


def refusal_to_set_role(actor: Standing, target: Standing, wanted: str) -> str | None:
    """Why somebody may not give this role to an occupant (8.2 to 8.4, 9.6, 9.7); role none is a kick."""
    if wanted == "moderator" or (target.role == "moderator" and wanted != "none"):
        return _refusal_about_moderators(actor, target, wanted)
    if not actor.has_role("moderator"):
        return "forbidden"
    if target.is_above(actor):
        return "not-allowed"
    if wanted == "visitor" and target.affiliation in FOR_OWNERS:
        return "not-allowed"
    return None


def _refusal_about_moderators(actor: Standing, target: Standing, wanted: str) -> str | None:
    """Admins make moderators, and take that back from whoever is none by affiliation (9.8)."""
    if not actor.is_at_least("admin"):
        if wanted == "moderator" or not actor.has_role("moderator"):
            return "forbidden"
        return "not-allowed" if target.affiliation in FOR_OWNERS or target.is_above(actor) else "forbidden"
    if wanted != "moderator" and target.affiliation in FOR_OWNERS:
        return "not-allowed"
    return None
