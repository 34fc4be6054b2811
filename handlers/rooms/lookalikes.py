"""Nicks that only look like those of others whom people trust: who moderates or owns the room, or has a nick for good
(UTS #39)."""

from handlers.rooms.room import Room
from xmpp.data import confusables
from xmpp.data.jid import JID


def is_taken_for_another(room: Room, account: JID, nick: str) -> bool:
    """Whether an account could be taken for another one under this nick: for a moderator that is in the room, or for
    whoever has reserved a nick, be it there or not."""
    looks = confusables.looks(nick)
    if room.reserved.owners_of_looks(looks) - {account}:
        return True
    return any(
        each.account != account and not looks.isdisjoint(confusables.looks(each.nick))
        for each in room.occupants.values()
        if each.role == "moderator"  # as owners and admins always are
    )
