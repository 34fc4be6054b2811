"""XEP-0313: what whoever asks an archive gets, whosever the archive is: a page of it, or where it begins and ends."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lxml import etree

from db import archive
from db.archive import Entry
from handlers.archive import pages, results
from handlers.archive.pages import Page
from handlers.archive.query import Query
from handlers.archive.settings import ArchiveSettings
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.session import Session

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ENTRY_BYTES = 300  # of memory, for each message of a page that is still to be sent

Read = Callable[[Entry], bytes | None]
"""A message as whoever has asked gets it; None where it is not there any more."""


def find(server: "Server", number: int, asked: Query) -> Page:
    """The page that is asked for. Yields, and raises StanzaError, as pages.find does."""
    return pages.find(server.db, number, asked, _limits(server), server.state(pages.Searches))


def send(server: "Server", iq: Stanza, asked: Query, page: Page, read: Read) -> etree._Element:
    """Send a page, message by message, to whoever has asked; returns what is to follow it."""
    assert iq.sender is not None and iq.to is not None
    entries = page.entries[::-1] if asked.is_flipped else page.entries
    found = _results(server, entries, asked.id, iq.sender, iq.to.bare, read)
    if isinstance(iq.origin, Session):
        iq.origin.send_all(found, held=ENTRY_BYTES * len(entries))
    else:
        for each in found:
            server.router.route(each)
    server.db.touch_unfinished()  # what a client is told of is on the disk
    return results.finished(page)


def ends(server: "Server", number: int) -> etree._Element:
    """The oldest and the newest message of an archive."""
    archive.settle(server.db)
    server.db.touch_unfinished()
    return results.metadata(archive.ends(server.db, number))


def _results(
    server: "Server", entries: list[Entry], query_id: str | None, to: JID, owner: JID, read: Read
) -> Iterator[Stanza]:
    for entry in entries:
        archived = read(entry)
        if archived is not None:
            server.db.touch_unfinished()
            yield results.result(entry, archived, query_id=query_id, to=to, sender=owner)


def _limits(server: "Server") -> pages.Limits:
    settings = server.settings(ArchiveSettings)
    return pages.Limits(settings.page_messages, settings.max_page_messages, server.stream_settings.unsent_bytes // 2)
