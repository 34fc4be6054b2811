"""XEP-0202: the server's time."""

import time
from typing import TYPE_CHECKING

from lxml import etree

from xmpp.data.stanza import Stanza
from xmpp.data.timestamps import format_utc
from xmpp.routing.feature import SERVER, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "urn:xmpp:time"
TIME = f"{{{NAMESPACE}}}time"

feature = Feature("time", xep="0202", disco=[NAMESPACE])


@feature.iq_get(TIME, to=[SERVER])
def tell_time(server: "Server", iq: Stanza) -> etree._Element:
    """The time in UTC, and the offset of the server's time zone."""
    now = time.time()
    answer = etree.Element(TIME)
    etree.SubElement(answer, f"{{{NAMESPACE}}}tzo").text = format_offset(time.localtime(now).tm_gmtoff)
    etree.SubElement(answer, f"{{{NAMESPACE}}}utc").text = format_utc(now)
    return answer


def format_offset(seconds: int) -> str:
    """An offset from UTC in seconds, as XEP-0082 writes it: `-06:00`."""
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"
