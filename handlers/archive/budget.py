"""How much an account may add to archives in a day: whoever sends pays, for both sides.

What others send to somebody is theirs to pay: nobody can use up the budget of somebody else.
"""

import time

from db.sqlite.database import Database
from db.sqlite.memory import Remembered

DAY = 24 * 3600.0
MESSAGE_BYTES = 500  # what a message takes beside its stanza, and its place in the index


class Spent:
    """What an account has added, less what a day allows for the time since."""

    __slots__ = ("at", "bytes")

    def __init__(self) -> None:
        self.bytes = 0.0
        self.at = 0.0


SPENT = Remembered[Spent](bound=100_000)


def spend(db: Database, account: str, size: int, daily: int) -> bool:
    """Whether a message of this size is within the budget, of which it is spent then. `daily`: in bytes; 0: any."""
    if not daily:
        return True
    spent = db.memory[SPENT].get(account)
    if spent is None:
        spent = db.memory[SPENT].put(account, Spent())
    now = time.monotonic()
    left = max(0.0, spent.bytes - (now - spent.at) * daily / DAY) + size + MESSAGE_BYTES
    if left > daily:
        return False
    spent.bytes, spent.at = left, now
    return True
