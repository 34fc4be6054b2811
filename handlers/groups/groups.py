"""Groups: how they are made and ended, and who joins and leaves them."""

import time
from typing import TYPE_CHECKING

from db import accounts as account_records
from db import groups as records
from db.groups import Group
from handlers import groups
from handlers.contacts.roster_items import RosterSettings
from handlers.groups import GroupSettings, group_rooms
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def create(server: "Server", domain: str, name: str, *, with_room: bool = False) -> Group:
    """Make a group without members at a domain. Raises StanzaError: conflict, not-acceptable for its name,
    resource-constraint, not-allowed for a room where there are none."""
    if not 0 < len(name.encode()) <= server.settings(RosterSettings).max_group_bytes or not name.isprintable():
        raise StanzaError("not-acceptable", "this cannot be the name of a group in a roster")
    if records.count(server.db) >= server.settings(GroupSettings).max_groups:
        raise StanzaError("resource-constraint", "there are too many groups")
    if records.find(server.db, domain, name) is not None:
        raise StanzaError("conflict", f"there is a group {name} already")
    with server.db.change():
        room = group_rooms.make(server, domain, name) if with_room else ""
        return records.create(server.db, domain, name, room, time.time())


def add(server: "Server", group: Group, account: JID) -> None:
    """Make an account of its domain a member of a group. Raises StanzaError: item-not-found, conflict if it is one,
    resource-constraint. Yields until all others have it as a contact."""
    if account.domain != group.domain or not account_records.exists(server.db, account):
        raise StanzaError("item-not-found", f"there is no account {account} at {group.domain}")
    if groups.is_full(server, group.id):
        raise StanzaError("resource-constraint", f"the group {group.name} is full")
    if not records.add(server.db, group.id, account):
        raise StanzaError("conflict", f"{account} is in {group.name} already")
    groups.connect(server, group.id, account)
    groups.wait(server, group.id)


def remove(server: "Server", group: Group, account: JID) -> None:
    """Take an account out of a group. They are no contacts any more who were made contacts by that, and have each other
    in no other group of the roster. Raises StanzaError: item-not-found. Yields until that is done."""
    if not records.drop(server.db, group.id, account):
        raise StanzaError("item-not-found", f"{account} is not in {group.name}")
    group_rooms.put_out(server, group, account)
    groups.disconnect(server, group, account, records.members(server.db, group.id))
    groups.wait(server, group.id)


def delete(server: "Server", group: Group) -> None:
    """End a group, with its room, and the invitations that lead into it. Those who were in it stay each other's
    contacts."""
    group_rooms.end(server, group)
    members = records.members(server.db, group.id)
    records.remove(server.db, group.id)
    groups.forget_room(server, group, members)
