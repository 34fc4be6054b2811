"""Groups of people of one domain who get each other as contacts, both ways, and may have a room of their own. Whoever
is invited with a group joins it.

That somebody is a member is stored at once; then the rosters of all of them follow, in portions, and go on after a
restart where they were left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db import groups as records
from handlers.contacts import mutual
from handlers.groups import group_rooms
from xmpp.config.configuration import setting
from xmpp.data.jid import JID
from xmpp.routing import portions
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


@dataclass(frozen=True)
class GroupSettings:
    """Groups of people who are each other's contacts."""

    max_members: int = setting(200, "The most members of one group: each has all others in the roster.",
                               minimum=2, maximum=2_000, at_most="roster.max_items")  # fmt: skip
    max_groups: int = setting(1_000, "The most groups.", minimum=1, maximum=100_000)


feature = Feature("groups", optional=False, settings=GroupSettings, needs=["roster"])


@feature.step
def go_on(server: "Server") -> None:
    """SERVER_STARTED: go on with what was left."""
    for id, account in records.unconnected(server.db):
        connect(server, id, account)


def is_full(server: "Server", id: int) -> bool:
    """True if nobody can join a group any more."""
    return records.size(server.db, id) >= server.settings(GroupSettings).max_members


def connect(server: "Server", id: int, account: JID) -> None:
    """Begin to connect a new member with all others of a group. It may have to wait for others who join, so it keeps
    nothing of whoever has asked for it waiting; there are as many of these works as a group may have members."""
    server.portions.begin(
        _line(id), _connecting(server, id, account), if_lost=portions.go_on, is_waited_for=False
    )


def disconnect(server: "Server", group: records.Group, account: JID, others: list[JID]) -> None:
    """Begin to part somebody who is no member any more from those who are."""
    server.portions.begin(_line(group.id), _parting(server, group, account, others), if_lost=portions.go_on)


def forget_room(server: "Server", group: records.Group, members: list[JID]) -> None:
    """Begin to remove the room of a group that has ended from the bookmarks of those who were in it."""
    server.portions.begin(_line(group.id), _forgetting(server, group, members), if_lost=portions.go_on)


def wait(server: "Server", id: int, seconds: float | None = None) -> None:
    """Wait until all in a group are connected who are to be now, or for so many seconds. Yields."""
    server.portions.wait(_line(id), seconds)


def _line(id: int) -> tuple[str, int]:
    return ("group", id)


def _connecting(server: "Server", id: int, account: JID) -> Iterator[None]:
    db = server.db
    for other in records.members(db, id):
        group = records.get(db, id)
        if group is None or not records.is_member(db, id, account):
            return
        if other != account and records.is_member(db, id, other):
            beside = [each.name for each in records.of(db, account)]
            mutual.tell(server, mutual.enter(server, account, other, group.name, beside))
        yield
    group = records.get(db, id)
    if group is not None and records.is_member(db, id, account):
        group_rooms.let_in(server, group, account)
        records.note_connected(db, id, account)


def _parting(server: "Server", group: records.Group, account: JID, others: list[JID]) -> Iterator[None]:
    for other in others:
        if not records.is_member(server.db, group.id, account):  # it may have come back
            mutual.part(server, account, other, group.name)
        yield


def _forgetting(server: "Server", group: records.Group, members: list[JID]) -> Iterator[None]:
    for account in members:
        group_rooms.remove_bookmark(server, group, account)
        yield
