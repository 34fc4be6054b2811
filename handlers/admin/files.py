"""What administrators see of uploaded files, and do to them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from db import uploads
from db.uploads import STORED, File
from handlers.admin.given import SHOWN, Administrator, existing_account, note, refuse_raising, unhurried
from handlers.upload import removing
from handlers.upload.settings import UploadSettings
from xmpp.control import Refused
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

PAGE = 200  # files that are read at a time


class Listed(NamedTuple):
    """A file in a list. Times are in seconds since 1970; `expires` is None for what is kept until it is deleted."""

    file: str
    account: str
    name: str
    type: str
    bytes: int
    purpose: str
    created: float
    expires: float | None


class Used(NamedTuple):
    """How much there is, how much of it is on its way, and how much may be kept; 0 where nothing says so."""

    files: int
    bytes: int
    slots: int
    slot_bytes: int
    max_bytes: int


def listing(
    server: "Server", by: Administrator, text: str = "", account: str = "", after: str = "", most: int = SHOWN
) -> list[Listed]:
    """At most so many files, the newest first, after this one: of an account, or of all; those with this text in their
    name or their owner's address. Yields."""
    found = list[Listed]()
    wanted = text.strip().casefold()
    for file in unhurried(_files(server, by, account, after)):
        if len(found) >= most:
            break
        if not by.may_at(JID.parse(file.account).domain):
            continue
        if wanted in file.name.casefold() or wanted in file.account:
            found.append(_listed(file))
    return found


def usage(server: "Server", by: Administrator, account: str = "") -> Used:
    """How much an account has, or all together."""
    if not account:
        most = 0 if by.domain else server.settings(UploadSettings).max_bytes
        return Used(*uploads.usage_in_all(server.db, by.domain), most)
    jid = existing_account(server, by, account)
    of_it, settings = uploads.usage(server.db, jid).values(), server.settings_at(jid.domain, UploadSettings)
    files, size, slots, slot_bytes = (sum(each) for each in zip(uploads.Usage(), *of_it, strict=True))
    return Used(files, size, slots, slot_bytes, settings.max_account_bytes)


def delete(server: "Server", by: Administrator, file: str) -> None:
    """Delete a file, named as in the list or by its address. Yields until its bytes are gone."""
    found = _existing(server, by, file)
    removing.mark_deleted(server, [found.id])
    note(by, "file", found.slot, f"of {found.account} was deleted")
    server.db.wait_for_own()
    while removing.remove_some(server):
        server.db.flush()


def _files(server: "Server", by: Administrator, account: str, after: str) -> Iterator[File]:
    owner = existing_account(server, by, account) if account else None
    db, last = server.db, uploads.find(server.db, after)
    if after and (last is None or not by.may_at(JID.parse(last.account).domain)):
        raise Refused(f"There is no file {after}.")
    while True:
        if owner is not None:
            found = uploads.listing(db, owner, PAGE, (last.created, last.id) if last else uploads.NEWEST)
        else:
            found = uploads.listing_of_all(db, PAGE, last.id if last else uploads.NEWEST[1])
        if not found:
            return
        yield from found
        last = found[-1]


def _existing(server: "Server", by: Administrator, text: str) -> File:
    """A file by its name in the list, or by its address. Raises Refused."""
    segments = text.strip().split("/")
    found = next((file for each in segments if (file := uploads.find(server.db, each))), None)
    if found is None or found.state != STORED or not by.may_at(JID.parse(found.account).domain):
        raise Refused(f"There is no file {text}.")
    refuse_raising(server, by, JID.parse(found.account))
    return found


def _listed(file: File) -> Listed:
    return Listed(file.slot, file.account, file.name, file.type, file.size, file.purpose, file.created, file.expires)
