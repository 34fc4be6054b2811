"""XEP-0313: an account's messages are kept for all its devices, and found again.

`rules` and `preferences` decide what is archived; `query` reads what is asked for, `pages` finds it, `results` answers.
"""

import time
from typing import TYPE_CHECKING

from lxml import etree

from db import archive as archive_records
from db import archives
from handlers.archive import answers, preferences, private_copies, query, recording, results, retraction, rules
from handlers.archive.settings import ArchiveSettings
from handlers.contacts.access import forbid
from handlers.messages import stanza_ids
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.feature import ADDRESS, Feature
from xmpp.routing.session import session_of

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

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


# -- delivery steps


@feature.step
def record_sent(delivery: Delivery) -> None:
    """MESSAGE_SENT: archive the message, and refuse it if the sender has used up its daily budget.

    A message to oneself is archived when it is received.
    """
    server, stanza = delivery.server, delivery.stanza
    assert stanza.to is not None
    if rules.text_if_worthy(stanza) is not None:
        recording.spend(server, delivery.account, stanza)
    if stanza.to.bare != delivery.account:
        delivery.archive_id = _record(delivery, stanza.to, is_sent=True)


@feature.step
def record_received(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED: archive the message, and add its stanza-id for whoever gets it."""
    server, stanza, sender = delivery.server, delivery.stanza, delivery.stanza.sender
    if sender is not None:
        delivery.archive_id = private_copies.id_of_copy(server, delivery.account, stanza)
        if delivery.archive_id is None:
            delivery.archive_id = _record(delivery, sender, is_sent=False)
            if delivery.archive_id is not None:
                private_copies.remember(server, delivery.account, stanza, delivery.archive_id)
    if delivery.archive_id is not None:
        delivery.stanza = stanza_ids.with_id(delivery.stanza, delivery.account, delivery.archive_id)


def _record(delivery: Delivery, contact: JID, *, is_sent: bool) -> str | None:
    """Archive a message and return its id; None if it is not worth it, or the account does not want it."""
    server, stanza = delivery.server, delivery.stanza
    text = rules.text_if_worthy(stanza)
    if text is None:
        return None
    archive = archives.of(server.db, delivery.account)
    if not preferences.are_wanted(server.db, delivery.account, archive, contact):
        return None
    now = int(time.time() * 1000)
    if rules.RETRACT in stanza.child_tags:
        retraction.bury(server.db, stanza, archive.number, contact.bare, is_sent, now)
    uid = recording.new_id(server, now)
    recording.append(server, archive.number, uid, now, contact, stanza, text, is_sent=is_sent)
    return uid


# -- together with binding a resource


@feature.step
def tell_ends_inline(session: "Session", asked: etree._Element, bound: etree._Element) -> None:
    """BOUND_INLINE: say what the archive has, for a client that will fetch from it what it has missed; so that need not
    be sent as well (XEP-0386)."""
    server, now = session.server, time.time()
    bound.append(answers.ends(server, archives.of(server.db, session.account).number))
    session.keep(Queried(now))


# -- requests


@feature.iq_get(query.QUERY)
def describe(server: "Server", iq: Stanza) -> etree._Element:
    """The form of what can be asked for (section "Retrieving form fields")."""
    return query.form()


@feature.iq_set(query.QUERY)
def search(server: "Server", iq: Stanza) -> etree._Element:
    """Send the page that is asked for, one message for each entry, and answer <fin/>. Yields if the search is long."""
    archive, session = _own_archive(server, iq), session_of(iq)
    asked = query.requested(iq.only_child())
    page = answers.find(server, archive.number, asked)
    if session.presence is None:
        session.keep(Queried(time.time()))
    return answers.send(server, iq, asked, page, lambda entry: archive_records.stanza(server.db, entry.row))


@feature.iq_get(results.METADATA)
def tell_ends(server: "Server", iq: Stanza) -> etree._Element:
    """The oldest and the newest message."""
    return answers.ends(server, _own_archive(server, iq).number)


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
