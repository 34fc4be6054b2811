"""What administrators do with groups of people who are each other's contacts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from db import groups as records
from db.groups import Group
from handlers.admin.given import (
    SHOWN,
    Administrator,
    done_or_refused,
    existing_account,
    note,
    served_domain,
    unhurried,
)
from handlers.groups import groups
from xmpp.control import Refused
from xmpp.data.jid import JID, MalformedJID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

AT_ONCE = 100  # groups that are read at a time
CHOSEN_FROM = 200  # groups in a list of which one is chosen


class Listed(NamedTuple):
    """A group in a list. `number` orders the list; `room` is "" for one that has none; `created` is in seconds since
    1970."""

    number: int
    name: str
    domain: str
    members: int
    room: str
    created: float


def listing(server: "Server", by: Administrator, text: str = "", after: str = "0", most: int = SHOWN) -> list[Listed]:
    """At most so many groups that have this text in their name, the oldest first, after the one of this number.
    Yields."""
    found = list[Listed]()
    for group in unhurried(_of(server, by, int(after or 0))):
        if text.strip().casefold() in group.name.casefold():
            members = records.size(server.db, group.id)
            found.append(Listed(group.id, group.name, group.domain, members, group.room, group.created))
        if len(found) >= most:
            break
    return found


def members(server: "Server", by: Administrator, group: str, domain: str = "") -> list[str]:
    """The accounts in a group, in order."""
    return [*records.members(server.db, existing(server, by, group, domain).id)]


def create(server: "Server", by: Administrator, group: str, domain: str = "", room: bool = False) -> None:
    """Make a group of this name, with a room for its members or without."""
    where = served_domain(server, by, domain)
    made = done_or_refused(lambda: groups.create(server, where, group, with_room=room))
    note(by, "group", made.name, "was made")


def add(server: "Server", by: Administrator, group: str, account: str, domain: str = "") -> None:
    """Make an account a member of a group. Yields until all others have it as a contact."""
    jid, found = existing_account(server, by, account), existing(server, by, group, domain)
    done_or_refused(lambda: groups.add(server, found, jid))
    note(by, "account", jid, f"was put into the group {found.name}")


def remove(server: "Server", by: Administrator, group: str, account: str, domain: str = "") -> None:
    """Take an account out of a group. Yields until that is done."""
    found = existing(server, by, group, domain)
    try:
        jid = JID.parse(account)
    except MalformedJID as error:
        raise Refused(f"{account!r} is not an address: {error}.") from error
    done_or_refused(lambda: groups.remove(server, found, jid))
    note(by, "account", jid, f"was taken out of the group {found.name}")


def delete(server: "Server", by: Administrator, group: str, domain: str = "") -> None:
    """End a group, and its room; its members stay each other's contacts."""
    found = existing(server, by, group, domain)
    groups.delete(server, found)
    note(by, "group", found.name, "was ended")


def existing(server: "Server", by: Administrator, name: str, domain: str = "") -> Group:
    """The group of this name that an administrator means. Raises Refused if there is none."""
    found = records.find(server.db, served_domain(server, by, domain), name)
    if found is None:
        raise Refused(f"There is no group {name!r}.")
    return found


def _of(server: "Server", by: Administrator, after: int) -> Iterator[Group]:
    while some := records.after(server.db, after, AT_ONCE):
        yield from (each for each in some if by.may_at(each.domain))
        after = some[-1].id
