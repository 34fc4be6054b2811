"""XEP-0377: who blocks somebody can say why, and which messages show it. That is kept for the administrators.

A report never has a say in whether somebody is blocked: what is too much of it, or malformed, is left out.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from db import archive, archives, reports
from handlers.contacts.blocking import ITEM
from handlers.messages.stanza_ids import STANZA_ID
from xmpp.config.configuration import setting
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import Feature
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

NAMESPACE = "urn:xmpp:reporting:1"
REPORT = f"{{{NAMESPACE}}}report"
TEXT = f"{{{NAMESPACE}}}text"
REASONS = {f"urn:xmpp:reporting:{each}": each for each in ("spam", "abuse")}

DAY = 24 * 3600.0
MOST_AT_ONCE = 10  # reports in one request, and messages in one report
MOST_CHARACTERS = 2_000  # of what the account says to it
MOST_MESSAGE_BYTES = 20_000  # of all messages of a report


@dataclass(frozen=True)
class ReportingSettings:
    """Reports of spam and abuse, which people make when they block somebody, for `xserv reports`."""

    max_reports: int = setting(1_000, "How many are kept; of more, the oldest are removed.",
                               minimum=1, maximum=100_000)  # fmt: skip
    daily_reports: int = setting(20, "How many one account may make in a day. Beyond that it only blocks.",
                                 minimum=1, maximum=10_000)  # fmt: skip


feature = Feature("reporting", xep="0377", disco=[NAMESPACE], settings=ReportingSettings, needs=["blocking"])


@feature.step
def keep(server: "Server", block: Stanza) -> None:
    """BLOCK_REQUESTED: keep what the account says of those whom it blocks."""
    assert block.sender is not None
    account, settings = block.sender.bare, server.settings(ReportingSettings)
    for reported, report in _reports(block.only_child()):
        if reports.count_since(server.db, account, time.time() - DAY) >= settings.daily_reports:
            return
        reason = REASONS.get(report.get("reason", ""), "abuse")
        text = (report.findtext(TEXT) or "").strip()[:MOST_CHARACTERS]
        messages = b"".join(_messages(server, account, reported, report))
        reports.keep(server.db, account, time.time(), reported, reason, text, messages, settings.max_reports)
        log.info("report of %s: %s by %s (xserv reports list)", reason, one_word(reported), one_word(account))


def _reports(block: etree._Element) -> Iterator[tuple[JID, etree._Element]]:
    found = [(item, item.find(REPORT)) for item in block.iterchildren(ITEM)]
    for item, report in [each for each in found if each[1] is not None][:MOST_AT_ONCE]:
        assert report is not None
        yield JID.parse(item.get("jid", "")), report


def _messages(server: "Server", account: JID, reported: JID, report: etree._Element) -> Iterator[bytes]:
    """Those messages of the account's archive that are named, and that the reported has sent it."""
    number = archives.number_of(server.db, account)
    left = MOST_MESSAGE_BYTES
    for stanza_id in [*report.iterchildren(STANZA_ID)][:MOST_AT_ONCE]:
        found = archive.message(server.db, number, stanza_id.get("id", "")) if number is not None else None
        if found is None or not _is_by(stanza_id, account) or len(found.stanza) > left:
            continue
        contact = archive.contact(server.db, found.row)
        if contact is not None and reported in (contact, contact.bare, contact.domain):
            left -= len(found.stanza)
            yield found.stanza


def _is_by(stanza_id: etree._Element, account: JID) -> bool:
    try:
        return JID.parse(stanza_id.get("by", "")) == account
    except MalformedJID:
        return False
