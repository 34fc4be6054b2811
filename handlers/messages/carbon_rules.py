"""XEP-0280 section 6.1: which messages an account's other devices get copies of."""

from collections import OrderedDict
from typing import Literal

from handlers.messages.payloads import (
    CHAT_STATES,
    DIRECT_INVITATION,
    MARKERS,
    MUC_USER,
    NO_COPY,
    PRIVATE,
    RECEIPTS,
    invites,
)
from xmpp.data import names
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

Direction = Literal["sent", "received"]

REFUSED = frozenset({PRIVATE, NO_COPY})  # no-copy: XEP-0334
USED_IN_CHATS = CHAT_STATES | RECEIPTS | MARKERS | {DIRECT_INVITATION}
MAX_REMEMBERED = 64  # messages of one account, each way
MAX_ID_LENGTH = 256  # of those remembered


def is_eligible(stanza: Stanza, direction: Direction) -> bool:
    """True if this message is copied. Never for an error: that depends on what it answers (`EligibleMessages`)."""
    tags = stanza.child_tags
    if stanza.type in ("groupchat", "error") or not REFUSED.isdisjoint(tags):
        return False
    if is_with_participant(stanza, direction):
        return direction == "sent"  # one from a participant is sent by the room to every session that has joined
    if stanza.type == "chat" or (stanza.type == "normal" and names.BODY in tags):
        return True
    return not USED_IN_CHATS.isdisjoint(tags) or invites(stanza)


def is_with_participant(stanza: Stanza, direction: Direction) -> bool:
    """True for a private message to or from a participant of a room (XEP-0045 section 7.5)."""
    other = _other(stanza, direction)
    return MUC_USER in stanza.child_tags and other.is_full and not invites(stanza)


class EligibleMessages:
    """The last eligible messages of each account: an error that answers one of them is copied too. A server has one."""

    def __init__(self) -> None:
        self._known: dict[tuple[JID, Direction], OrderedDict[tuple[JID, str], None]] = {}

    def remember(self, account: JID, stanza: Stanza, direction: Direction) -> None:
        """Remember a message, unless it has no id, or too long a one, by which to recognise an answer."""
        if stanza.id is None or len(stanza.id) > MAX_ID_LENGTH:
            return
        known = self._known.setdefault((account, direction), OrderedDict())
        known[_other(stanza, direction).bare, stanza.id] = None
        if len(known) > MAX_REMEMBERED:
            known.popitem(last=False)

    def is_answered(self, account: JID, error: Stanza, direction: Direction) -> bool:
        """True if this error answers one of them: it goes the other way between the same two addresses."""
        answered: Direction = "received" if direction == "sent" else "sent"
        known = self._known.get((account, answered), ())
        return error.id is not None and (_other(error, direction).bare, error.id) in known

    def forget(self, account: JID) -> None:
        """Forget the messages of an account."""
        self._known.pop((account, "sent"), None)
        self._known.pop((account, "received"), None)


def _other(stanza: Stanza, direction: Direction) -> JID:
    """The other side of the conversation."""
    other = stanza.to if direction == "sent" else stanza.sender
    assert other is not None
    return other
