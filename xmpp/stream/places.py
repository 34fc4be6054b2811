"""Places for connections: how many there are, of all and of strangers from one network, and who makes room for others.

A connection has its place from the moment it is accepted until its socket is closed, whatever it does meanwhile: shake
hands, log in, or linger after its stream has ended, so that the peer can read the last words. Who only lingers has been
told what there was to tell, and makes room as soon as somebody else needs it, the oldest first.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from xmpp.data.networks import with_its_site

SITES = 10  # a site may have the strangers of so many networks

Close = Callable[[], object]


class Places:
    """Those of one server."""

    def __init__(self) -> None:
        self._taken = 0
        self._networks: dict[str, _Network] = {}
        self._lingering: OrderedDict[Place, Close] = OrderedDict()

    def take(self, network: str, *, most: int, most_strangers: int) -> "Place | None":
        """A place for a stranger from this network; None where all are taken (CVE-2026-43506)."""
        networks = with_its_site(network)
        for each, allowed in zip(networks, (most_strangers, SITES * most_strangers), strict=False):
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
        """How many connections have one."""
        return self._taken

    def make_room(self) -> None:
        """Close all that only linger."""
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
    """The strangers from one network, and which of them only linger."""

    count: int = 0
    lingering: "OrderedDict[Place, Close]" = field(default_factory=OrderedDict)


class Place:
    """The place of one connection, which came from these networks: one, and maybe one around it."""

    __slots__ = ("_places", "networks", "is_strangers", "_is_left")

    def __init__(self, places: Places, networks: tuple[str, ...]) -> None:
        self._places = places
        self.networks = networks
        self.is_strangers = True
        self._is_left = False

    def known(self) -> None:
        """It has a session now, and counts as a stranger no more."""
        if self.is_strangers and not self._is_left:
            self._places.forget_stranger(self)
            self.is_strangers = False

    def linger(self, close: Close) -> None:
        """Its stream is over. `close` is called when the place is needed, and must not yield."""
        if not self._is_left:
            self._places.linger(self, close)

    def leave(self) -> None:
        """Its socket is closed."""
        if not self._is_left:
            self._places.leave(self)
            self._is_left = True
