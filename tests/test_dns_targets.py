"""Which hosts serve a domain, and in which order: RFC 2782 and XEP-0368, on data."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp.federation.dns.messages import SRV
from xmpp.federation.dns.targets import MOST_TARGETS, Target, in_order


def offered(*records: tuple[int, int, str], is_direct: bool = False) -> list[tuple[SRV, Target]]:
    return [(SRV(*each[:2], 5269, each[2]), Target(each[2], 5269, is_direct)) for each in records]


def hosts(targets: Sequence[Sequence[Target]]) -> list[list[str]]:
    return [[each.host for each in group] for group in targets]


def numbers(*drawn: int) -> Callable[[int], int]:
    """What is drawn, each within what it is drawn from."""
    left = list(drawn)

    def below(most: int) -> int:
        assert left[0] < most
        return left.pop(0)

    return below


def test_priorities_are_tried_from_the_lowest_on() -> None:
    assert hosts(in_order(offered((20, 0, "c"), (5, 0, "a"), (10, 0, "b")))) == [["a"], ["b"], ["c"]]


def test_direct_tls_and_starttls_are_mixed_by_priority() -> None:
    both = [*offered((10, 0, "late"), is_direct=True), *offered((5, 0, "early"), (20, 0, "last"))]
    assert in_order(both) == [[Target("early", 5269)], [Target("late", 5269, True)], [Target("last", 5269)]]


def test_direct_tls_and_starttls_of_one_priority_are_drawn_together() -> None:
    both = [*offered((5, 1, "direct"), is_direct=True), *offered((5, 1, "plain"))]
    assert {hosts(in_order(both))[0][0] for _ in range(200)} == {"direct", "plain"}


@pytest.mark.parametrize(
    ("drawn", "order"),
    [
        ((0, 0, 0, 0), ["none", "a", "b", "c"]),  # "a very small chance of being selected"
        ((1, 0, 0, 0), ["a", "none", "b", "c"]),
        ((6, 6, 0, 0), ["a", "b", "none", "c"]),
        ((7, 1, 1, 0), ["b", "a", "c", "none"]),
        ((60, 7, 1, 0), ["b", "c", "a", "none"]),
        ((61, 7, 1, 0), ["c", "b", "a", "none"]),
        ((100, 60, 6, 0), ["c", "b", "a", "none"]),
    ],
)
def test_each_is_drawn_by_weight_without_putting_back(drawn: tuple[int, ...], order: list[str]) -> None:
    """The running sum is that of RFC 2782: 0, 6, 60, 100."""
    records = offered((0, 6, "a"), (0, 0, "none"), (0, 54, "b"), (0, 40, "c"))
    assert hosts(in_order(records, numbers(*drawn))) == [order]


def test_the_draw_follows_the_weights() -> None:
    first = Counter(hosts(in_order(offered((0, 90, "often"), (0, 10, "rarely"))))[0][0] for _ in range(2000))
    assert 1500 < first["often"] < 1990


records = st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535), st.text("abc", min_size=1)), max_size=60)


@given(records)
def test_what_is_drawn_is_what_was_offered(given: list[tuple[int, int, str]]) -> None:
    found = [each for group in hosts(in_order(offered(*given))) for each in group]
    assert len(found) == min(MOST_TARGETS, len(given))
    assert not Counter(found) - Counter(host for _, _, host in given)


@given(records)
def test_nothing_is_tried_before_what_has_a_lower_priority(given: list[tuple[int, int, str]]) -> None:
    named = [(priority, weight, f"{host}.{priority}") for priority, weight, host in given]
    tried = [int(host.partition(".")[2]) for group in hosts(in_order(offered(*named))) for host in group]
    assert tried == sorted(priority for priority, _, _ in named)[:MOST_TARGETS]
