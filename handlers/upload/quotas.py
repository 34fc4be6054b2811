"""How much somebody may upload: what is asked for is refused before a slot is given, and counts from then on."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lxml import etree

from db import uploads
from db.uploads import DAY, Usage
from handlers.upload.announced import PROFILE, UPLOAD
from handlers.upload.settings import UploadSettings
from handlers.upload.stores import store_of
from xmpp.data import timestamps
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def refuse_too_much(server: "Server", account: JID, size: int, purpose: str, now: float) -> None:
    """Raise StanzaError if this file would be too large, or too much of what the account or the server keeps."""
    settings, db = server.settings_at(account.domain, UploadSettings), server.db
    most = settings.max_profile_file_bytes if purpose == PROFILE else settings.max_file_bytes
    if size > most:
        raise _too_large(most)
    usage, today = uploads.usage(db, account), uploads.since(db, account, now - DAY)
    _refuse_too_many(server, account, usage, len(today))
    if purpose == PROFILE:  # complete files make room for it
        of_profile = usage.get(PROFILE, Usage())
        if of_profile.slot_bytes + size > settings.max_profile_bytes:
            raise _full("too much of the profile is being uploaded already", now + settings.put_seconds)
    else:
        kept = sum(each.bytes + each.slot_bytes for name, each in usage.items() if name != PROFILE)
        if (excess := kept + size - settings.max_account_bytes) > 0:
            when = _when_freed(uploads.next_to_go(db, account, PROFILE), excess)
            raise _full("what is kept of you is too much: delete some of it, or wait", when)
    if (excess := sum(each for _, each in today) + size - settings.max_bytes_per_day) > 0:
        when = _when_freed(((created + DAY, each) for created, each in today), excess)
        raise _full("you have uploaded too much in a day", when)
    if uploads.total(db) + size > settings.max_bytes or not store_of(server).has_room(size):
        raise _full("there is no room for this file on the server", None)


def _refuse_too_many(server: "Server", account: JID, usage: dict[str, Usage], today: int) -> None:
    settings = server.settings(UploadSettings)
    is_too_many = today >= settings.max_account_files
    if is_too_many or sum(each.files + each.slots for each in usage.values()) >= settings.max_account_files:
        raise _full("you have too many files: delete some of them, or wait", None)
    if sum(each.slots for each in usage.values()) >= settings.max_open_slots:
        raise _full("you are uploading too many files", None)


def _when_freed(freed: Iterable[tuple[float, int]], excess: int) -> float | None:
    """When so many bytes will be free, of those that become free at these moments; None if that is never."""
    for moment, size in freed:
        excess -= size
        if excess <= 0:
            return moment
    return None


def _too_large(most: int) -> StanzaError:
    application = etree.Element(f"{{{UPLOAD}}}file-too-large", nsmap={None: UPLOAD})
    etree.SubElement(application, f"{{{UPLOAD}}}max-file-size").text = str(most)
    return StanzaError("not-acceptable", f"a file has {most} bytes at most", application=application)


def _full(text: str, when: float | None) -> StanzaError:
    application = None
    if when is not None:
        stamp = timestamps.format_utc(when + 1)  # whole seconds, so the second after it
        application = etree.Element(f"{{{UPLOAD}}}retry", stamp=stamp, nsmap={None: UPLOAD})
    return StanzaError("resource-constraint", text, application=application)
