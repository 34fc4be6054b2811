"""Nicks that only look like those of others whom people trust: who moderates or owns the room, or has a nick for good
(UTS #39)."""

from handlers.rooms.ranks import FOR_OWNERS
from handlers.rooms.room import Occupant, Room
from xmpp.data import confusables
from xmpp.data.jid import JID


def is_taken_for_another(room: Room, account: JID, nick: str) -> bool:
    """Whether an account could be taken for another one under this nick: for a moderator, owner or admin that is in the
    room, or for whoever has reserved a nick, be it there or not."""
    looks = confusables.looks(nick)
    if room.reserved.owners_of_looks(looks) - {account}:
        return True
    return any(
        each.account != account and not looks.isdisjoint(confusables.looks(each.nick))
        for each in room.occupants.values()
        if _is_trusted(room, each)
    )


def _is_trusted(room: Room, occupant: Occupant) -> bool:
    return occupant.role == "moderator" or room.affiliation(occupant.account) in FOR_OWNERS
