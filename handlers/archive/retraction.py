"""XEP-0424: the sender of a message can retract it. In the archive a tombstone takes its place."""

import logging

from db import accounts, archive
from db.sqlite.database import Database
from handlers.archive.rules import RETRACT
from handlers.messages.payloads import MUC_USER
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.data.timestamps import stamp
from xmpp.data.wire import quoted

log = logging.getLogger(__name__)

NAMESPACE = "urn:xmpp:message-retract:1"
TOMBSTONES = "urn:xmpp:message-retract:1#tombstone"
RETRACTED = f"{{{NAMESPACE}}}retracted"


def bury(db: Database, retraction: Stanza, number: int, contact: JID, is_sent: bool, at: int) -> None:
    """Replace the message that is retracted by a tombstone, if it is in the archive of this number.

    `contact`, `is_sent` and `at` (milliseconds) are what the retraction is archived with. Only a message that went the
    same way in the same conversation is looked for: so both have the same sender (section "Business Rules").
    """
    taken_back = retracted_id(retraction)
    if not taken_back or not retraction.id:  # the tombstone could not name the retraction
        return
    found = archive.original(db, number, contact, is_sent, taken_back)
    if found is None:
        return
    row, written_at = found
    if not is_sent and written_at < accounts.since(db, contact):  # by somebody else who had the address before
        return
    archived = archive.stanza(db, row)
    if archived is None:
        return
    original = retractable(archived, retraction)
    if original is not None:
        archive.replace(db, row, tombstone(original, retraction.id, at / 1000).wire())


def retracted_id(retraction: Stanza) -> str | None:
    """The id of the message that this one retracts; None if it is no retraction."""
    retract = retraction.child(RETRACT)
    return None if retract is None else retract.get("id") or None


def retractable(kept: bytes, retraction: Stanza) -> Stanza | None:
    """The message that was kept as these bytes, if it may be retracted by this one. The caller has seen that both are
    from one bare address. None as well, with a line in the log, if the message cannot be read."""
    try:
        original = Stanza.from_wire(kept)
    except Unreadable:
        log.exception("what %s takes back cannot be read", retraction.sender)
        return None
    if RETRACTED in original.child_tags or RETRACT in original.child_tags:
        return None  # a retraction has to stay (section "Business Rules")
    is_of_room = MUC_USER in retraction.child_tags or MUC_USER in original.child_tags
    if is_of_room and original.sender != retraction.sender:
        return None  # all in a room have one bare address
    return original


def tombstone(original: Stanza, retraction_id: str, at: float, *, by: bytes = b"", beside: bytes = b"") -> Stanza:
    """What is left of the message: who sent it to whom; `by` whom it was taken back, if that was somebody else, and
    what is said `beside`, as bytes."""
    head = f'<retracted xmlns="{NAMESPACE}" stamp="{stamp(at)}" id={quoted(retraction_id)}'.encode()
    retracted = b"%b>%b</retracted>" % (head, by) if by else head + b"/>"
    type = original.element.get("type")
    return Stanza.build(
        "message", beside + retracted, type=type, id=original.id, to=original.to, sender=original.sender
    )
