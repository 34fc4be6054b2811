"""Slots (XEP-0363): who asks for one is told where to put a file, and where it will be."""

import secrets
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from lxml import etree

from db import accounts, uploads
from db.uploads import DAY
from handlers.upload.announced import EPHEMERAL, EVERY_PURPOSE, MESSAGE, PERMANENT, PROFILE, PURPOSES, UPLOAD
from handlers.upload.names import file_name, media_type
from handlers.upload.quotas import refuse_too_much
from handlers.upload.settings import UploadSettings
from xmpp.data import timestamps
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SLOT_BYTES = 16  # of chance: whoever knows a file's address can read it, and nobody can guess one
MAX_DIGITS = 18
LONGEST_DAYS = 36_500  # that a client can ask for; the end of the year 9999 is one that nobody can write in every zone


class Purpose(NamedTuple):
    """What a file is for, and when it expires at the latest, if the client says so."""

    name: str
    expire_before: float | None = None


def give_slot(server: "Server", iq: Stanza) -> etree._Element:
    """Open a slot for what is asked for."""
    assert iq.sender is not None
    account, request = own_account(server, iq), iq.only_child()
    base = address_base(server, account.domain)
    name, size, type = _described(request)
    purpose, now = _purpose(server, request), time.time()
    settings = server.settings(UploadSettings)
    expires = _expires(settings, purpose, now)
    refuse_too_much(server, account, size, purpose.name, now)
    slot, until = secrets.token_hex(SLOT_BYTES), now + settings.put_seconds
    until = until if expires is None else min(until, expires)
    uploads.open_slot(server.db, slot, account, name, type, size, purpose.name, now=now, until=until, expires=expires)
    return _answer(address(base, slot, name))


def own_account(server: "Server", iq: Stanza) -> JID:
    """Who asks, who has an account here. Raises StanzaError for anybody else."""
    assert iq.sender is not None
    account = iq.sender.bare
    if not server.ownership.is_ours(account) or not accounts.exists(server.db, account):
        raise StanzaError("forbidden", "this is for the accounts of this server")
    return account


def address_base(server: "Server", domain: str) -> str:
    """What the addresses of files begin with. Raises StanzaError if there is no HTTP side."""
    base = server.settings(UploadSettings).address or server.web_base(domain)
    if base is None:
        raise StanzaError("service-unavailable", "this server has nothing that speaks HTTP")
    return base


def address(base: str, slot: str, name: str) -> str:
    """Where a file is put, and where it is (RFC 3986)."""
    return f"{base}/upload/{slot}/{quote(name, safe='')}"


def _described(request: etree._Element) -> tuple[str, int, str]:
    """The name, size and type of the file. Raises StanzaError."""
    given, size = request.get("filename"), request.get("size", "")
    if not given:
        raise StanzaError("bad-request", "the file has no name")
    if not (size.isascii() and size.isdigit() and len(size) <= MAX_DIGITS and int(size)):
        raise StanzaError("bad-request", "the size of the file has to be a number of bytes")
    return file_name(given), int(size), media_type(request.get("content-type"))


def _purpose(server: "Server", request: etree._Element) -> Purpose:
    named = [each for each in request if str(each.tag).startswith(f"{{{PURPOSES}}}")]
    if len(named) > 1:
        raise StanzaError("bad-request", "a file has one purpose")
    if not named:
        return Purpose(MESSAGE)
    name = str(named[0].tag).rpartition("}")[2]
    if name not in offered_purposes(server):
        raise StanzaError("feature-not-implemented", "files for this purpose are not taken")
    if name != EPHEMERAL:
        return Purpose(name)
    try:
        before = timestamps.parse(named[0].get("expire-before", ""))
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None
    now = time.time()
    if before <= now:
        raise StanzaError("bad-request", "the file would be gone already")
    return Purpose(name, min(before, now + LONGEST_DAYS * DAY))


def offered_purposes(server: "Server") -> tuple[str, ...]:
    """What files can be for here."""
    has_permanent = server.settings(UploadSettings).permanent
    return tuple(each for each in EVERY_PURPOSE if each != PERMANENT or has_permanent)


def _expires(settings: UploadSettings, purpose: Purpose, now: float) -> float | None:
    days = {PERMANENT: 0, PROFILE: settings.profile_days}.get(purpose.name, settings.days)
    expires = now + days * DAY if days else None
    if purpose.expire_before is None:
        return expires
    return purpose.expire_before if expires is None else min(expires, purpose.expire_before)


def _answer(url: str) -> etree._Element:
    slot = etree.Element(f"{{{UPLOAD}}}slot", nsmap={None: UPLOAD})
    etree.SubElement(slot, f"{{{UPLOAD}}}put", url=url)
    etree.SubElement(slot, f"{{{UPLOAD}}}get", url=url)
    return slot
