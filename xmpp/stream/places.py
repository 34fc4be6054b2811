"""Places for connections: how many there are in all, and for strangers from one network. A stranger has no session yet.

A connection has its place from the moment it is accepted until its socket is closed. It may be shaking hands, logging
in, in use, or lingering: its stream is closed, and it waits for the peer to read the last bytes; or it speaks HTTP, and
waits for its next request. Lingering connections are closed as soon as somebody else needs their place, the oldest
first.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from xmpp.data.networks import with_its_site

SITE_NETWORKS = 10  # a site may have as many strangers as so many networks

Close = Callable[[], object]


class Places:
    """The places of one server."""

    def __init__(self) -> None:
        self._taken = 0
        self._networks: dict[str, _Network] = {}
        self._lingering: OrderedDict[Place, Close] = OrderedDict()

    def take(self, network: str, *, most: int, most_strangers: int) -> "Place | None":
        """Take a place for a stranger from this network; None if all are taken (CVE-2026-43506)."""
        networks = with_its_site(network)
        for each, allowed in zip(networks, (most_strangers, SITE_NETWORKS * most_strangers), strict=False):
            strangers = self._networks.get(each)
            if strangers and strangers.count >= allowed and not self._make_room(strangers.lingering):
                return None
        if self._taken >= most and not self._make_room(self._lingering):
            return None
        self._taken += 1
        for each in networks:
            self._networks.setdefault(each, _Network()).count += 1
        return Place(self, networks)

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._taken

    def are_taken(self, most: int) -> bool:
        """True if of so many no place is free, and none can be made so."""
        return self._taken - len(self._lingering) >= most

    def make_room(self) -> None:
        """Close all lingering connections."""
        while self._make_room(self._lingering):
            pass

    def _make_room(self, lingering: "OrderedDict[Place, Close]") -> bool:
        if not lingering:
            return False
        place, close = next(iter(lingering.items()))
        place.leave()
        close()
        return True

    # -- for Place

    def linger(self, place: "Place", close: Close) -> None:
        self._lingering[place] = close
        if place.is_strangers:
            for each in place.networks:
                self._networks[each].lingering[place] = close

    def stay(self, place: "Place") -> None:
        self._lingering.pop(place, None)
        if place.is_strangers:
            for each in place.networks:
                self._networks[each].lingering.pop(place, None)

    def leave(self, place: "Place") -> None:
        if place.is_strangers:
            self.forget_stranger(place)
        self._lingering.pop(place, None)
        self._taken -= 1

    def forget_stranger(self, place: "Place") -> None:
        for each in place.networks:
            strangers = self._networks[each]
            strangers.lingering.pop(place, None)
            strangers.count -= 1
            if not strangers.count:
                del self._networks[each]


@dataclass(slots=True)
class _Network:
    """The strangers from one network: how many, and which of them are lingering."""

    count: int = 0
    lingering: "OrderedDict[Place, Close]" = field(default_factory=OrderedDict)


class Place:
    """The place of one connection. `networks`: the one that it came from, and for IPv6 the site around that."""

    __slots__ = ("_places", "networks", "is_strangers", "_is_left")

    def __init__(self, places: Places, networks: tuple[str, ...]) -> None:
        self._places = places
        self.networks = networks
        self.is_strangers = True
        self._is_left = False

    def known(self) -> None:
        """The connection has a session now, and no longer counts as a stranger."""
        if self.is_strangers and not self._is_left:
            self._places.forget_stranger(self)
            self.is_strangers = False

    def linger(self, close: Close) -> None:
        """The connection's stream is closed, or it waits for its next request. `close` is called when the place is
        needed, and must not yield."""
        if not self._is_left:
            self._places.linger(self, close)

    def stay(self) -> None:
        """The connection is in use again, and lingers no more."""
        if not self._is_left:
            self._places.stay(self)

    def leave(self) -> None:
        """Give the place back: the connection's socket is closed."""
        if not self._is_left:
            self._places.leave(self)
            self._is_left = True
