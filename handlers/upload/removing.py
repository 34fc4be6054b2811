"""Files that are to go: expired, deleted, never uploaded, or left behind by an account that was removed."""

import logging
import time
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from db import uploads
from db.files import FileStoreError
from db.uploads import Removal
from handlers.upload.stores import Uploads, store_of

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

AT_ONCE = 20
LOOK_SECONDS = 600.0


def mark_deleted(server: "Server", ids: Iterable[int]) -> None:
    """From now on nobody gets these files; their bytes are deleted soon."""
    uploads.mark_deleted(server.db, ids, time.time())
    note_left(server)


def note_left(server: "Server") -> None:
    """There is something to be deleted."""
    server.state(Uploads).has_left.set()


def begin(server: "Server") -> None:
    """Delete what was on its way when an earlier server ended. Yields."""
    try:
        store_of(server).tidy()
    except FileStoreError as error:
        log.error("the store of uploaded files cannot be used: %s", error)


def look_after(server: "Server") -> None:
    """Delete what is to go, until there is no more for now, and then wait until there is. Yields."""
    has_left = server.state(Uploads).has_left
    has_left.clear()
    while remove_some(server):
        server.db.flush()
    has_left.wait(LOOK_SECONDS)


def remove_some(server: "Server") -> int:
    """Delete some of the files that are to go; returns how many it was. Yields."""
    receiving, now = server.state(Uploads).receiving, time.time()
    most = AT_ONCE + len(receiving)  # what is on its way is left alone, and does not stand in the way of the rest
    gone = _not_of(receiving, uploads.due(server.db, now, most)) or _not_of(
        receiving, uploads.of_nobody(server.db, most)
    )
    if not gone:
        uploads.forget_owners(server.db)
        return 0
    deleted = list[Removal]()
    try:
        for each in gone:
            store_of(server).delete(each.slot)
            deleted.append(each)
    except FileStoreError as error:
        log.error("files that are to go cannot be deleted: %s", error)
    uploads.removed(server.db, deleted, now)
    return len(deleted)


def _not_of(receiving: Container[str], found: Iterable[Removal]) -> list[Removal]:
    return [each for each in found if each.slot not in receiving]
