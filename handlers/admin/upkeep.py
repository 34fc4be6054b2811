"""Looks after the archives in the background: indexes what has come in, deletes what is not to be kept; and what
accounts and rooms have left behind that were removed, files among it. Forgets clients that come no more.

Also if the archive is switched off: its messages still grow old, and accounts are still removed.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event

from db import archive, archive_deletion, archive_sizes, fast_tokens, invitations, pubsub_deletion, pubsub_nodes
from db.sqlite.database import Database
from handlers.archive import indexing
from handlers.archive.settings import ArchiveSettings
from handlers.login import client_access
from handlers.upload import removing
from xmpp.routing.feature import Feature
from xmpp.running.handling import Handled
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.data.jid import JID
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

feature = Feature("upkeep", optional=False)

DAY = 24 * 3600.0

AFTER_FAILURE_SECONDS = 1.0
DELETE_SECONDS = 3600.0
DELETE_MESSAGES = 50
DELETE_ITEMS = 200
EXPIRED_SECONDS = 7 * DAY  # for so long who follows an invitation is told that it has expired
DELETE_TOKENS = 200
KEPT_EXPIRED = 30 * DAY  # for so long a client that comes with an old token is told that it has expired
COUNT_MESSAGES = 10_000
COUNT_SIZES = 2_000
PAUSE_SECONDS = 0.001  # a sleep of 0 would not let the loop look at its sockets


class Upkeep:
    """The state of a server's background work."""

    def __init__(self) -> None:
        self.has_leftovers = Event()
        self.greenlets: list[gevent.Greenlet[..., Any]] = []


@feature.step
def start(server: "Server") -> None:
    """SERVER_STARTED: begin to index and to delete."""
    upkeep = server.state(Upkeep)
    pubsub_nodes.have_left(server.db)
    indexing.begin(server)
    upkeep.greenlets = [gevent.spawn(_again_and_again, server, work) for work in (indexing.index, _delete)]
    upkeep.greenlets.append(gevent.spawn(_look_after_files, server))


@feature.step
def stop(server: "Server") -> None:
    """SERVER_STOPPING: end the background work."""
    gevent.killall(server.state(Upkeep).greenlets, block=False)


@feature.step
def note_removed(server: "Server", account: "JID") -> None:
    """ACCOUNT_REMOVED: have what it leaves behind deleted soon, not only after DELETE_SECONDS."""
    server.state(Upkeep).has_leftovers.set()
    removing.note_left(server)


def note_left(server: "Server") -> None:
    """A room is gone: there is something to be deleted."""
    server.state(Upkeep).has_leftovers.set()


def _look_after_files(server: "Server") -> None:
    removing.begin(server)
    _again_and_again(server, removing.look_after)


def _again_and_again(server: "Server", work: "Callable[[Server], None]") -> None:
    while True:
        try:
            with Handled():
                work(server)
        except server.storage_errors as error:
            log_refusal(log, error, "the archive cannot be looked after")
            gevent.sleep(AFTER_FAILURE_SECONDS)
        except Exception:  # if this ended, what it looks after would grow for as long as the server runs
            log.exception("looking after the archive failed")
            gevent.sleep(AFTER_FAILURE_SECONDS)


def _delete(server: "Server") -> None:
    has_leftovers = server.state(Upkeep).has_leftovers
    has_leftovers.clear()
    delete_what_is_not_kept(server)
    has_leftovers.wait(DELETE_SECONDS)


def delete_what_is_not_kept(server: "Server") -> None:
    """Delete the archives and nodes of accounts that are gone, and the archives of such rooms; from those of others
    what is too old or too much; and invitations that expired long ago. Yields."""
    db, settings = server.db, server.settings(ArchiveSettings)
    if not server.portions.are_left:  # what was to delete a node that is still leaving has failed
        pubsub_nodes.have_left(db)
    _bit_by_bit(server, lambda: pubsub_deletion.delete_left(db, DELETE_ITEMS))
    _bit_by_bit(server, lambda: client_access.forget_some(server))
    _bit_by_bit(server, lambda: fast_tokens.delete_expired(db, time.time() - KEPT_EXPIRED, DELETE_TOKENS))
    _bit_by_bit(server, lambda: archive_deletion.delete_orphans(db, DELETE_MESSAGES))
    _bit_by_bit(server, lambda: invitations.remove_expired(db, time.time() - EXPIRED_SECONDS, DELETE_ITEMS))
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
    """Delete all but the newest `most` messages of an archive. Yields."""
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
    """Call `act` until it returns 0, each time storing what it did, which lets others have their turn. Yields.

    Raises what the storage raises: on a full disk the same work would come back at once, without end.
    """
    while act():
        server.db.flush()
