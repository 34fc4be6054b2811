"""XEP-0054: an account's vCard, that everybody may read."""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING

from lxml import etree

from db import vcards
from handlers import presence
from xmpp.config import setting
from xmpp.errors import StanzaError
from xmpp.routing.feature import ACCOUNT, Feature
from xmpp.stanza import Stanza
from xmpp.wire import parse, wire

if TYPE_CHECKING:
    from xmpp.server import Server

NAMESPACE = "vcard-temp"
VCARD = "{vcard-temp}vCard"
PHOTO_DATA = "{vcard-temp}PHOTO/{vcard-temp}BINVAL"


@dataclass(frozen=True)
class VCardSettings:
    """vCards: what people tell about themselves, with their photo."""

    max_bytes: int = setting(131_072, "The longest vCard; photos take a third more than their file.", minimum=1_000)


feature = Feature(
    "vcard", xep="0054", disco=[NAMESPACE], account_disco=[NAMESPACE], settings=VCardSettings, optional=False
)


# -- the vCard


@feature.iq_get(VCARD, to=[ACCOUNT])
def show_vcard(server: "Server", iq: Stanza) -> etree._Element:
    """The account's vCard. Where there is none, a stranger gets the answer that is given where there is no account,
    so that it cannot harvest addresses (XEP-0054 section 3.3)."""
    assert iq.to is not None and iq.sender is not None
    kept = vcards.get(server.db, iq.to)
    if kept is None:
        raise StanzaError("item-not-found" if iq.sender.bare == iq.to else "service-unavailable")
    return parse(kept)


@feature.iq_set(VCARD)
def publish_vcard(server: "Server", iq: Stanza) -> None:
    """Keep the vCard; contacts are told of another photo. Somebody else's is refused by the engine, as it would be
    for an account that does not exist."""
    assert iq.sender is not None
    account, vcard = iq.sender.bare, iq.only_child()
    xml, photo = wire(vcard), _photo_hash(vcard)
    most = server.settings(VCardSettings).max_bytes
    if len(xml) > most:
        raise StanzaError("policy-violation", f"a vCard may have {most} bytes")
    earlier = vcards.photo_hash(server.db, account)
    vcards.put(server.db, account, xml, photo)
    if photo != earlier:
        presence.broadcast_again(server, account)


def _photo_hash(vcard: etree._Element) -> str:
    """The SHA-1 of the photo itself, "" where there is none (XEP-0153 section 3.1); white space does not count."""
    encoded = "".join(vcard.findtext(PHOTO_DATA, default="").split())
    try:
        photo = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise StanzaError("bad-request", "the photo is not base64") from None
    return sha1(photo, usedforsecurity=False).hexdigest() if photo else ""
