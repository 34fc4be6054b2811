"""Which messages are worth archiving (XEP-0313 section "User Archives"), and by what text they are found (XEP-0431)."""

from handlers.messages.payloads import DIRECT_INVITATION, NO_PERMANENT_STORE, NO_STORE, ONE_TO_ONE, invites
from xmpp.data import names
from xmpp.data.stanza import Stanza

SEARCHABLE = 10_000
"""How many characters of a message can be searched. Few messages are longer, and others wait while one is indexed."""
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
WORTHY_IN_A_ROOM = WORTHY | {f"{{{names.CLIENT}}}subject"}


def text_if_worthy(stanza: Stanza) -> str | None:
    """The text by which a message can be found, "" if it has none; None if it is not worth archiving. Sender and
    addressee archive it one after the other, so it is noted on the message."""
    if stanza.found_by is None:
        stanza.found_by = (_searchable_text(stanza) if _is_worth_archiving(stanza) else None,)
    return stanza.found_by[0]


def text_if_worthy_in_a_room(stanza: Stanza) -> str | None:
    """The same of a message to a room, where the subject is of interest as well (section "MUC Archives")."""
    tags = stanza.child_tags
    is_worthy = UNWANTED.isdisjoint(tags) and not WORTHY_IN_A_ROOM.isdisjoint(tags)
    return _searchable_text(stanza) if is_worthy else None


def _is_worth_archiving(stanza: Stanza) -> bool:
    """True if a message is part of a conversation, and its sender has not asked to store it nowhere (XEP-0334)."""
    if stanza.type not in ONE_TO_ONE:
        return False
    tags = stanza.child_tags
    if not UNWANTED.isdisjoint(tags):
        return False
    return not WORTHY.isdisjoint(tags) or invites(stanza)


def _searchable_text(stanza: Stanza) -> str:
    """The text of a message, in all its languages. What stands in for an encrypted one is nobody's words."""
    if names.BODY not in stanza.child_tags or not ENCRYPTED.isdisjoint(stanza.child_tags):
        return ""
    return "\n".join([body.text or "" for body in stanza.children(names.BODY)])[:SEARCHABLE]
