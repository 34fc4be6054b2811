"""What administrators see of reports (XEP-0377), and how they remove one that is dealt with."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from db import reports
from db.reports import Report
from handlers.admin.given import SHOWN, Administrator, note, unhurried
from xmpp.control import Refused
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

AT_ONCE = 100  # reports that are read at a time


def listing(server: "Server", by: Administrator, text: str = "", after: str = "0", most: int = SHOWN) -> list[Report]:
    """At most so many reports of accounts here that have this text in one of their addresses or in what was said, the
    oldest first, after the one of this number. Yields."""
    found = list[Report]()
    for report in unhurried(_of(server, by, int(after or 0))):
        if text.strip().casefold() in f"{report.account} {report.reported} {report.text}".casefold():
            found.append(report)
        if len(found) >= most:
            break
    return found


def details(server: "Server", by: Administrator, report: str) -> list[str]:
    """The messages that were named with a report."""
    return [reports.messages(server.db, _known(server, by, report).id).decode()]


def remove(server: "Server", by: Administrator, report: str) -> None:
    """Remove a report."""
    known = _known(server, by, report)
    reports.remove(server.db, known.id)
    note(by, "report", str(known.id), "was removed")


def _of(server: "Server", by: Administrator, after: int) -> Iterator[Report]:
    while some := reports.after(server.db, after, AT_ONCE):
        yield from (each for each in some if by.may_at(JID.parse(each.account).domain))
        after = some[-1].id


def _known(server: "Server", by: Administrator, number: str) -> Report:
    report = reports.get(server.db, int(number)) if number.isdecimal() and len(number) < 19 else None
    if report is None or not by.may_at(JID.parse(report.account).domain):
        raise Refused(f"There is no report {number}.")
    return report
