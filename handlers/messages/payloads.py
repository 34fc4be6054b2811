"""The payloads of messages by which the delivery steps judge them: tags in Clark notation."""

from xmpp.data.stanza import Stanza

# RFC 6121 section 5.2.2: the types of what people write to each other, outside of rooms
ONE_TO_ONE = frozenset({"chat", "normal"})

# XEP-0085
CHAT_STATES = frozenset(
    f"{{http://jabber.org/protocol/chatstates}}{state}"
    for state in ("active", "composing", "gone", "inactive", "paused")
)
# XEP-0184
RECEIPTS = frozenset(f"{{urn:xmpp:receipts}}{name}" for name in ("request", "received"))
# XEP-0333; versions before 1.0 had "received" and "acknowledged" too
MARKERS = frozenset(
    f"{{urn:xmpp:chat-markers:0}}{name}" for name in ("markable", "received", "displayed", "acknowledged")
)
# XEP-0334
NO_COPY = "{urn:xmpp:hints}no-copy"
NO_STORE = "{urn:xmpp:hints}no-store"
NO_PERMANENT_STORE = "{urn:xmpp:hints}no-permanent-store"
# XEP-0045 section 7.8.2, and XEP-0249
MUC_USER = "{http://jabber.org/protocol/muc#user}x"
MUC_INVITE = "{http://jabber.org/protocol/muc#user}invite"
DIRECT_INVITATION = "{jabber:x:conference}x"
# XEP-0463, within that of XEP-0045
MAV = "{urn:xmpp:muc:affiliations:0}mav"
# XEP-0280
PRIVATE = "{urn:xmpp:carbons:2}private"
CARBON_SENT = "{urn:xmpp:carbons:2}sent"
CARBON_RECEIVED = "{urn:xmpp:carbons:2}received"


def tells_of_affiliations(stanza: Stanza) -> bool:
    """True for what a room tells a client that knows its affiliations by version (XEP-0463)."""
    return MUC_USER in stanza.child_tags and any(room.find(MAV) is not None for room in stanza.children(MUC_USER))


def invites(stanza: Stanza) -> bool:
    """True for an invitation that a room passes on (XEP-0045 section 7.8.2)."""
    return MUC_USER in stanza.child_tags and any(
        room.find(MUC_INVITE) is not None for room in stanza.children(MUC_USER)
    )
