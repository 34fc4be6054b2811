"""Two accounts of ours become each other's contacts without asking each other: whoever runs the server, or one of them
by an invitation, has said that they are to be.

What is stored and what is told of it are apart: the first can be part of a larger change.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from db import rosters, subscription_requests
from db.rosters import Item
from handlers.contacts import presence, roster, roster_items
from handlers.contacts.access import is_blocked
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


class Entered(NamedTuple):
    """What one account has in its roster about the other, and what it had before (None: nothing)."""

    account: JID
    before: Item | None
    now: Item


def enter(
    server: "Server", one: JID, other: JID, group: str = "", beside: Collection[str] = ()
) -> Sequence[Entered]:
    """Store each in the roster of the other, subscribed both ways, and in this group of it. Returns what has changed,
    for `tell`.

    Whom somebody had as a contact already stays in the groups that it was put in, unless it is in one of those that
    this one is `beside`. Nothing is stored if one of them has blocked the other, or no room in its roster.
    """
    pairs = ((one, other), (other, one))
    if any(is_blocked(server, account, contact) for account, contact in pairs):
        return ()
    entered = [_entered(server, account, contact, group, beside) for account, contact in pairs]
    changed = [each for each in entered if each.now != each.before]
    try:
        with server.db.change():
            for each in changed:
                roster_items.keep(server, each.account, each.now)
                subscription_requests.drop(server.db, each.account, each.now.contact)
    except StanzaError:
        return ()
    return changed


def tell(server: "Server", entered: Sequence[Entered]) -> None:
    """Tell the devices of both, and show each of them the other's presence if they have not seen it before."""
    for each in entered:
        roster_items.push(server, each.account, each.now)
    for each in entered:
        if each.before is None or not each.before.is_subscriber:
            presence.send_current(server, each.account, each.now.contact)
    for each in entered:
        roster_items.tell_changed(server, each.account, each.now.contact, each.before)


def part(server: "Server", one: JID, other: JID, group: str) -> None:
    """Take this group of the roster off what each has of the other, and tell both. If they have each other in no other
    group of it, they are no contacts any more."""
    for account, contact in ((one, other), (other, one)):
        item = rosters.item(server.db, account, contact)
        if item is None or group not in item.groups:
            continue
        left = item._replace(groups=tuple(each for each in item.groups if each != group))
        if left.groups:
            roster_items.keep(server, account, left)
            roster_items.push(server, account, left)
            roster_items.tell_changed(server, account, contact, item)
        else:
            roster.remove(server, account, contact)


def _entered(server: "Server", account: JID, contact: JID, group: str, beside: Collection[str]) -> Entered:
    before = rosters.item(server.db, account, contact)
    item = before or Item(contact)
    groups, is_grouped = item.groups, before is None or not set(beside).isdisjoint(item.groups)
    if group and is_grouped and group not in groups:
        groups = (*groups, group)
    return Entered(account, before, item._replace(groups=groups, subscription="both", ask=False, approved=False))
