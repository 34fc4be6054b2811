"""Looks after the archives in the background: indexes what has come in, deletes what is not to be kept; and what
accounts have left behind that were removed.

Also where the archive is switched off: what it has still grows old, and accounts are still removed.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event

from db import archive, archive_deletion, archive_sizes, pubsub_deletion, pubsub_nodes
from db.sqlite.database import Database
from handlers.archive.settings import ArchiveSettings
from xmpp.routing.feature import Feature
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.data.jid import JID
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

feature = Feature("upkeep", optional=False)  # also where the archive is switched off

DAY = 24 * 3600.0

INDEX_SECONDS = 1.0  # how long messages wait to be indexed; the more at once, the less each costs
INDEX_PAUSE_SECONDS = 0.02  # after a batch: who had to wait for it does not have to wait for the next one, too
TOO_MUCH = 10 * archive.BATCH_EFFORT  # waits to be indexed: whoever looks something up first has it done for all

DELETE_SECONDS = 3600.0
DELETE_MESSAGES = 50
DELETE_ITEMS = 200
COUNT_MESSAGES = 10_000
COUNT_SIZES = 2_000
PAUSE_SECONDS = 0.001  # a sleep of 0 would not let the loop look at its sockets


class Upkeep:
    """The state of a server's background work."""

    def __init__(self) -> None:
        self.waiting = 0  # the effort that it takes to index what was archived since
        self.has_leftovers = Event()
        self.greenlets: list[gevent.Greenlet[..., Any]] = []


@feature.step
def start(server: "Server") -> None:
    """SERVER_STARTED."""
    upkeep = server.state(Upkeep)
    pubsub_nodes.have_left(server.db)
    upkeep.greenlets = [gevent.spawn(_again_and_again, server, work) for work in (_index, _delete)]


@feature.step
def stop(server: "Server") -> None:
    """SERVER_STOPPING."""
    gevent.killall(server.state(Upkeep).greenlets, block=False)


@feature.step
def note_removed(server: "Server", account: "JID") -> None:
    """ACCOUNT_REMOVED: there is something to be deleted once it is gone."""
    server.state(Upkeep).has_leftovers.set()


def note_archived(server: "Server", text: str) -> None:
    """One more message is to be indexed. Where that cannot keep up, those who send pay for it."""
    upkeep = server.state(Upkeep)
    upkeep.waiting += archive.MESSAGE_EFFORT + len(text)
    if upkeep.waiting > TOO_MUCH:
        _index_some(server)


def _again_and_again(server: "Server", work: "Callable[[Server], None]") -> None:
    while True:
        try:
            work(server)
        except server.storage_errors as error:
            log_refusal(log, error, "the archive cannot be looked after")
            gevent.sleep(INDEX_SECONDS)
        except Exception:  # what nothing is done about any more would grow for as long as the server runs
            log.exception("looking after the archive failed")
            gevent.sleep(INDEX_SECONDS)


def _index(server: "Server") -> None:
    while _index_some(server):
        server.db.flush()
        gevent.sleep(INDEX_PAUSE_SECONDS)
    gevent.sleep(INDEX_SECONDS)


def _index_some(server: "Server") -> int:
    upkeep, effort = server.state(Upkeep), archive.index_some(server.db)
    upkeep.waiting = upkeep.waiting - effort if effort else 0  # who looks something up has had it done, too
    return effort


def _delete(server: "Server") -> None:
    has_leftovers = server.state(Upkeep).has_leftovers
    has_leftovers.clear()
    delete_what_is_not_kept(server)
    has_leftovers.wait(DELETE_SECONDS)


def delete_what_is_not_kept(server: "Server") -> None:
    """Delete the archives and nodes of accounts that are gone, and from the archives of others what is too old or too
    much. Yields."""
    db, settings = server.db, server.settings(ArchiveSettings)
    _bit_by_bit(server, lambda: pubsub_deletion.delete_left(db, DELETE_ITEMS))
    _bit_by_bit(server, lambda: archive_deletion.delete_orphans(db, DELETE_MESSAGES))
    if settings.max_days:
        oldest = time.time() - settings.max_days * DAY
        _bit_by_bit(server, lambda: archive_deletion.delete_older(db, oldest, DELETE_MESSAGES))
    if settings.max_messages:
        for number in archive_deletion.archives(db):
            _delete_all_but(server, number, settings.max_messages)
    _bit_by_bit(server, lambda: archive_sizes.count_some(db, COUNT_SIZES))
    for number in archive_sizes.larger_than(db, settings.max_bytes) if settings.max_bytes else ():
        _bit_by_bit(server, partial(_shorten, db, number, settings.max_bytes))


def _delete_all_but(server: "Server", number: int, most: int) -> None:
    """Delete the oldest messages of an archive. Yields."""
    row = archive.MAX_ROW
    for counted in range(0, most, COUNT_MESSAGES):
        found = archive_deletion.row_before(server.db, number, row, min(COUNT_MESSAGES, most - counted))
        if found is None:
            return
        row = found
        gevent.sleep(PAUSE_SECONDS)
    _bit_by_bit(server, lambda: archive_deletion.delete_before(server.db, number, row, DELETE_MESSAGES))


def _shorten(db: Database, number: int, most: int) -> int:
    if archive_sizes.size(db, number) <= most:
        return 0
    return archive_deletion.delete_before(db, number, archive.MAX_ROW, DELETE_MESSAGES)


def _bit_by_bit(server: "Server", act: Callable[[], int]) -> None:
    """Do something until nothing is left to do, and let others have their turn in between. Yields; raises what the
    storage raises, for what is done and then lost on a full disk would be there to do again at once."""
    while act():
        server.db.flush()
