"""How much may be done in a time."""

from hypothesis import given
from hypothesis import strategies as st

from xmpp.data.rates import spend


def taken(amounts: list[tuple[float, float]], most: float, seconds: float) -> list[bool]:
    """Which of these amounts, each at its moment, may be taken."""
    paid_until, answers = 0.0, []
    for now, amount in amounts:
        then = spend(paid_until, now, amount, most, seconds)
        answers.append(then is not None)
        paid_until = paid_until if then is None else then
    return answers


def test_all_of_it_may_be_taken_at_once_and_no_more() -> None:
    assert taken([(100.0, 1.0)] * 601, 600, 60.0) == [True] * 600 + [False]
    assert taken([(100.0, 600.0), (100.0, 0.1)], 600, 60.0) == [True, False]


def test_it_is_given_back_with_time_and_not_above_the_whole() -> None:
    assert taken([(100.0, 600.0), (105.0, 50.0), (105.0, 1.0)], 600, 60.0) == [True, True, False]
    assert taken([(100.0, 600.0), (9_999.0, 600.0), (9_999.0, 1.0)], 600, 60.0) == [True, True, False]


def test_what_is_too_much_takes_nothing() -> None:
    assert taken([(100.0, 601.0), (100.0, 600.0)], 600, 60.0) == [False, True]


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 5)), max_size=60))
def test_in_no_time_more_is_taken_than_the_whole_and_what_that_time_gives_back(
    steps: list[tuple[float, float]],
) -> None:
    now, amounts = 100.0, list[tuple[float, float]]()
    for wait, amount in steps:
        now += wait
        amounts.append((now, amount))
    done = [each for each, is_taken in zip(amounts, taken(amounts, 20, 40.0), strict=True) if is_taken]
    for first, (begin, _) in enumerate(done):
        total = 0.0
        for end, amount in done[first:]:
            total += amount
            assert total <= 20 + (end - begin) * 20 / 40 + 1e-3
