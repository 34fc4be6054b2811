"""What the service of rooms, and each room, say that they can do (XEP-0045 section 6, XEP-0030)."""

from handlers.discovery import ping
from handlers.rooms import hats
from handlers.rooms.telling import MUC
from xmpp.data import commands
from xmpp.data.disco import INFO, ITEMS

UNIQUE = f"{MUC}#unique"
STABLE_ID = f"{MUC}#stable_id"

SERVICE_FEATURES = (
    MUC,
    ITEMS,
    STABLE_ID,
    UNIQUE,
    "http://jabber.org/protocol/rsm",
    "urn:xmpp:channel-search:0:search",
    "urn:xmpp:occupant-id:0",
    ping.NAMESPACE,
    "vcard-temp",
)
ROOM_FEATURES = (
    MUC,
    INFO,
    ITEMS,
    commands.NAMESPACE,
    hats.NAMESPACE,
    f"{MUC}#request",
    f"{MUC}#self-ping-optimization",
    STABLE_ID,
    "jabber:iq:register",
    "urn:xmpp:occupant-id:0",
    "urn:xmpp:sid:0",
    "urn:xmpp:message-retract:1",
    "urn:xmpp:muc:affiliations:0",
    ping.NAMESPACE,
    "vcard-temp",
)
"""Beside those that tell how a room is configured."""
MODERATED_FEATURES = ("urn:xmpp:message-moderate:0", "urn:xmpp:message-moderate:1")
ARCHIVED_FEATURES = (
    "urn:xmpp:mam:2",
    "urn:xmpp:mam:2#extended",
    "http://jabber.org/protocol/rsm",
    "urn:xmpp:fulltext:0",
    "urn:xmpp:message-retract:1#tombstone",
)
