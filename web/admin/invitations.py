"""Invitations, and links that reset passwords, for administrators."""

from collections.abc import Mapping
from typing import Any

from handlers.admin.given import SHOWN
from handlers.admin.groups import CHOSEN_FROM
from handlers.admin.invitations import Made
from handlers.invitations.invitations import OPEN
from handlers.invitations.settings import DAY_SECONDS, InvitationSettings
from web.admin.area import Fields, Visit, form, page
from web.http.messages import REASONS, Response, redirect
from web.pages.qr import Codes
from xmpp.control import Refused

INVITATIONS = "/admin/invitations"
MADE = f"{INVITATIONS}/made"
REVOKE = "/admin/invitation/revoke"
RESET = "/admin/person/reset"
MOST_DIGITS = 9
FIELDS = ("name", "domain", "group", "uses", "days", "contact")


@page(INVITATIONS)
def invitations(visit: Visit) -> Response:
    """Those that are open, and those that were used up or have expired not long ago, a page at a time."""
    text, after = visit.asked("text"), visit.asked("after", "0")
    if not after.isdecimal() or len(after) > MOST_DIGITS:
        return visit.refuse(400, REASONS[400])
    found = visit.carry_out("invitations", text=text, after=after, most=SHOWN + 1)
    more = found[SHOWN - 1].number if len(found) > SHOWN else 0
    return visit.show("admin/invitations.html", found=found[:SHOWN], more=more, search=text, open=OPEN)


@page(f"{INVITATIONS}/add")
def ask_to_invite(visit: Visit) -> Response:
    """The form for a new one."""
    return _form(visit, {"group": visit.asked("group"), "domain": visit.asked("domain"), "uses": "1", "contact": "yes"})


@form(f"{INVITATIONS}/add")
def invite(visit: Visit, fields: Fields) -> Response:
    """Make it, and show it."""
    given = {key: fields.get(key, "").strip() for key in FIELDS}
    uses, days = given["uses"] or "1", given["days"] or "0"
    if not all(each.isdecimal() and len(each) <= MOST_DIGITS for each in (uses, days)):
        return _form(visit, given, 400, is_no_number=True)
    wanted: dict[str, Any] = {key: given[key] for key in ("name", "domain", "group")}
    try:
        made = visit.carry_out(
            "invite", **wanted, uses=int(uses), seconds=int(days) * DAY_SECONDS, contact=given["contact"] == "yes"
        )
    except Refused as refused:
        return _form(visit, given, 409, problem=str(refused))
    return _go_on(visit, made)


@page(MADE)
def show_made(visit: Visit) -> Response:
    """The link that was made just now, this once: nobody knows it after that but who was told."""
    made, visit.login.made = visit.login.made, None
    if made is None:
        return redirect(INVITATIONS)
    codes = visit.site.server.state(Codes)
    return visit.show("admin/invitation_made.html", made=made, code=codes.of(made.page or made.uri))


@page(REVOKE)
def ask_to_revoke(visit: Visit) -> Response:
    """Ask whether it is to be taken back."""
    return visit.show("admin/revoke.html", number=visit.asked("number"), problem="")


@form(REVOKE)
def revoke(visit: Visit, fields: Fields) -> Response:
    """Take it back."""
    number = fields.get("number", "")
    try:
        visit.carry_out("revoke", number=number)
    except Refused as refused:
        return visit.show("admin/revoke.html", 409, number=number, problem=str(refused))
    return visit.go_on(INVITATIONS, "invitation.revoked_now", number=number)


@page(RESET)
def ask_to_reset(visit: Visit) -> Response:
    """Ask whether somebody is to be given a link with which to set another password."""
    return visit.show("admin/reset.html", account=visit.asked("account"), hours=_hours(visit), problem="")


@form(RESET)
def reset(visit: Visit, fields: Fields) -> Response:
    """Make it, and show it."""
    account = fields.get("account", "")
    try:
        made = visit.carry_out("reset-link", account=account)
    except Refused as refused:
        return visit.show("admin/reset.html", 409, account=account, hours=_hours(visit), problem=str(refused))
    return _go_on(visit, made)


# -- parts


def _go_on(visit: Visit, made: Made) -> Response:
    visit.login.made = made
    return redirect(MADE)


def _form(
    visit: Visit, given: Fields, status: int = 200, *, problem: str = "", is_no_number: bool = False
) -> Response:
    domains = visit.domains
    values: dict[str, Any] = {**dict.fromkeys(FIELDS, ""), **given}
    values["domain"] = values["domain"] or domains[0]
    return visit.show(
        "admin/invite.html", status, given=values, domains=domains, groups=_groups(visit), problem=problem,
        is_no_number=is_no_number, days=visit.site.server.settings(InvitationSettings).days,
    )  # fmt: skip


def _groups(visit: Visit) -> Mapping[str, str] | None:
    """What the groups are called that one is chosen from, by their names: with their domains, where there are several;
    None if there are too many."""
    found = visit.carry_out("groups", most=CHOSEN_FROM + 1)
    if len(found) > CHOSEN_FROM:
        return None
    where: dict[str, list[str]] = {}
    for each in found:
        where.setdefault(each.name, []).append(each.domain)
    has_several = len(visit.domains) > 1
    return {name: f"{name} ({', '.join(at)})" if has_several else name for name, at in where.items()}


def _hours(visit: Visit) -> int:
    return visit.site.server.settings(InvitationSettings).reset_hours
