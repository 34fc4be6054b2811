"""XEP-0317: the hats of a room, as they stand in memory with it, and as presence shows them."""

from collections.abc import Collection
from hashlib import sha256

from db import room_hats
from db.room_hats import Hat
from db.sqlite.database import Database
from xmpp.data.jid import JID
from xmpp.data.wire import quoted

NAMESPACE = "urn:xmpp:hats:0"


class Hats:
    """The hats of a room, `known` by URI in the order in which they were made; and which are `worn`, by bare address.
    What changes is kept."""

    def __init__(self, db: Database, room: int) -> None:
        self._db, self._room = db, room
        self.known = {hat.uri: hat for hat in room_hats.all_of(db, room)}
        self.worn = room_hats.worn(db, room) if self.known else dict[JID, tuple[str, ...]]()

    @property
    def given(self) -> int:
        """How many are worn, by all together."""
        return sum(map(len, self.worn.values()))

    @property
    def hash(self) -> str:
        """What tells one list of hats from another (section "Discovery")."""
        return sha256(repr([*self.known.values()]).encode()).hexdigest()

    def element(self, account: JID) -> bytes:
        """What presence says of the hats of somebody who wears any."""
        hats = "".join(_element(self.known[uri]) for uri in self.worn[account])
        return f'<hats xmlns="{NAMESPACE}">{hats}</hats>'.encode()

    def wearers(self, uri: str) -> Collection[JID]:
        """Those who wear a hat."""
        return [account for account, uris in self.worn.items() if uri in uris]

    def put(self, hat: Hat) -> None:
        """Have a hat, in place of one with its URI."""
        room_hats.put(self._db, self._room, hat)
        self.known[hat.uri] = hat

    def destroy(self, uri: str) -> None:
        """Nobody has this hat any more."""
        room_hats.delete(self._db, self._room, uri)
        for account in self.wearers(uri):
            self._wears(account, uri, False)
        del self.known[uri]

    def give(self, account: JID, uri: str) -> None:
        """Have somebody wear a hat that he has not worn so far."""
        room_hats.give(self._db, self._room, account, uri)
        self._wears(account, uri, True)

    def take(self, account: JID, uri: str) -> None:
        """Have somebody not wear a hat any more."""
        room_hats.take(self._db, self._room, account, uri)
        self._wears(account, uri, False)

    def take_all(self, account: JID) -> None:
        """Have somebody wear none any more."""
        room_hats.take_all(self._db, self._room, account)
        self.worn.pop(account, None)

    def _wears(self, account: JID, uri: str, is_worn: bool) -> None:
        others = tuple(each for each in self.worn.get(account, ()) if each != uri)
        uris = (*others, uri) if is_worn else others
        if uris:
            self.worn[account] = uris
        else:
            self.worn.pop(account, None)


def _element(hat: Hat) -> str:
    hue = f" hue={quoted(hat.hue)}" if hat.hue else ""
    return f"<hat title={quoted(hat.title)} uri={quoted(hat.uri)}{hue}/>"
