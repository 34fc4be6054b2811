"""How many bytes nodes may keep, for each account and for all together. Whatever makes them grow asks here first."""

from collections import Counter
from typing import TYPE_CHECKING

from db import pubsub_usage
from handlers.pubsub.conditions import refused
from handlers.pubsub.settings import PubSubSettings
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

# Bytes that a row takes beside its text, counted as the storage counts them.
NODE, AFFILIATION, SUBSCRIPTION = 500, 100, 150


def check(server: "Server", account: JID, more: int, actor: JID | None = None) -> None:
    """Raises StanzaError if an account (bare address) has no room for so many bytes more; `actor` as in `refusal`."""
    error = refusal(server, account, more, actor) if more > 0 else None
    if error is not None:
        raise error


def refusal(server: "Server", account: JID, more: int, actor: JID | None = None) -> StanzaError | None:
    """The error if an account (bare address) has no room for so many bytes more, else None. No query, as a rule.

    `actor`: who has them kept, None for the account itself. Others may fill only half of its room.
    """
    db, settings = server.db, server.settings(PubSubSettings)
    is_others = actor is not None and actor.bare != account
    most = settings.max_bytes // 2 if is_others else settings.max_bytes
    if not pubsub_usage.has_room(db, account, more, most):
        return refused("resource-constraint", f"all that is kept in nodes together may have {most} bytes")
    if not pubsub_usage.has_room(db, pubsub_usage.ALL_ACCOUNTS, more, settings.max_bytes_in_all):
        return StanzaError("resource-constraint", "the server keeps as much in nodes as it may", type="wait")
    return None


class Room:
    """How much room accounts have left while many nodes are handed over to them, before any of that is stored."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._taken = Counter[JID]()

    def take(self, account: JID, size: int) -> bool:
        """Take so many bytes of the room of an account (bare address); False, and nothing is taken, if it has not so
        much."""
        most = self._server.settings(PubSubSettings).max_bytes
        has_room_left = pubsub_usage.has_room(self._server.db, account, self._taken[account] + size, most)
        if has_room_left:
            self._taken[account] += size
        return has_room_left


def size_of_node(name: str, configuration: str) -> int:
    """The bytes of a node without items, affiliations and subscriptions."""
    return NODE + len(name.encode()) + len(configuration.encode())


def size_of_affiliation(jid: JID) -> int:
    """The bytes of an affiliation."""
    return AFFILIATION + len(jid.encode())


def size_of_subscription(jid: JID) -> int:
    """The bytes of a subscription. They count for the subscriber, or anybody could use up the room of others."""
    return SUBSCRIPTION + len(jid.encode())
