"""How much nodes may keep, in bytes: for each account, and for all together. Nothing grows without asking here."""

from collections import Counter
from typing import TYPE_CHECKING

from db import pubsub_usage
from db.pubsub_items import Item
from handlers.pubsub.conditions import refused
from handlers.pubsub.settings import PubSubSettings
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

# What a row takes beside its text, as the storage counts it, too.
NODE, ITEM, AFFILIATION, SUBSCRIPTION = 500, 100, 100, 150


def hold(server: "Server", account: JID, more: int, actor: JID | None = None) -> None:
    """Raises StanzaError where so many bytes more are not to be kept for an account (bare address). What others than
    itself have kept for it, at nodes of its own, leaves it half of its room."""
    settings = server.settings(PubSubSettings)
    if more <= 0:
        return
    is_others = actor is not None and actor.bare != account
    most = settings.max_bytes // 2 if is_others else settings.max_bytes
    if not has_room(server, account, more, most):
        raise refused("resource-constraint", f"all that is kept in nodes together may have {most} bytes")
    if pubsub_usage.bytes_in_all(server.db) + more > settings.max_bytes_in_all:
        raise StanzaError("resource-constraint", "the server keeps as much in nodes as it may", type="wait")


def has_room(server: "Server", account: JID, more: int, most: int | None = None) -> bool:
    """Whether so many bytes more are within what is kept for an account (bare address)."""
    most = server.settings(PubSubSettings).max_bytes if most is None else most
    return pubsub_usage.bytes_of(server.db, account) + more <= most


class Room:
    """How much room accounts have left, while much is given to them at once."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._taken = Counter[JID]()

    def take(self, account: JID, size: int) -> bool:
        """Whether an account (bare address) has room for so many bytes more, which it has no more then."""
        has_room_left = has_room(self._server, account, self._taken[account] + size)
        if has_room_left:
            self._taken[account] += size
        return has_room_left


def size_of_node(name: str, configuration: str) -> int:
    """What a node takes without anything in it."""
    return NODE + len(name.encode()) + len(configuration.encode())


def size_of_item(item: Item) -> int:
    """What an item takes."""
    return ITEM + len(item.payload) + len(item.id.encode()) + len(item.publisher.encode())


def size_of_affiliation(jid: JID) -> int:
    """What it takes that somebody is something to a node."""
    return AFFILIATION + len(jid.encode())


def size_of_subscription(jid: JID) -> int:
    """What a subscription takes, which counts for who is subscribed: else anybody could use up what others have."""
    return SUBSCRIPTION + len(jid.encode())
