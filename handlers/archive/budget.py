"""How much an account may add to archives in a day. The sender pays for both sides, so nobody can use up the budget of
somebody else."""

import time

from db.sqlite.database import Database
from db.sqlite.memory import Remembered
from xmpp.data import rates

DAY = 24 * 3600.0
MESSAGE_BYTES = 500  # what a message takes beside its stanza, and its place in the index

PAID_UNTIL = Remembered[float](bound=100_000)
"""By account; see `rates.spend`, on the monotonic clock."""


def spend(db: Database, account: str, size: int, daily: int) -> bool:
    """Count a message of this size (bytes) against the account's budget; False, and nothing is counted, if it would be
    exceeded. `daily`: the budget in bytes, 0 for no limit."""
    if not daily:
        return True
    paid_until = db.memory[PAID_UNTIL]
    is_known = account in paid_until
    then = rates.spend(paid_until.get(account) or 0.0, time.monotonic(), size + MESSAGE_BYTES, daily, DAY)
    if then is None:
        return False
    if is_known:
        paid_until[account] = then  # in place: it weighs the same
    else:
        paid_until.put(account, then)
    return True
