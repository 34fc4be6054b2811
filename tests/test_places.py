"""Places for connections, without any: who finds one, and who makes room."""

from xmpp.data.networks import network
from xmpp.stream.places import Place, Places

MANY = 1000
HERE, THERE = "192.0.2.1", "198.51.100.7"


class Crowd:
    """Connections that take places: at most `most` in all, and `strangers` from one network.

    `closed` are those that had to make room, by their numbers.
    """

    def __init__(self, most: int = MANY, strangers: int = MANY) -> None:
        self.places = Places()
        self.closed: list[int] = []
        self._most = most
        self._strangers = strangers

    def come(self, network: str = HERE) -> Place | None:
        return self.places.take(network, most=self._most, most_strangers=self._strangers)

    def enter(self, network: str = HERE) -> Place:
        place = self.come(network)
        assert place is not None
        return place

    def linger(self, number: int, network: str = HERE, *, is_known: bool = False) -> Place:
        place = self.enter(network)
        if is_known:
            place.known()
        place.linger(lambda: self.closed.append(number))
        return place


def test_who_leaves_makes_room() -> None:
    crowd = Crowd(most=2)
    place, _ = crowd.enter(), crowd.enter()
    assert crowd.come() is None
    place.leave()
    place.leave()  # once is enough
    assert crowd.come() is not None
    assert crowd.come() is None


def test_strangers_are_counted_by_network_and_those_with_a_session_are_not() -> None:
    crowd = Crowd(strangers=2)
    place, _ = crowd.enter(HERE), crowd.enter(HERE)
    assert crowd.come(HERE) is None
    assert crowd.come(THERE) is not None
    place.known()
    place.known()
    assert crowd.come(HERE) is not None
    place.leave()
    assert crowd.come(HERE) is None


def test_whoever_has_a_whole_ipv6_site_has_ten_times_as_many_places() -> None:
    crowd = Crowd(strangers=2)
    places = [crowd.enter(network(f"2001:db8:1:{number:x}::1")) for number in range(20)]
    assert crowd.come(network("2001:db8:1:ff::1")) is None
    assert crowd.come(network("2001:db8:2::1")) is not None
    places[0].known()
    assert crowd.come(network("2001:db8:1:ff::1")) is not None


def test_those_of_a_site_that_only_linger_make_room() -> None:
    crowd = Crowd(strangers=1)
    for number in range(10):
        crowd.linger(number, network(f"2001:db8:1:{number:x}::1"))
    assert crowd.come(network("2001:db8:1:ff::1")) is not None
    assert crowd.closed == [0]
    assert crowd.come(network("2001:db8:1:ff::2")) is None


def test_an_ipv6_network_has_the_places_of_one_address() -> None:
    crowd = Crowd(strangers=2)
    assert crowd.come(network("2001:db8:1:2::1"))
    assert crowd.come(network("2001:db8:1:2:ffff::2"))
    assert not crowd.come(network("2001:db8:1:2::3"))
    assert crowd.come(network("2001:db8:1:3::3"))


def test_who_lingers_keeps_the_place_until_it_is_needed() -> None:
    crowd = Crowd(most=3)
    for number in range(3):
        crowd.linger(number)
    assert crowd.closed == []
    crowd.enter()
    assert crowd.closed == [0]
    crowd.enter()
    crowd.enter()
    assert crowd.closed == [0, 1, 2]
    assert crowd.come() is None


def test_lingering_strangers_make_room_for_those_from_their_network() -> None:
    crowd = Crowd(strangers=2)
    crowd.linger(0, THERE)
    crowd.linger(1, HERE)
    crowd.linger(2, HERE)
    crowd.enter(HERE)
    assert crowd.closed == [1]


def test_who_had_a_session_lingers_among_all_and_not_among_strangers() -> None:
    crowd = Crowd(most=3, strangers=1)
    crowd.linger(0, is_known=True)
    crowd.linger(1, is_known=True)
    crowd.enter(HERE)
    assert crowd.come(HERE) is None
    assert crowd.closed == []
    crowd.enter(THERE)
    assert crowd.closed == [0]


def test_who_has_left_is_not_closed_for_others() -> None:
    crowd = Crowd(most=2)
    crowd.linger(0).leave()
    place = crowd.linger(1)
    crowd.enter()
    assert crowd.closed == []
    crowd.enter()
    assert crowd.closed == [1]
    place.leave()
    place.linger(lambda: crowd.closed.append(1))  # a stream may end after its place was given to another
    assert crowd.come() is None
    assert crowd.closed == [1]


def test_all_that_linger_can_be_closed_at_once() -> None:
    crowd = Crowd(most=4)
    crowd.enter()
    for number in range(3):
        crowd.linger(number)
    crowd.places.make_room()
    assert crowd.closed == [0, 1, 2]
