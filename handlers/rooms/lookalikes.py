"""Nicks that only look like those of others whom people trust: who moderates or owns the room, or has a nick for good
(UTS #39)."""

from collections.abc import Mapping

from handlers.rooms.ranks import FOR_OWNERS
from handlers.rooms.room import NOBODY, Room
from xmpp.data import confusables
from xmpp.data.jid import JID

Trusted = Mapping[str, set[JID]]
"""The accounts of those whom people trust in a room, by what their nicks look like."""


def trusted(room: Room) -> Trusted:
    """The moderators, owners and admins that are in the room now: to look through a large one takes a millisecond, so
    who asks about many nicks does it once."""
    accounts = dict[str, set[JID]]()
    for each in room.occupants.values():
        if each.role == "moderator" or room.affiliations.get(each.account, NOBODY).affiliation in FOR_OWNERS:
            for look in confusables.looks(each.nick):
                accounts.setdefault(look, set()).add(each.account)
    return accounts


def is_taken_for_another(room: Room, account: JID, nick: str, those_trusted: Trusted | None = None) -> bool:
    """Whether an account could be taken for another one under this nick: for a moderator, owner or admin that is in the
    room, or for whoever has reserved a nick, be it there or not."""
    looks = confusables.looks(nick)
    if room.reserved.owners_of_looks(looks) - {account}:
        return True
    here = trusted(room) if those_trusted is None else those_trusted
    return any(here.get(look, set()) - {account} for look in looks)
