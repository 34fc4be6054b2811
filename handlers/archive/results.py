"""XEP-0313 sections "Query results" and "Archive metadata": the archive's answers."""

from lxml import etree

from db.archive import Entry
from handlers.archive.pages import Page
from handlers.archive.query import NAMESPACE
from handlers.messages import forwarding
from xmpp.data import names, resultsets
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.timestamps import stamp
from xmpp.data.wire import quoted

FINISHED = f"{{{NAMESPACE}}}fin"
METADATA = f"{{{NAMESPACE}}}metadata"


def result(entry: Entry, archived: bytes, *, query_id: str | None, to: JID, sender: JID) -> Stanza:
    """The message that brings an archived one, in the name of whose archive it is."""
    asked = "" if query_id is None else f" queryid={quoted(query_id)}"
    head = f'<result xmlns="{NAMESPACE}"{asked} id="{entry.uid}">'
    delay = f'<delay xmlns="{names.DELAY}" stamp="{stamp(entry.at)}"/>'
    content = head.encode() + forwarding.forwarded(archived, delay) + b"</result>"
    return Stanza.build("message", content, to=to, sender=sender)


def finished(page: Page) -> etree._Element:
    """The <fin/> after the results. It has a count only if the page has all messages: else somebody had to count."""
    fin = etree.Element(FINISHED, {"complete": "true"} if page.is_complete else {}, nsmap={None: NAMESPACE})
    ids = [entry.uid for entry in page.entries]
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    index = 0 if page.is_from_the_start else None
    count = len(ids) if page.is_complete and page.is_from_the_start else None
    fin.append(resultsets.page(first=first, last=last, index=index, count=count))
    return fin


def metadata(ends: tuple[Entry, Entry] | None) -> etree._Element:
    """The <metadata/> of an archive with this first and last message; empty for None."""
    element = etree.Element(METADATA, nsmap={None: NAMESPACE})
    for name, entry in zip(("start", "end"), ends or (), strict=False):
        etree.SubElement(element, f"{{{NAMESPACE}}}{name}", id=entry.uid, timestamp=stamp(entry.at))
    return element
