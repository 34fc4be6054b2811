"""That somebody is gone, as other servers have to be told that cannot be reached at present.

Nobody is told if such presence does not arrive, and nobody says it again: people there would see somebody who is gone
for good, and in rooms there would be ghosts; or they would believe to be in a room here that has put them out.
"""

from collections import OrderedDict
from typing import NamedTuple

from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.federation.crowd import Crowd
from xmpp.federation.dialback import Pair

MOST = 5_000  # of all together, and a part of them of one account; of more, the oldest are forgotten
MOST_BYTES = 1_000  # of a longer one only what counts is kept
FOR_NOW = frozenset({"remote-server-timeout", "resource-constraint"})


class _Key(NamedTuple):
    sender: JID
    to: JID


class Owed:
    """What the servers of all pairs of domains are to be told as soon as there is a connection."""

    def __init__(self) -> None:
        self._all: OrderedDict[_Key, Stanza] = OrderedDict()
        self._of_pairs: dict[Pair, dict[_Key, None]] = {}
        self._crowd = Crowd()

    def __len__(self) -> int:
        return len(self._all)

    def note(self, stanza: Stanza, error: StanzaError) -> None:
        """A stanza cannot be sent, for this reason."""
        if stanza.kind != "presence" or stanza.type != "unavailable" or error.condition not in FOR_NOW:
            return
        key = _key(stanza)
        self._forget(key)
        if not self._crowd.has_room(key.sender.bare, MOST + 1):
            return
        while len(self._all) >= MOST:
            self._forget(next(iter(self._all)))
        self._all[key] = stanza if len(stanza.wire()) <= MOST_BYTES else _short(stanza)
        self._of_pairs.setdefault(_pair(key), {})[key] = None
        self._crowd.add(key.sender.bare)

    def shown(self, stanza: Stanza) -> None:
        """Presence is being sent: who is there is not gone, whether this arrives or not."""
        if self._all and stanza.kind == "presence" and stanza.type is None:
            self._forget(_key(stanza))

    def pairs(self, theirs: str) -> list[Pair]:
        """Those with this domain of theirs for which something is owed."""
        return [pair for pair in self._of_pairs if pair.theirs == theirs]

    def take(self, pair: Pair) -> list[Stanza]:
        """What is to be said for this pair now; it is not owed any more."""
        found = [self._all[key] for key in self._of_pairs.get(pair, ())]
        for stanza in found:
            self._forget(_key(stanza))
        return found

    def _forget(self, key: _Key) -> None:
        if self._all.pop(key, None) is None:
            return
        self._crowd.remove(key.sender.bare)
        keys = self._of_pairs[_pair(key)]
        del keys[key]
        if not keys:
            del self._of_pairs[_pair(key)]


def _key(stanza: Stanza) -> _Key:
    assert stanza.sender is not None and stanza.to is not None
    return _Key(stanza.sender, stanza.to)


def _pair(key: _Key) -> Pair:
    return Pair(key.sender.domain, key.to.domain)


def _short(stanza: Stanza) -> Stanza:
    return Stanza.build("presence", b"", type="unavailable", to=stanza.to, sender=stanza.sender)
