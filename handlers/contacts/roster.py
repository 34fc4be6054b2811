"""RFC 6121 section 2: an account's roster, its contacts with their names and groups."""

from typing import TYPE_CHECKING

from lxml import etree

from db import rosters
from db.rosters import Item
from handlers.contacts import roster_items, subscriptions
from handlers.contacts.access import forbid
from handlers.contacts.roster_items import GROUP, INTEREST, ITEM, QUERY, RosterSettings
from xmpp.data import addresses
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.feature import ADDRESS, Feature, State
from xmpp.routing.session import session_of

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

VERSIONING = "urn:xmpp:features:rosterver"

feature = Feature("roster", rfc="6121", settings=RosterSettings, optional=False, needs=["subscriptions"])


@feature.stream_feature(when=State.AUTHENTICATED)
@feature.stream_feature(when=State.BOUND)
def announce_versioning(stream: object) -> etree._Element:
    """Section 2.6.1."""
    return etree.Element(f"{{{VERSIONING}}}ver", nsmap={None: VERSIONING})


@feature.iq_get(QUERY)
def get_roster(server: "Server", iq: Stanza) -> bytes | None:
    """The whole roster, or an empty result if the client has this version (2.6.2). From now on the session gets
    pushes."""
    assert iq.sender is not None
    session_of(iq).interests.add(INTEREST)
    if iq.only_child().get("ver") == rosters.roster(server.db, iq.sender.bare).version:
        return None
    return roster_items.written(server, iq.sender.bare)


@feature.iq_set(QUERY)
def change_roster(server: "Server", iq: Stanza) -> None:
    """Add, change or remove one contact (sections 2.3 to 2.5)."""
    assert iq.sender is not None
    change(server, iq.sender.bare, only_item(iq))


# Sections 2.1.5 and 2.3.3
feature.iq_get(QUERY, to=[ADDRESS])(forbid)
feature.iq_set(QUERY, to=[ADDRESS])(forbid)


def only_item(iq: Stanza) -> etree._Element:
    """The item that a roster set holds. Raises StanzaError."""
    query = iq.only_child()
    if len(query) != 1 or query[0].tag != ITEM:
        raise StanzaError("bad-request", "a roster set holds one item")
    return query[0]


def change(server: "Server", account: JID, item: etree._Element, *, subscription: str | None = None) -> None:
    """Add, change or remove the contact of this item, as an account asks for. `subscription`: what it is to be from now
    on, without asking anybody; None where it stays as it is. Raises StanzaError."""
    contact = addresses.required(item, "the item has no jid")
    if contact.bare == account:
        raise StanzaError("not-allowed", "you are no contact of your own")
    if item.get("subscription") == "remove":
        remove(server, account, contact)
        return
    before, settings = rosters.item(server.db, account, contact), server.settings(RosterSettings)
    changed = (before or Item(contact))._replace(name=_name(item, settings), groups=_groups(item, settings))
    if subscription is not None:
        changed = changed._replace(subscription=subscription, ask=False)
    roster_items.keep(server, account, changed)
    roster_items.push(server, account, changed)
    roster_items.tell_changed(server, account, contact, before)


@feature.step
def refuse_push(delivery: Delivery) -> None:
    """IQ_RECEIVED: refuse a roster push to a client: only the server itself sends them (CVE-2015-8688 and others)."""
    iq = delivery.stanza
    assert iq.to is not None
    if iq.type == "set" and iq.to.is_full and QUERY in iq.child_tags:
        raise StanzaError("forbidden")


def remove(server: "Server", account: JID, contact: JID) -> None:
    """Section 2.5: remove a contact, and end the subscriptions in both directions. Raises StanzaError if it is none."""
    before = rosters.item(server.db, account, contact)
    if before is None:
        raise StanzaError("item-not-found")
    subscriptions.cancel(server, account, contact)
    rosters.remove(server.db, account, contact)
    roster_items.push_removed(server, account, contact)
    roster_items.tell_changed(server, account, contact, before)


# -- what a client asks to be written down (section 2.3.3 has the errors)


def _name(item: etree._Element, settings: RosterSettings) -> str:
    name: str = item.get("name", "")
    if len(name.encode()) > settings.max_name_bytes:
        raise StanzaError("not-acceptable", f"a name may have {settings.max_name_bytes} bytes")
    return name


def _groups(item: etree._Element, settings: RosterSettings) -> tuple[str, ...]:
    groups = tuple(group.text or "" for group in item.iterchildren(GROUP))
    if len(set(groups)) < len(groups):
        raise StanzaError("bad-request", "the contact is twice in the same group")
    if len(groups) > settings.max_groups:
        raise StanzaError("not-acceptable", f"a contact may be in {settings.max_groups} groups")
    if not all(0 < len(group.encode()) <= settings.max_group_bytes for group in groups):
        raise StanzaError("not-acceptable", f"the name of a group has 1 to {settings.max_group_bytes} bytes")
    return groups
