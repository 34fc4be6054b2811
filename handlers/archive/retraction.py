"""XEP-0424: who has written a message can take it back; in the archive a tombstone takes its place."""

import logging

from db import accounts, archive
from db.sqlite.database import Database
from handlers.archive.rules import RETRACT
from handlers.messages.payloads import MUC_USER
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.data.timestamps import format_utc
from xmpp.data.wire import quoted

log = logging.getLogger(__name__)

NAMESPACE = "urn:xmpp:message-retract:1"
TOMBSTONES = "urn:xmpp:message-retract:1#tombstone"
RETRACTED = f"{{{NAMESPACE}}}retracted"


def bury(db: Database, retraction: Stanza, number: int, contact: JID, is_sent: bool, at: int) -> None:
    """Put a tombstone in the place of the message that is taken back, if it is in this archive.

    What follows the retraction is what it is archived with. Both have gone the same way in the same conversation: so
    they are from the same bare address, or from the account itself (section "Business Rules").
    """
    taken_back = retracted_id(retraction)
    if not taken_back or not retraction.id:  # the tombstone could not name the retraction
        return
    found = archive.original(db, number, contact, is_sent, taken_back)
    if found is None:
        return
    row, written_at = found
    if not is_sent and written_at < accounts.since(db, contact):  # by somebody else, who had this address before
        return
    archived = archive.stanza(db, row)
    if archived is None:
        return
    original = retractable(archived, retraction)
    if original is not None:
        archive.replace(db, row, tombstone(original, retraction.id, at / 1000).wire())


def retracted_id(retraction: Stanza) -> str | None:
    """The id of the message that this one takes back; None where it takes back none."""
    retract = retraction.child(RETRACT)
    return None if retract is None else retract.get("id") or None


def retractable(kept: bytes, retraction: Stanza) -> Stanza | None:
    """The message that was kept as these bytes, if this takes it back, both being from one bare address. One that
    cannot be read is of no use to anybody, and the retraction goes its way."""
    try:
        original = Stanza.from_wire(kept)
    except Unreadable:
        log.exception("what %s takes back cannot be read", retraction.sender)
        return None
    return original if _can_be_retracted(original, retraction) else None


def _can_be_retracted(original: Stanza, retraction: Stanza) -> bool:
    if RETRACTED in original.child_tags or RETRACT in original.child_tags:  # a retraction has to stay (Business Rules)
        return False
    if MUC_USER in retraction.child_tags or MUC_USER in original.child_tags:
        return original.sender == retraction.sender  # in a room, all have one bare address
    return True


def tombstone(original: Stanza, retraction_id: str, at: float) -> Stanza:
    """What is left of the message: who sent it to whom."""
    retracted = f'<retracted xmlns="{NAMESPACE}" stamp="{format_utc(at)}" id={quoted(retraction_id)}/>'
    type = original.element.get("type")
    return Stanza.build(
        "message", retracted.encode(), type=type, id=original.id, to=original.to, sender=original.sender
    )
