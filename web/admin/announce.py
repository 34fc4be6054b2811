"""Announcements, by administrators."""

from typing import Any

from web.admin.area import Fields, Visit, form, page
from web.http.messages import Response
from xmpp.control import Refused

ANNOUNCE = "/admin/announce"
FIELDS = ("subject", "text", "whom")
ONLINE = "online"


@page(ANNOUNCE)
def ask_for_text(visit: Visit) -> Response:
    """The form for an announcement."""
    return visit.show("admin/announce.html", subject="", text_given="", whom="", is_asked=False, problem="")


@form(ANNOUNCE)
def announce(visit: Visit, fields: Fields) -> Response:
    """Show what was written once more, and ask; then send it."""
    subject, text, whom = (fields.get(name, "") for name in FIELDS)
    shown: dict[str, Any] = {"subject": subject, "text_given": text, "whom": whom}
    if fields.get("sure") != "yes":
        return visit.show("admin/announce.html", **shown, is_asked=bool(text.strip()), problem="")
    try:
        visit.carry_out("announce", text=text, subject=subject, online_only=whom == ONLINE, wait=False)
    except Refused as refused:
        return visit.show("admin/announce.html", 409, **shown, is_asked=False, problem=str(refused))
    return visit.go_on(ANNOUNCE, "announce.sent_now")
