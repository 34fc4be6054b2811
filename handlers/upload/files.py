"""Files as the HTTP side takes and gives them: what is put into a slot, and what is there to be had."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from db import uploads
from db.files import FileStoreFull
from db.uploads import OPEN, STORED, File
from handlers.login.suspended import is_suspended
from handlers.upload.announced import PROFILE
from handlers.upload.removing import mark_deleted
from handlers.upload.settings import UploadSettings
from handlers.upload.stores import Uploads, store_of

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


class NoSlot(Exception):
    """There is no such slot, or its time is over."""


class SlotTaken(Exception):
    """The file of this slot is there, or on its way."""


def open_slot(server: "Server", slot: str, name: str) -> File:
    """The slot that a file can be put into now: not that of an account that nobody can log in to. Raises NoSlot and
    SlotTaken."""
    found = _found(server, slot, name)
    if found is not None and (found.state == STORED or slot in server.state(Uploads).receiving):
        raise SlotTaken
    if found is None or found.state != OPEN or found.due is None or found.due <= time.time():
        raise NoSlot
    if is_suspended(server, found.account):
        raise NoSlot
    return found


def receive(server: "Server", file: File, type: str, pieces: Iterable[bytes]) -> None:
    """Take the bytes of a slot's file: all of them, or none are kept and the slot stays open. Yields.

    `type` is what the file is called from now on. Raises NoSlot if the slot is gone by the end, FileStoreError, and
    what taking a piece raises.
    """
    receiving, store = server.state(Uploads).receiving, store_of(server)
    # when the slots were given there was room for each of them, and perhaps not for all
    if not store.has_room(sum(receiving.values()) + file.size):
        raise FileStoreFull("the disk has no room for it beside what is to be left free, and what is coming already")
    receiving[file.slot] = file.size
    try:
        store.keep(file.slot, pieces)
        # an account may have been disabled while its file came
        if is_suspended(server, file.account) or not uploads.complete(server.db, file, type, time.time()):
            store.delete(file.slot)
            raise NoSlot
        if file.purpose == PROFILE:
            _make_room(server, file)
    finally:
        del receiving[file.slot]


def stored_file(server: "Server", slot: str, name: str) -> File | None:
    """The file that is there to be had; None if there is none, or not any more."""
    found = _found(server, slot, name)
    if found is None or found.state != STORED or (found.expires is not None and found.expires <= time.time()):
        return None
    return found


def _found(server: "Server", slot: str, name: str) -> File | None:
    found = uploads.find(server.db, slot)
    return found if found is not None and found.name == name else None


def _make_room(server: "Server", newest: File) -> None:
    """Delete the oldest files of a profile, if it takes too much."""
    most = server.settings(UploadSettings).max_profile_bytes
    excess = uploads.usage(server.db, newest.account)[PROFILE].bytes - most
    gone = []
    for id, size in uploads.oldest(server.db, newest.account, PROFILE, newest.id):
        if excess <= 0:
            break
        gone.append(id)
        excess -= size
    if gone:
        mark_deleted(server, gone)
