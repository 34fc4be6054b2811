"""The counts of streams that are over: for a while, and not too many."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, stream_management
from db.sqlite.database import Database
from xmpp.data.jid import JID

JULIET = JID.parse("juliet@localhost")
ROMEO = JID.parse("romeo@localhost")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "test.db") as db:
        accounts.create(db, JULIET, {}, 0.0)
        accounts.create(db, ROMEO, {}, 0.0)
        yield db


def counts(db: Database, account: JID, streams: list[str], now: float) -> list[int | None]:
    return [stream_management.handled(db, account, stream, now) for stream in streams]


def test_a_count_is_there_for_its_account_until_its_time(db: Database) -> None:
    stream_management.remember(db, JULIET, "a", 2**32 - 1, now=100.0, until=200.0)
    assert counts(db, JULIET, ["a", "b"], now=199.0) == [2**32 - 1, None]
    assert counts(db, ROMEO, ["a"], now=199.0) == [None]
    assert counts(db, JULIET, ["a"], now=200.0) == [None]


def test_what_is_outdated_is_deleted(db: Database) -> None:
    stream_management.remember(db, JULIET, "old", 1, now=100.0, until=200.0)
    stream_management.remember(db, ROMEO, "new", 1, now=200.0, until=300.0)
    assert db.connection.execute("SELECT stream FROM ended_stream").fetchall() == [("new",)]


def test_an_account_has_only_its_latest(db: Database) -> None:
    streams = [str(number) for number in range(stream_management.PER_ACCOUNT + 2)]
    stream_management.remember(db, ROMEO, "other", 1, now=0.0, until=9.0)
    for number, stream in enumerate(streams):
        stream_management.remember(db, JULIET, stream, number, now=0.0, until=9.0)
    assert counts(db, JULIET, streams, now=1.0) == [None, None, *range(2, len(streams))]
    assert counts(db, ROMEO, ["other"], now=1.0) == [1]
