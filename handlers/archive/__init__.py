"""XEP-0313: an account's messages are kept for all its devices, and found again.

`rules` and `preferences` decide what is archived; `query` reads what is asked for, `pages` finds it, `results` answers.
"""

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lxml import etree

from db import archive as archive_records
from db import archives
from db.archive import Entry
from handlers.admin import upkeep
from handlers.archive import budget, pages, preferences, query, results, retraction, rules
from handlers.archive.settings import ArchiveSettings
from handlers.contacts.access import forbid
from handlers.messages import stanza_ids
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.feature import ADDRESS, Feature
from xmpp.routing.session import session_of

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ENTRY_BYTES = 300  # of memory, that a message of a page takes until it is sent
ID_BYTES = 10  # nobody can guess an id, or see from it what else there is (XEP-0359 section "Security Considerations")

feature = Feature(
    "archive",
    xep="0313",
    disco=[retraction.NAMESPACE],
    account_disco=[
        query.NAMESPACE,
        f"{query.NAMESPACE}#extended",
        f"{query.NAMESPACE}#groupchat-field",
        "http://jabber.org/protocol/rsm",
        "urn:xmpp:fulltext:0",
        retraction.NAMESPACE,
        retraction.TOMBSTONES,
    ],
    settings=ArchiveSettings,
    needs=["stanza_ids", "upkeep"],
)


class Queried:
    """When a session has queried the archive, before its first presence: it need not be sent what waited before."""

    def __init__(self, at: float) -> None:
        self.at = at


class Digits:
    """Random hexadecimal digits for ids, fetched for many ids at a time, as asking the system is slow. A server has
    one."""

    def __init__(self) -> None:
        self._left: list[str] = []

    def next(self) -> str:
        """The digits of one id."""
        if not self._left:
            fetched, digits = os.urandom(100 * ID_BYTES).hex(), 2 * ID_BYTES
            self._left = [fetched[start : start + digits] for start in range(0, len(fetched), digits)]
        return self._left.pop()


# -- delivery steps


@feature.step
def record_sent(delivery: Delivery) -> None:
    """MESSAGE_SENT: archive the message, and refuse it if the sender has used up its daily budget.

    A message to oneself is archived when it is received.
    """
    server, stanza = delivery.server, delivery.stanza
    assert stanza.to is not None
    if server.state(rules.Judged).text_if_worthy(stanza) is not None:
        daily = server.settings(ArchiveSettings).daily_bytes
        if not budget.spend(server.db, delivery.account, len(stanza.wire()), daily):
            raise StanzaError("resource-constraint", "you have sent as much as is kept of one day; try again later")
    if stanza.to.bare != delivery.account:
        delivery.archive_id = _record(delivery, stanza.to, is_sent=True)


@feature.step
def record_received(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED: archive the message, and add its stanza-id for whoever gets it."""
    sender = delivery.stanza.sender
    if sender is not None:
        delivery.archive_id = _record(delivery, sender, is_sent=False)
    if delivery.archive_id is not None:
        delivery.stanza = stanza_ids.with_id(delivery.stanza, delivery.account, delivery.archive_id)


def _record(delivery: Delivery, contact: JID, *, is_sent: bool) -> str | None:
    """Archive a message and return its id; None if it is not worth it, or the account does not want it."""
    server, stanza = delivery.server, delivery.stanza
    text = server.state(rules.Judged).text_if_worthy(stanza)
    if text is None:
        return None
    archive = archives.of(server.db, delivery.account)
    if not preferences.are_wanted(server.db, delivery.account, archive, contact):
        return None
    now = int(time.time() * 1000)
    if rules.RETRACT in stanza.child_tags:
        retraction.bury(server.db, stanza, archive.number, contact.bare, is_sent, now)
    # The time comes first: ids that come in order are indexed for a fraction of the cost.
    uid = f"{now:012x}{server.state(Digits).next()}"
    archive_records.append(
        server.db,
        archive.number,
        uid,
        now,
        contact.bare,
        contact.resource,
        is_sent,
        stanza.id or "",
        text,
        stanza.wire(),
    )
    upkeep.note_archived(server, text)
    return uid


# -- requests


@feature.iq_get(query.QUERY)
def describe(server: "Server", iq: Stanza) -> etree._Element:
    """The form of what can be asked for (section "Retrieving form fields")."""
    return query.form()


@feature.iq_set(query.QUERY)
def search(server: "Server", iq: Stanza) -> etree._Element:
    """Send the page that is asked for, one message for each entry, and answer <fin/>. Yields if the search is long."""
    archive, session, settings = _own_archive(server, iq), session_of(iq), server.settings(ArchiveSettings)
    asked = query.requested(iq.only_child())
    limits = pages.Limits(settings.page_messages, settings.max_page_messages, server.stream_settings.unsent_bytes // 2)
    page = pages.find(server.db, archive.number, asked, limits, server.state(pages.Searches))
    if session.presence is None:
        session.keep(Queried(time.time()))
    entries = page.entries[::-1] if asked.is_flipped else page.entries
    found = _results(server, entries, query_id=asked.id, to=session.jid)
    session.send_all(found, held=ENTRY_BYTES * len(entries))
    server.db.touch_unfinished()  # the answer waits until all that it tells of is on the disk
    return results.finished(page)


def _results(server: "Server", entries: list[Entry], *, query_id: str | None, to: JID) -> Iterator[Stanza]:
    for entry in entries:
        archived = archive_records.stanza(server.db, entry.row)
        if archived is not None:
            server.db.touch_unfinished()
            yield results.result(entry, archived, query_id=query_id, to=to)


@feature.iq_get(results.METADATA)
def tell_ends(server: "Server", iq: Stanza) -> etree._Element:
    """The ids and times of the oldest and the newest message."""
    archive = _own_archive(server, iq)
    archive_records.settle(server.db)
    server.db.touch_unfinished()
    return results.metadata(archive_records.ends(server.db, archive.number))


@feature.iq_get(preferences.PREFERENCES)
def tell_preferences(server: "Server", iq: Stanza) -> etree._Element:
    """Whose messages are archived (XEP-0441)."""
    return preferences.element(_own_archive(server, iq))


@feature.iq_set(preferences.PREFERENCES)
def set_preferences(server: "Server", iq: Stanza) -> etree._Element:
    """Whose messages are to be archived from now on."""
    assert iq.to is not None
    asked = preferences.requested(iq.only_child(), server.settings(ArchiveSettings).max_listed)
    return preferences.element(archives.set_preferences(server.db, iq.to.bare, *asked))


# Section 8.1
for _tag in (query.QUERY, results.METADATA, preferences.PREFERENCES):
    feature.iq_get(_tag, to=[ADDRESS])(forbid)
feature.iq_set(query.QUERY, to=[ADDRESS])(forbid)
feature.iq_set(preferences.PREFERENCES, to=[ADDRESS])(forbid)


def _own_archive(server: "Server", iq: Stanza) -> archives.Archive:
    assert iq.to is not None
    return archives.of(server.db, iq.to.bare)
