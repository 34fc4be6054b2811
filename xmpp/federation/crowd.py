"""How many stanzas wait for other servers, and of whom: one account does not take the room of all others."""

from collections import Counter

from xmpp.data.jid import JID

SHARE = 5  # of all room, one account has the fifth part


class Crowd:
    """The stanzas that wait while servers are looked for, for all domains together."""

    def __init__(self) -> None:
        self._of_accounts = Counter[JID]()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def has_room(self, account: JID, most: int) -> bool:
        """True if one more of this account may wait, where there are `most` in all."""
        return self._size < most and self._of_accounts[account] < max(1, most // SHARE)

    def add(self, account: JID) -> None:
        """One more waits."""
        self._size += 1
        self._of_accounts[account] += 1

    def remove(self, account: JID) -> None:
        """One waits no more."""
        self._size -= 1
        self._of_accounts[account] -= 1
        if not self._of_accounts[account]:
            del self._of_accounts[account]
