"""XEP-0054: an account's vCard, which everybody may read unless its owner has restricted its nodes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from db import vcards
from handlers.contacts.access import forbid
from handlers.profile import avatars, vcard4
from xmpp.config.configuration import setting
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse, wire
from xmpp.routing.feature import ACCOUNT, ADDRESS, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "vcard-temp"
VCARD = "{vcard-temp}vCard"


@dataclass(frozen=True)
class VCardSettings:
    """vCards: what people tell about themselves, with their photo."""

    max_bytes: int = setting(131_072, "The longest vCard; photos take a third more than their file.",
                             minimum=1_000, maximum=10_000_000, at_most="streams.stanza_bytes")  # fmt: skip


feature = Feature(
    "vcard", xep="0054", disco=[NAMESPACE], account_disco=[NAMESPACE], settings=VCardSettings, optional=False
)


@feature.iq_get(VCARD, to=[ACCOUNT])
def show_vcard(server: "Server", iq: Stanza) -> etree._Element:
    """The account's vCard. If there is none, others than the owner get the same answer as for an account that does not
    exist, so that nobody can harvest addresses (section 3.3)."""
    assert iq.to is not None and iq.sender is not None
    kept = vcards.get(server.db, iq.to) if vcard4.is_shown_to(server, iq.to, iq.sender) else None
    vcard = avatars.with_photo(server, iq.to, iq.sender, None if kept is None else parse(kept))
    if vcard is None:
        raise StanzaError("item-not-found" if iq.sender.bare == iq.to else "service-unavailable")
    return vcard


@feature.iq_set(VCARD)
def publish_vcard(server: "Server", iq: Stanza) -> None:
    """Keep the vCard, and publish what it says as avatar and vCard4."""
    assert iq.sender is not None
    account, vcard = iq.sender.bare, iq.only_child()
    most = server.settings(VCardSettings).max_bytes
    if len(wire(vcard)) > most:
        raise StanzaError("policy-violation", f"a vCard may have {most} bytes")
    with server.db.change():
        avatars.take_photo(server, account, vcard)
        vcard4.publish_too(server, account, vcard)
        vcards.put(server.db, account, wire(vcard))  # last, as the client wrote it: publishing has put a converted one


feature.iq_set(VCARD, to=[ADDRESS])(forbid)  # section 3.2
