"""Which messages are worth archiving (XEP-0313 section "User Archives"), and by what text they are found (XEP-0431)."""

from handlers.payloads import DIRECT_INVITATION, MUC_INVITE, MUC_USER, NO_PERMANENT_STORE, NO_STORE
from xmpp import names
from xmpp.stanza import Stanza

STORE = "{urn:xmpp:hints}store"
RETRACT = "{urn:xmpp:message-retract:1}retract"
UNWANTED = frozenset({NO_STORE, NO_PERMANENT_STORE})
ENCRYPTED = frozenset(
    {
        "{urn:xmpp:eme:0}encryption",  # XEP-0380
        "{eu.siacs.conversations.axolotl}encrypted",  # XEP-0384, before and after version 0.4
        "{urn:xmpp:omemo:1}encrypted",
        "{urn:xmpp:omemo:2}encrypted",
        "{urn:xmpp:openpgp:0}openpgp",  # XEP-0373
        "{jabber:x:encrypted}x",  # XEP-0027
    }
)
WORTHY = ENCRYPTED | {
    names.BODY,
    STORE,
    RETRACT,
    DIRECT_INVITATION,
    "{urn:xmpp:reactions:0}reactions",  # XEP-0444
    "{urn:xmpp:receipts}received",  # XEP-0184
    "{urn:xmpp:chat-markers:0}displayed",  # XEP-0333
    *(  # XEP-0353
        f"{{urn:xmpp:jingle-message:0}}{step}"
        for step in ("propose", "ringing", "proceed", "accept", "reject", "retract", "finish")
    ),
}


def is_worth_archiving(stanza: Stanza) -> bool:
    """Whether a message is part of a conversation, and its sender has nothing against keeping it (XEP-0334)."""
    if stanza.type not in ("chat", "normal"):
        return False
    tags = stanza.child_tags
    if not UNWANTED.isdisjoint(tags):
        return False
    return not WORTHY.isdisjoint(tags) or (MUC_USER in tags and _invites(stanza))


def searchable_text(stanza: Stanza) -> str:
    """The text of a message, in all its languages. What stands in for an encrypted one is nobody's words."""
    if names.BODY not in stanza.child_tags or not ENCRYPTED.isdisjoint(stanza.child_tags):
        return ""
    return "\n".join([child.text or "" for child in stanza.element if child.tag == names.BODY])


def _invites(stanza: Stanza) -> bool:
    """Whether this is an invitation by way of a room (XEP-0045 section 7.8.2)."""
    return any(room.find(MUC_INVITE) is not None for room in stanza.element.iterchildren(MUC_USER))
