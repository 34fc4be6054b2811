"""What is archived is indexed in batches: how large they are, and when."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db import archive
from handlers.admin import upkeep
from handlers.archive import indexing
from handlers.archive.indexing import BATCH_SECONDS, LARGEST, MOST_BATCHES, SMALLEST, Indexing
from tests.harness.archives import ROMEO, say, server_with_archive
from tests.harness.in_process import Client
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


def indexed_up_to(server: Server) -> int:
    return int(server.db.connection.execute("SELECT up_to FROM archive_indexed").fetchone()[0])


# -- how large a batch is


def test_batches_grow_while_they_are_quick() -> None:
    batches = Indexing()
    for _ in range(100):
        batches.learn(batches.batch, BATCH_SECONDS / 2)
    assert batches.batch == LARGEST


def test_batches_that_took_too_long_are_smaller_then() -> None:
    batches = Indexing()
    batches.batch = LARGEST
    batches.learn(LARGEST, 1.5 * BATCH_SECONDS)
    assert batches.batch == pytest.approx(LARGEST / 1.5, rel=0.01)
    for _ in range(100):
        batches.learn(batches.batch, 1000.0)
    assert batches.batch == SMALLEST


def test_one_that_was_held_up_for_long_makes_the_next_half_as_large() -> None:
    batches = Indexing()
    batches.batch = LARGEST
    batches.learn(LARGEST, 1000.0)
    assert batches.batch == LARGEST // 2


def test_a_few_messages_that_were_quick_say_nothing() -> None:
    batches = Indexing()
    batches.learn(SMALLEST // 10, 0.0)
    assert batches.batch == SMALLEST


# -- when


def test_a_batch_is_indexed_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not only after INDEX_SECONDS, which are for what is less."""
    monkeypatch.setattr(indexing, "INDEX_SECONDS", 1_000_000.0)
    upkeep.start(server)
    try:
        romeo = Client(server, f"{ROMEO}/orchard")
        say(romeo, "the first")
        server.db.flush()  # meanwhile it has begun to wait
        while server.state(Indexing).waiting < SMALLEST:
            say(romeo, "so much that a batch is not far")
        server.db.flush()
        with gevent.Timeout(30):
            while not indexed_up_to(server):
                gevent.sleep(0)
    finally:
        upkeep.stop(server)


def test_what_an_earlier_run_has_left_is_counted(server: Server) -> None:
    say(Client(server, f"{ROMEO}/orchard"), "hi")
    server.db.flush()
    waiting = server.state(Indexing).waiting
    assert waiting > 0
    server.state(Indexing).waiting = 0
    indexing.begin(server)
    assert server.state(Indexing).waiting == waiting


def test_no_more_waits_than_can_be_indexed_in_a_few_batches(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since the next query has to index all of it; and a batch is small if what is written takes long."""
    monkeypatch.setattr(indexing, "BATCH_SECONDS", 0.0)  # every batch takes too long
    romeo = Client(server, f"{ROMEO}/orchard")
    text = "wherefore " * (SMALLEST // 20)
    for _ in range(50):
        say(romeo, text)
        assert server.state(Indexing).waiting <= MOST_BATCHES * SMALLEST + len(text)
    assert indexed_up_to(server)


def test_what_queries_have_indexed_does_not_wait(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "TOO_MUCH", 10 * (archive.MESSAGE_EFFORT + len("hi")))
    romeo = Client(server, f"{ROMEO}/orchard")
    for _ in range(20):
        say(romeo, "hi")
        archive.settle(server.db)
    seen = set()
    for _ in range(9):
        say(romeo, "hi")
        seen.add(indexed_up_to(server))
    assert len(seen) <= 3  # not each message is indexed by itself
