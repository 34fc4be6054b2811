"""Groups of people who are each other's contacts, for administrators."""

from typing import Any, NamedTuple
from urllib.parse import quote

from handlers.admin.given import SHOWN
from web.admin.area import Fields, Visit, form, page
from web.http.messages import REASONS, Response
from xmpp.control import Refused

GROUPS, GROUP = "/admin/groups", "/admin/group"
MOST_DIGITS = 9


class Which(NamedTuple):
    """The group that a page is about, by the names of what commands want to know."""

    group: str
    domain: str

    @property
    def way(self) -> str:
        """Where its page is."""
        return f"{GROUP}?group={quote(self.group, safe='')}&domain={quote(self.domain)}"


@page(GROUPS)
def groups(visit: Visit) -> Response:
    """Groups, found by a part of their name, a page at a time."""
    text, after = visit.asked("text"), visit.asked("after", "0")
    if not after.isdecimal() or len(after) > MOST_DIGITS:
        return visit.refuse(400, REASONS[400])
    found = visit.carry_out("groups", text=text, after=after, most=SHOWN + 1)
    more = found[SHOWN - 1].number if len(found) > SHOWN else 0
    return visit.show("admin/groups.html", found=found[:SHOWN], more=more, search=text)


@page(f"{GROUPS}/add")
def ask_to_create(visit: Visit) -> Response:
    """The form for a new one."""
    return _form(visit, visit.domains[0])


@form(f"{GROUPS}/add")
def create(visit: Visit, fields: Fields) -> Response:
    """Make it."""
    made, has_room = Which(fields.get("group", "").strip(), fields.get("domain", "")), fields.get("room") == "yes"
    try:
        visit.carry_out("create-group", **made._asdict(), room=has_room)
    except Refused as refused:
        return _form(visit, made.domain, 409, name=made.group, has_room=has_room, problem=str(refused))
    return visit.go_on(made.way, "group.made_now", group=made.group)


@page(GROUP)
def group(visit: Visit) -> Response:
    """Who is in it."""
    return _group(visit, Which(visit.asked("group"), visit.asked("domain")))


@form(GROUP)
def add(visit: Visit, fields: Fields) -> Response:
    """Put somebody into it. Yields."""
    which, account = _which(fields), fields.get("account", "").strip()
    account = account if "@" in account else f"{account}@{which.domain}"
    try:
        visit.carry_out("add-to-group", **which._asdict(), account=account)
    except Refused as refused:
        return _group(visit, which, 409, account=fields.get("account", ""), problem=str(refused))
    return visit.go_on(which.way, "group.added_now", account=account, group=which.group)


@page(f"{GROUP}/remove")
def ask_to_remove(visit: Visit) -> Response:
    """Ask whether somebody is to be taken out of it."""
    which = Which(visit.asked("group"), visit.asked("domain"))
    return visit.show("admin/group_remove.html", which=which, account=visit.asked("account"), problem="")


@form(f"{GROUP}/remove")
def remove(visit: Visit, fields: Fields) -> Response:
    """Take somebody out of it. Yields."""
    which, account = _which(fields), fields.get("account", "")
    try:
        visit.carry_out("remove-from-group", **which._asdict(), account=account)
    except Refused as refused:
        return visit.show("admin/group_remove.html", 409, which=which, account=account, problem=str(refused))
    return visit.go_on(which.way, "group.removed_now", account=account, group=which.group)


@page(f"{GROUP}/delete")
def ask_to_delete(visit: Visit) -> Response:
    """Ask whether it is to be ended."""
    which = Which(visit.asked("group"), visit.asked("domain"))
    return visit.show("admin/group_delete.html", which=which, problem="")


@form(f"{GROUP}/delete")
def delete(visit: Visit, fields: Fields) -> Response:
    """End it."""
    which = _which(fields)
    try:
        visit.carry_out("delete-group", **which._asdict())
    except Refused as refused:
        return visit.show("admin/group_delete.html", 409, which=which, problem=str(refused))
    return visit.go_on(GROUPS, "group.deleted_now", group=which.group)


# -- parts


def _which(fields: Fields) -> Which:
    return Which(fields.get("group", ""), fields.get("domain", ""))


def _form(
    visit: Visit, domain: str, status: int = 200, *, name: str = "", has_room: bool = False, problem: str = ""
) -> Response:
    values: dict[str, Any] = {"name": name, "chosen": domain, "has_room": has_room, "problem": problem}
    return visit.show("admin/group_add.html", status, domains=visit.domains, **values)


def _group(visit: Visit, which: Which, status: int = 200, *, account: str = "", problem: str = "") -> Response:
    try:
        members = visit.carry_out("group", **which._asdict())
    except Refused as refused:
        return visit.refuse(404, refused)
    return visit.show("admin/group.html", status, which=which, members=members, account=account, problem=problem)
