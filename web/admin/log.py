"""What the log has said lately, for administrators."""

import time

from handlers.admin.given import SHOWN
from handlers.admin.recent_log import LEVELS
from web.admin.area import Visit, page
from web.http.messages import REASONS, Response
from xmpp.control import Refused

HOURS = ("", "1", "6", "24")


@page("/admin/log")
def log(visit: Visit) -> Response:
    """Entries by level, text and age, the newest first, a page at a time."""
    level, text = visit.asked("level", "info"), visit.asked("text")
    hours, before = visit.asked("hours"), visit.asked("before", "0")
    if hours not in HOURS or not (before.isascii() and before.isdigit() and len(before) < 19):
        return visit.refuse(400, REASONS[400])
    since = time.time() - int(hours) * 3600 if hours else 0.0
    try:
        found = visit.carry_out("log", level=level, text=text, since=since, before=int(before), most=SHOWN + 1)
    except Refused as refused:
        return visit.refuse(400, refused)
    more = found[SHOWN - 1].number if len(found) > SHOWN else 0
    return visit.show(
        "admin/log.html", found=found[:SHOWN], more=more, level=level, levels=LEVELS, search=text, hours=hours,
        all_hours=HOURS,
    )  # fmt: skip
