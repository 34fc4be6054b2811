"""Places to dial: so many at once, so many of a kind, and kinds take turns."""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest
from gevent.event import Event

from xmpp.federation.dns.failures import Unreachable
from xmpp.federation.dns.places import Places


class Crowd:
    """Greenlets that want a place, each of its kind, and what they did in order."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.had: list[str] = []
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._may_go: list[Event] = []

    def add(self, *kinds: str, sender: str = "") -> None:
        """They come, and wait if they have to."""
        for kind in kinds:
            self._greenlets.append(gevent.spawn(self._dial, kind, sender))
        gevent.sleep(0)

    def _dial(self, kind: str, sender: str) -> None:
        with self.places.place(kind, sender):
            self.had.append(kind)
            go = Event()
            self._may_go.append(go)
            go.wait()

    def one_leaves(self) -> None:
        """Whoever has had a place for longest."""
        self._may_go.pop(0).set()
        gevent.sleep(0)
        gevent.sleep(0)

    def gives_up(self, number: int) -> None:
        """This one waits no more."""
        self._greenlets[number].kill()

    def is_broken_off(self, number: int) -> None:
        """The same, before anybody else can do anything; called by the loop."""
        self._greenlets[number].throw(gevent.GreenletExit)

    def all_leave(self) -> None:
        while self._may_go:
            self.one_leaves()


@contextmanager
def crowd(most: int = 4, of_kind: int = 4, waiting: int = 100, waiting_of_kind: int = 100) -> Iterator[Crowd]:
    """In the end all places are free again."""
    found = Crowd(Places(most, of_kind, waiting, waiting_of_kind))
    yield found
    found.all_leave()
    assert found.places.taken == 0


def test_so_many_have_a_place_at_once() -> None:
    with crowd(most=4) as them:
        them.add(*"abcdef")
        assert (them.had, them.places.taken) == ([*"abcd"], 4)
        them.one_leaves()
        assert (them.had, them.places.taken) == ([*"abcde"], 4)


def test_of_one_kind_there_are_fewer() -> None:
    with crowd(most=4, of_kind=2) as them:
        them.add(*"aaaab")
        assert them.had == [*"aab"]
        them.one_leaves()
        assert them.had == [*"aaba"]


def test_kinds_take_turns_and_each_goes_on_in_its_order() -> None:
    with crowd(most=1) as them:
        them.add(*"x", *"aaaaaaaa", *"b", *"cc")
        them.all_leave()
        assert "".join(them.had) == "xabcacaaaaaa"


def test_who_comes_late_does_not_wait_for_a_crowd_of_another_kind() -> None:
    with crowd(most=4, of_kind=3) as them:
        them.add(*"a" * 50)
        them.add("b", "b")
        assert "".join(them.had) == "aaab"
        them.one_leaves()
        them.one_leaves()
        assert "".join(them.had) == "aaabab"


def test_more_than_may_wait_are_refused_at_once() -> None:
    with crowd(most=1, waiting=2) as them:
        them.add(*"abc")
        with pytest.raises(Unreachable), them.places.place("d"):
            pass


def test_and_so_are_more_of_one_kind_without_harm_to_others() -> None:
    with crowd(most=1, waiting_of_kind=2) as them:
        them.add(*"aaa")
        with pytest.raises(Unreachable), them.places.place("a"):
            pass
        them.add("b")
        them.all_leave()
        assert "".join(them.had) == "aaba"


def test_who_gives_up_leaves_its_place_in_line_to_the_next() -> None:
    with crowd(most=1) as them:
        them.add(*"abc")
        them.gives_up(1)
        them.all_leave()
        assert them.had == [*"ac"]


def test_who_gives_up_in_the_moment_when_it_gets_a_place_hands_it_on() -> None:
    with crowd(most=1) as them:
        place = them.places.place("a")
        place.__enter__()
        them.add(*"bc")

        def the_place_is_given_and_taken_back() -> None:
            place.__exit__(None, None, None)
            them.is_broken_off(0)

        gevent.get_hub().loop.run_callback(the_place_is_given_and_taken_back)
        gevent.sleep(0)
        gevent.sleep(0)
        assert them.had == ["c"]


def test_senders_take_turns_however_many_kinds_one_of_them_makes_up() -> None:
    with crowd(most=1) as found:
        found.add("a", "b", "c", "d", "e", sender="mallory")
        found.add("f", "g", sender="juliet")
        found.all_leave()
    assert "".join(found.had) == "abfcgde"
