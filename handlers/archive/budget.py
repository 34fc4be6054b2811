"""How much an account may add to archives in a day. The sender pays for both sides, so nobody can use up the budget of
somebody else."""

import time

from db.sqlite.database import Database
from db.sqlite.memory import Remembered

DAY = 24 * 3600.0
MESSAGE_BYTES = 500  # what a message takes beside its stanza, and its place in the index


class Spent:
    """How many bytes an account has added, less what the time since allows; as of `at`, on the monotonic clock."""

    __slots__ = ("at", "bytes")

    def __init__(self) -> None:
        self.bytes = 0.0
        self.at = 0.0


SPENT = Remembered[Spent](bound=100_000)


def spend(db: Database, account: str, size: int, daily: int) -> bool:
    """Count a message of this size (bytes) against the account's budget; False, and nothing is counted, if it would be
    exceeded. `daily`: the budget in bytes, 0 for no limit."""
    if not daily:
        return True
    spent = db.memory[SPENT].get(account)
    if spent is None:
        spent = db.memory[SPENT].put(account, Spent())
    now = time.monotonic()
    total = max(0.0, spent.bytes - (now - spent.at) * daily / DAY) + size + MESSAGE_BYTES
    if total > daily:
        return False
    spent.bytes, spent.at = total, now
    return True
