"""Rooms, for administrators."""

from typing import Any

from handlers.admin.given import SHOWN
from web.admin.area import Fields, Visit, form, page
from web.http.messages import Response
from xmpp.control import Refused

ROOMS, ROOM = "/admin/rooms", "/admin/room"


@page(ROOMS)
def rooms(visit: Visit) -> Response:
    """Rooms, found by a part of their address or name, a page at a time."""
    asked: dict[str, Any] = {name: visit.asked(name) for name in ("text", "after")}
    try:
        found = visit.carry_out("rooms", **asked, most=SHOWN + 1)
    except Refused as refused:
        return visit.refuse(400, refused)
    more = found[SHOWN - 1].room if len(found) > SHOWN else ""
    return visit.show("admin/rooms.html", found=found[:SHOWN], more=more, search=asked["text"])


@page(ROOM)
def room(visit: Visit) -> Response:
    """All that is told of one room."""
    try:
        details = visit.carry_out("room", room=visit.asked("room"))
    except Refused as refused:
        return visit.refuse(404, refused)
    return visit.show("admin/room.html", details=details, room=details.listed)


@page(f"{ROOM}/destroy")
def ask_to_destroy(visit: Visit) -> Response:
    """Ask whether it is to be destroyed."""
    return visit.show("admin/destroy.html", room=visit.asked("room"), reason="", venue="", problem="")


@form(f"{ROOM}/destroy")
def destroy(visit: Visit, fields: Fields) -> Response:
    """Destroy it."""
    given: dict[str, Any] = {name: fields.get(name, "").strip() for name in ("room", "reason", "venue")}
    try:
        visit.carry_out("destroy-room", **given)
    except Refused as refused:
        return visit.show("admin/destroy.html", 409, **given, problem=str(refused))
    return visit.go_on(ROOMS, "room.destroyed_now", room=given["room"])
