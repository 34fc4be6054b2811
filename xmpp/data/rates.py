"""How much may be done in a time: all of it at once, or a little again and again."""

ROUNDED = 1e-6
"""Seconds: many small amounts that make up the whole are not too much."""


def spend(paid_until: float, now: float, amount: float, most: float, seconds: float) -> float | None:
    """Take `amount` out of `most` in so many seconds.

    What was taken is given back with time. `paid_until` is what an earlier call has returned, 0 before the first: the
    moment, on the clock of `now`, at which all of it will have been given back. None, and nothing is taken, if it is
    too much.
    """
    then = max(paid_until, now) + amount * seconds / most
    return then if then <= now + seconds + ROUNDED else None
