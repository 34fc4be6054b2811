"""Killed at any moment, a server still has every message that it acknowledged, in both archives, or showed to somebody.

What was not acknowledged may be there or not, but then in both archives or in neither. test_crash.py does the same with
all else that is stored.
"""

import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.harness.crashes import Lost, Traffic, started
from tests.harness.letters import Mail, Writer, acquainted_writers, compare
from tests.harness.soak import rounds

KILLS = rounds(10, 120)
WRITERS = 5
MOST_ANSWERS = 60  # to all writers together, before a kill
MOST_DELAY = 0.005  # seconds: an answer is a few of these apart from the next


@pytest.mark.timeout(120 + 10 * KILLS)
def test_kills_lose_no_message_that_was_acknowledged_or_shown(tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(1 << 32))
    print(f"CRASH_SEED={seed}")  # the same choices again; what the writers have reached by then is up to the machine
    random = Random(seed)
    with started(tmp_path) as server:
        writers = acquainted_writers(server.port, WRITERS, seed)
    for _ in range(KILLS):
        with started(tmp_path) as server:
            verify(server.port, writers)
            traffic = Traffic(server.port, writers)
            traffic.wait_for_answers(random.randint(1, MOST_ANSWERS))
            time.sleep(random.uniform(0, MOST_DELAY))  # waits for nothing: the kill comes at a random moment
            server.kill()
            traffic.end()
    with started(tmp_path) as server:
        verify(server.port, writers)
    print(f"{KILLS} kills lost none of {counts([writer.mail for writer in writers])}")


def verify(port: int, writers: Sequence[Writer]) -> None:
    for writer in writers:
        writer.verify(port)
    compare([writer.mail for writer in writers])


def counts(mails: Sequence[Mail]) -> str:
    acknowledged = sum(len(mail.acknowledged) for mail in mails)
    shown = sum(len(mail.shown) for mail in mails)
    doubtful = sum(len(mail.doubtful) for mail in mails)
    return f"{acknowledged} messages that were acknowledged and {shown} that were shown; {doubtful} were cut off"


# -- the check can fail


def juliet(**known: dict[str, str]) -> Mail:
    return Mail("juliet@localhost", **known)


def romeo(**known: dict[str, str]) -> Mail:
    return Mail("romeo@localhost", **known)


HERS = {"juliet-1": "romeo@localhost", "juliet-2": "romeo@localhost"}
BOTH = {"a": "juliet-1", "b": "juliet-2"}
ONE = {"a": "juliet-1"}


@pytest.mark.parametrize(
    "mails",
    [
        [juliet(acknowledged=HERS, archived=BOTH), romeo(archived=BOTH)],
        [juliet(doubtful=HERS, archived=BOTH), romeo(archived=BOTH)],
        [juliet(doubtful=HERS, archived=ONE), romeo(archived=ONE, shown=ONE)],
        [juliet(doubtful=HERS), romeo()],
        [juliet(refused={"juliet-1": "resource-constraint"}), romeo()],
    ],
    ids=["acknowledged", "doubtful", "one doubtful one", "doubtful and lost", "refused"],
)
def test_the_comparison_passes_what_may_be(mails: list[Mail]) -> None:
    compare(mails)


@pytest.mark.parametrize(
    "mails",
    [
        [juliet(acknowledged=HERS, archived=ONE), romeo(archived=BOTH)],
        [juliet(acknowledged=HERS, archived=BOTH), romeo(archived=ONE)],
        [juliet(acknowledged=HERS), romeo()],
        [juliet(doubtful=HERS, archived=BOTH), romeo(archived=ONE)],
        [juliet(acknowledged=HERS, archived=BOTH | {"c": "juliet-2"}), romeo(archived=BOTH)],
        [juliet(archived=BOTH), romeo(archived={"b": "juliet-2", "a": "juliet-1"})],
        [juliet(doubtful=HERS), romeo(shown=ONE)],
        [juliet(doubtful=HERS, archived=ONE), romeo(shown={"c": "juliet-1"}, archived=ONE)],
    ],
    ids=[
        "not in the sender's archive",
        "not in the addressee's archive",
        "in no archive",
        "a doubtful one in only one archive",
        "twice",
        "out of order",
        "shown and lost",
        "shown with another id",
    ],
)
def test_the_comparison_notices_what_may_not_be(mails: list[Mail]) -> None:
    with pytest.raises(Lost):
        compare(mails)
