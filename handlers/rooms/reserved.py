"""XEP-0045 section 7.10: nicks that are reserved in a room: whose each is, and who has one that looks like another."""

from collections.abc import Iterable

from xmpp.data import confusables
from xmpp.data.jid import JID


class ReservedNicks:
    """The nicks of a room that belong to somebody (a bare address), be it there or not."""

    __slots__ = ("_owners", "_by_looks")

    def __init__(self, owners: Iterable[tuple[str, str]]) -> None:
        self._owners = dict(owners)
        self._by_looks: dict[str, set[str]] | None = None  # made for the first who asks: most rooms have none

    def owner(self, nick: str) -> JID | None:
        """Whose nick this is."""
        owner = self._owners.get(nick)
        return None if owner is None else JID.parse(owner)

    def owners_of_looks(self, looks: Iterable[str]) -> set[str]:
        """Who has nicks that look like this (`confusables.looks`)."""
        if self._by_looks is None:
            self._by_looks = {}
            for nick, owner in self._owners.items():
                self._note_looks(nick, owner)
        return {owner for each in looks for owner in self._by_looks.get(each, ())}

    def change(self, had: Iterable[str], have: Iterable[tuple[str, str]]) -> None:
        """Some people had these nicks, and have those now."""
        for nick in had:
            self._remove(nick)
        for nick, owner in have:
            self._owners[nick] = owner
            if self._by_looks is not None:
                self._note_looks(nick, owner)

    def _remove(self, nick: str) -> None:
        owner = self._owners.pop(nick, None)
        if owner is None or self._by_looks is None:
            return
        for each in confusables.looks(nick):
            alike = self._by_looks[each]
            alike.discard(owner)
            if not alike:
                del self._by_looks[each]

    def _note_looks(self, nick: str, owner: str) -> None:
        assert self._by_looks is not None
        for each in confusables.looks(nick):
            self._by_looks.setdefault(each, set()).add(owner)
