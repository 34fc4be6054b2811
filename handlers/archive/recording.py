"""Adds messages to archives, whosever they are: what that costs the sender, the id they get, that they are indexed."""

import os
from typing import TYPE_CHECKING

from db import archive
from handlers.archive import budget, indexing
from handlers.archive.settings import ArchiveSettings
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ID_BYTES = 10  # nobody can guess an id, or see from it what else there is (XEP-0359 section "Security Considerations")


class Digits:
    """Random hexadecimal digits for ids, fetched for many at a time: to ask the system costs more than an id. A server
    has some."""

    def __init__(self) -> None:
        self._left: list[str] = []

    def next(self) -> str:
        """Those of one id."""
        if not self._left:
            fetched, digits = os.urandom(100 * ID_BYTES).hex(), 2 * ID_BYTES
            self._left = [fetched[start : start + digits] for start in range(0, len(fetched), digits)]
        return self._left.pop()


def spend(server: "Server", sender: JID, stanza: Stanza) -> None:
    """Take a message out of the daily budget of its sender (bare address). Raises StanzaError if too little is left."""
    daily = server.settings(ArchiveSettings).daily_bytes
    if not budget.spend(server.db, sender, len(stanza.wire()), daily):
        raise StanzaError("resource-constraint", "you have sent as much as is kept of one day; try again later")


def new_id(server: "Server", at: int) -> str:
    """The id of a message of that time, in milliseconds. The time comes first: in order, ids are indexed for a fraction
    of the cost."""
    return f"{at:012x}{server.state(Digits).next()}"


def append(
    server: "Server", archive_number: int, uid: str, at: int, contact: JID, stanza: Stanza, text: str, *, is_sent: bool
) -> None:
    """Archive a message; see db/archive.py."""
    archive.append(
        server.db,
        archive_number,
        uid,
        at,
        contact.bare,
        contact.resource,
        is_sent,
        stanza.id or "",
        text,
        stanza.wire(),
    )
    indexing.note_archived(server, text)
