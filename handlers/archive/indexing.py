"""Has what is archived indexed: a batch as soon as there is one, and the rest a little later.

The more is indexed at once, the less each message costs, but others wait for a batch until it is done. So batches are
as large as can be done in BATCH_SECONDS, going by how long the ones before have taken.
"""

from time import monotonic
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from db import archive

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

BATCH_SECONDS = 0.003
SMALLEST = 100 * archive.MESSAGE_EFFORT  # of effort: some 40 messages
LARGEST = 4_000 * archive.MESSAGE_EFFORT  # some 1,400
GROWTH = 1.25
INDEX_SECONDS = 1.0  # so long messages wait at most, if that is no batch
PAUSE_SECONDS = 0.02  # between batches, so that whoever had to wait for one need not wait for the next as well
TOO_MUCH = 2 * LARGEST  # of effort may wait: the next query has to index all of it before it can answer
MOST_BATCHES = 8  # may wait, for the same reason: of long messages a batch is one or two


class Indexing:
    """What a server has still to index. `waiting`: the effort, as db/archive.py counts it. `batch`: what is indexed at
    once."""

    def __init__(self) -> None:
        self.waiting = 0
        self.batch = SMALLEST
        self.has_batch = Event()

    @property
    def is_too_much(self) -> bool:
        """True if more waits than may."""
        return self.waiting > min(TOO_MUCH, MOST_BATCHES * self.batch)

    def learn(self, effort: int, seconds: float) -> None:
        """A batch of that effort has taken so long."""
        if seconds > BATCH_SECONDS:
            self.batch = max(SMALLEST, int(self.batch * max(0.5, BATCH_SECONDS / seconds)))
        elif effort * GROWTH > self.batch:  # else it was none: of few messages, each takes longer
            self.batch = min(LARGEST, int(self.batch * GROWTH))


def begin(server: "Server") -> None:
    """Count what is left to be indexed, of an earlier run as well."""
    server.state(Indexing).waiting = archive.effort_waiting(server.db)


def note_archived(server: "Server", text: str) -> None:
    """Count a message, with its searchable text, that is to be indexed. If too much waits, some is indexed right here:
    those who send wait for it."""
    indexing = server.state(Indexing)
    indexing.waiting += archive.MESSAGE_EFFORT + len(text)
    if indexing.waiting >= indexing.batch:
        indexing.has_batch.set()
    if indexing.is_too_much:
        _index_some(server)


def index(server: "Server") -> None:
    """Index a batch, once there is one, or what there is after INDEX_SECONDS. Yields."""
    indexing = server.state(Indexing)
    if indexing.waiting < indexing.batch:
        indexing.has_batch.clear()
        indexing.has_batch.wait(INDEX_SECONDS)
    if _index_some(server):
        server.db.flush()
        gevent.sleep(PAUSE_SECONDS)


def _index_some(server: "Server") -> int:
    indexing, began = server.state(Indexing), monotonic()
    batch, effort = indexing.batch, archive.index_some(server.db, indexing.batch)
    indexing.learn(effort, monotonic() - began)
    if effort < batch // 2:  # there was no more: queries have indexed the rest; or a long message comes next
        begin(server)
    else:
        indexing.waiting = max(0, indexing.waiting - effort)
    return effort
