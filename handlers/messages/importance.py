"""XEP-0352: what a client that nobody looks at has to get at once, and what can wait."""

from lxml import etree

from handlers.messages.forwarding import FORWARDED_MESSAGE
from handlers.messages.payloads import (
    CARBON_RECEIVED,
    CARBON_SENT,
    CHAT_STATES,
    MUC_USER,
    NO_COPY,
    NO_PERMANENT_STORE,
    NO_STORE,
    PRIVATE,
    tells_of_affiliations,
)
from xmpp.data import names
from xmpp.data.stanza import Stanza

PUBSUB_EVENT = "{http://jabber.org/protocol/pubsub#event}event"
STATUS = "{http://jabber.org/protocol/muc#user}status"
SELF_PRESENCE = "110"  # XEP-0045 section 7.2.2
# What may come along with a chat state and does not matter by itself.
ACCOMPANYING = frozenset(
    {
        "{jabber:client}thread",
        f"{{{names.DELAY}}}delay",
        "{urn:xmpp:sid:0}origin-id",
        "{urn:xmpp:sid:0}stanza-id",
        "{urn:xmpp:occupant-id:0}occupant-id",
        MUC_USER,
        NO_COPY,
        NO_STORE,
        NO_PERMANENT_STORE,
        PRIVATE,
    }
)


def matters(stanza: Stanza) -> bool:
    """True if a stanza has to be sent at once. Only what is known to be of little use to a sleeping device can wait."""
    if stanza.kind == "presence":
        return stanza.type not in (None, "unavailable") or _is_self_presence(stanza)
    return stanza.kind == "iq" or _message_matters(stanza.element)


def _is_self_presence(stanza: Stanza) -> bool:
    """True if a room tells the client that it has joined or left: the client waits for that. Or if it tells who is
    something else now, by version: a version that is missing makes the client ask for all of them again."""
    # Presence comes in masses, mostly as bytes: only what may come from a room is parsed.
    if b"/muc#user" not in stanza.wire():
        return False
    if tells_of_affiliations(stanza):
        return True
    return any(status.get("code") == SELF_PRESENCE for status in stanza.element.iterfind(f"{MUC_USER}/{STATUS}"))


def _message_matters(message: etree._Element) -> bool:
    if message.get("type") == "error":
        return True
    tags = frozenset(str(child.tag) for child in message)
    copied = _carbon_copied(message, tags)
    if copied is not None:
        return _message_matters(copied)
    if names.BODY in tags:
        return True
    return PUBSUB_EVENT not in tags and not _is_chat_state_alone(tags)


def _carbon_copied(message: etree._Element, tags: frozenset[str]) -> etree._Element | None:
    """The message that a carbon (XEP-0280) is a copy of; None if it is none. Forged carbons have been refused."""
    for wrapper in (CARBON_RECEIVED, CARBON_SENT):
        if wrapper in tags:
            return message.find(f"{wrapper}/{FORWARDED_MESSAGE}")
    return None


def _is_chat_state_alone(tags: frozenset[str]) -> bool:
    return not tags.isdisjoint(CHAT_STATES) and tags <= CHAT_STATES | ACCOMPANYING
