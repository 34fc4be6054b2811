"""Files that people have uploaded, for administrators."""

from typing import Any

from handlers.admin.given import SHOWN
from web.admin.area import Fields, Visit, form, page
from web.http.messages import Response
from xmpp.control import Refused

FILES = "/admin/files"


@page(FILES)
def files(visit: Visit) -> Response:
    """Files of all or of one account, found by a part of their name or owner, the newest first, a page at a time; and
    how much there is."""
    asked: dict[str, Any] = {name: visit.asked(name) for name in ("text", "account", "after")}
    try:
        found = visit.carry_out("files", **asked, most=SHOWN + 1)
        usage = visit.carry_out("files-usage", account=asked["account"])
    except Refused as refused:
        return visit.refuse(400, refused)
    more = found[SHOWN - 1].file if len(found) > SHOWN else ""
    return visit.show(
        "admin/files.html", found=found[:SHOWN], more=more, usage=usage, search=asked["text"], account=asked["account"]
    )


@page("/admin/file/delete")
def ask_to_delete(visit: Visit) -> Response:
    """Ask whether it is to be deleted."""
    return visit.show("admin/delete.html", file=visit.asked("file"), name=visit.asked("name"), problem="")


@form("/admin/file/delete")
def delete(visit: Visit, fields: Fields) -> Response:
    """Delete it. Yields."""
    file, name = fields.get("file", ""), fields.get("name", "")
    try:
        visit.carry_out("delete-file", file=file)
    except Refused as refused:
        return visit.show("admin/delete.html", 409, file=file, name=name, problem=str(refused))
    return visit.go_on(FILES, "file.deleted_now", name=name)
