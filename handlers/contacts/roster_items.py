"""Roster items on the wire (RFC 6121 section 2.1.2), and pushes of them (section 2.1.6)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from db import rosters
from db.rosters import Item
from db.sqlite.memory import Remembered
from xmpp.config.configuration import setting
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "jabber:iq:roster"
QUERY = f"{{{NAMESPACE}}}query"
ITEM = f"{{{NAMESPACE}}}item"
GROUP = f"{{{NAMESPACE}}}group"
INTEREST = "roster"
# f(server, account, contact, before): the account's item of a contact was changed or removed; before is what it was
# (None: there was none).
CONTACT_CHANGED = Table[Callable[["Server", JID, JID, Item | None], None]]("CONTACT_CHANGED")
# f(server, account, item): an item was pushed to the account's sessions, or there were none.
ROSTER_PUSHED = Table[Callable[["Server", JID, etree._Element], None]]("ROSTER_PUSHED")
WRITTEN = Remembered[tuple[str, bytes]](bound=32_000_000, weigh=lambda written: len(written[1]))
"""By account: the version of a roster, and its bytes as they are sent. All devices of an account ask for the same."""


@dataclass(frozen=True)
class RosterSettings:
    """Rosters: the contacts of an account."""

    max_items: int = setting(1_000, "The most contacts of one account.", minimum=1, maximum=100_000)
    # Ten times what a thousand contacts with ordinary names have
    max_bytes: int = setting(262_144, "How long addresses, names and groups of all contacts may be together.",
                             minimum=10_000, maximum=1_000_000_000)  # fmt: skip
    max_groups: int = setting(20, "The most groups that one contact is in.", minimum=1, maximum=1_000)
    max_name_bytes: int = setting(500, "The longest name of a contact, in bytes.", minimum=1, maximum=10_000)
    max_group_bytes: int = setting(100, "The longest name of a group, in bytes.", minimum=1, maximum=10_000)


def keep(server: "Server", account: JID, item: Item) -> None:
    """Store an item. Raises StanzaError if the roster would have too many, or too many bytes."""
    roster, settings = rosters.roster(server.db, account), server.settings(RosterSettings)
    earlier = roster.items.get(item.contact)
    if earlier is None and len(roster) >= settings.max_items:
        raise StanzaError("resource-constraint", f"a roster holds at most {settings.max_items} contacts")
    growth = item.size - (earlier.size if earlier is not None else 0)
    if growth > 0 and roster.size + growth > settings.max_bytes:
        raise StanzaError("resource-constraint", f"a roster holds at most {settings.max_bytes} bytes")
    rosters.put(server.db, account, item)


def written(server: "Server", account: JID) -> bytes:
    """The bytes of the whole roster, as it is sent."""
    roster, cache = rosters.roster(server.db, account), server.db.memory[WRITTEN]
    known = cache.get(account)
    if known is None or known[0] != roster.version:
        known = cache.put(account, (roster.version, wire(query(map(element, roster.items.values()), roster.version))))
    answer: bytes = known[1]
    return answer


def push(server: "Server", account: JID, item: Item) -> None:
    """Push an item to the sessions that asked for the roster."""
    _push(server, account, element(item))


def push_released(server: "Server", account: JID, before: Item, version: str) -> None:
    """`push`, without subscriptions, the item of a contact whose account was removed. `before`: the item as it was;
    `version`: that of the roster after the removal. If the roster has changed since, the item is pushed as it is now;
    else the roster need not be read, and there may be many such contacts."""
    if rosters.version(server.db, account) == version:
        _push(server, account, element(before._replace(subscription="none", ask=False, approved=False)))
    elif (item := rosters.item(server.db, account, before.contact)) is not None:
        push(server, account, item)


def push_removed(server: "Server", account: JID, contact: JID) -> None:
    """Push the removal of a contact to the sessions that asked for the roster."""
    _push(server, account, etree.Element(ITEM, jid=contact, subscription="remove"))


def tell_changed(server: "Server", account: JID, contact: JID, before: Item | None) -> None:
    """Run CONTACT_CHANGED, unless the item is still what it was before."""
    if rosters.item(server.db, account, contact) != before:
        for step in server.tables[CONTACT_CHANGED]:
            step(server, account, contact, before)


def query(items: Iterable[etree._Element], version: str) -> etree._Element:
    """The payload of a result or a push, with these items and this version of the roster."""
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
    sessions = [session for session in server.online.sessions(account) if INTEREST in session.interests]
    if sessions:
        version = rosters.version(server.db, account)
        payload = wire(query([item], version))
        for session in sessions:
            # No `from`: clients take a push from the server or from their own account only (section 2.1.6).
            session.send(Stanza.build("iq", payload, type="set", id=f"push-{version}", to=session.jid))
    for step in server.tables[ROSTER_PUSHED]:
        step(server, account, item)
