"""How much nodes may keep, in bytes: for each account, and for all together. Nothing grows without asking here."""

from collections import Counter
from typing import TYPE_CHECKING

from db import pubsub_usage
from handlers.pubsub.conditions import refused
from handlers.pubsub.settings import PubSubSettings
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

# What a row takes beside its text, as the storage counts it, too.
NODE, AFFILIATION, SUBSCRIPTION = 500, 100, 150


def check(server: "Server", account: JID, more: int, actor: JID | None = None) -> None:
    """Raises StanzaError where so many bytes more are not to be kept for an account (bare address)."""
    error = refusal(server, account, more, actor) if more > 0 else None
    if error is not None:
        raise error


def refusal(server: "Server", account: JID, more: int, actor: JID | None = None) -> StanzaError | None:
    """Why so many bytes more are not to be kept for an account (bare address); None if they may be. No query, as a
    rule. What others than itself have kept for it, at nodes of its own, leaves it half of its room."""
    db, settings = server.db, server.settings(PubSubSettings)
    is_others = actor is not None and actor.bare != account
    most = settings.max_bytes // 2 if is_others else settings.max_bytes
    if not pubsub_usage.has_room(db, account, more, most):
        return refused("resource-constraint", f"all that is kept in nodes together may have {most} bytes")
    if not pubsub_usage.has_room(db, pubsub_usage.ALL_ACCOUNTS, more, settings.max_bytes_in_all):
        return StanzaError("resource-constraint", "the server keeps as much in nodes as it may", type="wait")
    return None


class Room:
    """How much room accounts have left, while much is given to them at once."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._taken = Counter[JID]()

    def take(self, account: JID, size: int) -> bool:
        """Whether an account (bare address) has room for so many bytes more, which it has no more then."""
        most = self._server.settings(PubSubSettings).max_bytes
        has_room_left = pubsub_usage.has_room(self._server.db, account, self._taken[account] + size, most)
        if has_room_left:
            self._taken[account] += size
        return has_room_left


def size_of_node(name: str, configuration: str) -> int:
    """What a node takes without anything in it."""
    return NODE + len(name.encode()) + len(configuration.encode())


def size_of_affiliation(jid: JID) -> int:
    """What it takes that somebody is something to a node."""
    return AFFILIATION + len(jid.encode())


def size_of_subscription(jid: JID) -> int:
    """What a subscription takes, which counts for who is subscribed: else anybody could use up what others have."""
    return SUBSCRIPTION + len(jid.encode())
