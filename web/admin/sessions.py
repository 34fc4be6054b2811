"""Sessions, for administrators."""

from typing import Any

from handlers.admin.given import SHOWN
from web.admin.area import Fields, Visit, form, page
from web.http.messages import Response
from xmpp.control import Refused

SESSIONS = "/admin/sessions"


@page(SESSIONS)
def sessions(visit: Visit) -> Response:
    """Sessions, found by a part of their address or network address, a page at a time."""
    asked: dict[str, Any] = {name: visit.asked(name) for name in ("text", "after")}
    try:
        found = visit.carry_out("sessions", **asked, most=SHOWN + 1)
    except Refused as refused:
        return visit.refuse(400, refused)
    more = found[SHOWN - 1].session if len(found) > SHOWN else ""
    return visit.show("admin/sessions.html", found=found[:SHOWN], more=more, search=asked["text"])


@page("/admin/session/end")
def ask_to_end(visit: Visit) -> Response:
    """Ask whether it is to be ended."""
    return visit.show("admin/end.html", session=visit.asked("session"), problem="")


@form("/admin/session/end")
def end(visit: Visit, fields: Fields) -> Response:
    """End it."""
    session = fields.get("session", "")
    try:
        visit.carry_out("end-session", session=session)
    except Refused as refused:
        return visit.show("admin/end.html", 409, session=session, problem=str(refused))
    return visit.go_on(SESSIONS, "session.ended_now", session=session)
