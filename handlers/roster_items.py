"""Roster items on the wire (RFC 6121 section 2.1.2), and pushes of them (section 2.1.6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from db import rosters
from db.rosters import Item
from xmpp.config import setting
from xmpp.errors import StanzaError
from xmpp.jid import JID
from xmpp.stanza import Stanza
from xmpp.wire import wire

if TYPE_CHECKING:
    from xmpp.server import Server

NAMESPACE = "jabber:iq:roster"
QUERY = f"{{{NAMESPACE}}}query"
ITEM = f"{{{NAMESPACE}}}item"
GROUP = f"{{{NAMESPACE}}}group"
INTEREST = "roster"


@dataclass(frozen=True)
class RosterSettings:
    """Rosters: the contacts of an account."""

    max_items: int = setting(1_000, "The most contacts of one account.", minimum=1, maximum=100_000)
    max_groups: int = setting(20, "The most groups that one contact is in.", minimum=1, maximum=1_000)
    max_name_bytes: int = setting(500, "The longest name of a contact, in bytes.", minimum=1, maximum=10_000)
    max_group_bytes: int = setting(100, "The longest name of a group, in bytes.", minimum=1, maximum=10_000)


def keep(server: "Server", account: JID, item: Item) -> None:
    """Write an item down; raises StanzaError if it is one too many."""
    roster = rosters.roster(server.db, account)
    most = server.settings(RosterSettings).max_items
    if item.contact not in roster.items and len(roster) >= most:
        raise StanzaError("resource-constraint", f"a roster holds at most {most} contacts")
    rosters.put(server.db, account, item)


def push(server: "Server", account: JID, item: Item) -> None:
    """Tell the sessions that asked for the roster what an item is like now."""
    _push(server, account, element(item))


def push_removed(server: "Server", account: JID, contact: JID) -> None:
    """Tell the sessions that asked for the roster that a contact is gone from it."""
    _push(server, account, etree.Element(ITEM, jid=contact, subscription="remove"))


def tell_changed(server: "Server", account: JID, contact: JID, before: Item | None) -> None:
    """CONTACT_CHANGED, if an item is not what it was before."""
    if rosters.item(server.db, account, contact) != before:
        for step in server.tables.contact_changed:
            step(server, account, contact, before)


def query(items: Iterable[etree._Element], version: str) -> etree._Element:
    """The payload of a result or a push."""
    payload = etree.Element(QUERY, ver=version, nsmap={None: NAMESPACE})
    payload.extend(items)
    return payload


def element(item: Item) -> etree._Element:
    """An item as a client sees it."""
    found = etree.Element(ITEM, jid=item.contact, nsmap={None: NAMESPACE})
    if item.name:
        found.set("name", item.name)
    found.set("subscription", item.subscription)
    if item.ask:
        found.set("ask", "subscribe")
    if item.approved:
        found.set("approved", "true")
    for group in item.groups:
        etree.SubElement(found, GROUP).text = group
    return found


def _push(server: "Server", account: JID, item: etree._Element) -> None:
    version = rosters.roster(server.db, account).version
    payload = wire(query([item], version))
    for session in server.online.sessions(account):
        if INTEREST in session.interests:
            # No `from`: clients take a push from the server or from their own account only (section 2.1.6).
            session.send(Stanza.build("iq", payload, type="set", id=f"push-{version}", to=session.jid))
