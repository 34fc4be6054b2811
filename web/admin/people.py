"""People: the pages on which administrators find accounts, and say what is to become of them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from handlers.admin.given import SHOWN
from handlers.admin.people import KINDS
from handlers.admin.removals import RemovalSettings
from handlers.admin.roles import ADMINISTRATOR, LIMITED, MEMBER
from handlers.login.client_access import CERTIFICATE, PASSWORD
from web.admin.area import Fields, Visit, form, page
from web.http.messages import Response
from xmpp.control import Refused

PEOPLE, PERSON = "/admin/people", "/admin/person"


class Action(NamedTuple):
    """What can be done to an account, each on a page of its own that asks first: the command with its arguments, and
    what the page says. `is_removal`: the account is to be gone in so many days."""

    command: str
    title: str
    explained: str
    button: str
    done: str
    arguments: Mapping[str, str] = {}
    is_dangerous: bool = False
    is_removal: bool = False


REVOKED = {
    (): "device.revoked_now",
    (PASSWORD,): "device.knows_password",
    (CERTIFICATE,): "device.has_certificate",
    (PASSWORD, CERTIFICATE): "device.has_both",
}
ACTIONS = {
    "disable": Action(
        "disable", "person.disable", "person.disable_explained", "person.disable_button", "person.disabled_now",
        is_dangerous=True,
    ),
    "enable": Action(
        "enable", "person.enable", "person.enable_explained", "person.enable_button", "person.enabled_now"
    ),
    "remove": Action(
        "remove", "person.remove", "person.remove_explained", "person.remove_button", "person.removed_now",
        is_dangerous=True, is_removal=True,
    ),
    "restore": Action(
        "restore", "person.restore", "person.restore_explained", "person.restore_button", "person.restored_now"
    ),
    "appoint": Action(
        "role", "person.appoint", "person.appoint_explained", "person.appoint_button", "person.appointed_now",
        {"role": ADMINISTRATOR}, is_dangerous=True,
    ),
    "dismiss": Action(
        "role", "person.dismiss", "person.dismiss_explained", "person.dismiss_button", "person.dismissed_now",
        {"role": MEMBER}, is_dangerous=True,
    ),
    "limit": Action(
        "role", "person.limit", "person.limit_explained", "person.limit_button", "person.limited_now",
        {"role": LIMITED}, is_dangerous=True,
    ),
    "unlimit": Action(
        "role", "person.unlimit", "person.unlimit_explained", "person.unlimit_button", "person.unlimited_now",
        {"role": MEMBER},
    ),
}  # fmt: skip


# -- looking


@page(PEOPLE)
def people(visit: Visit) -> Response:
    """Accounts, found by a part of their address and by kind, a page at a time."""
    asked: dict[str, Any] = {name: visit.asked(name) for name in ("text", "kind", "after")}
    try:
        found = visit.carry_out("search", **asked, most=SHOWN + 1)
    except Refused as refused:
        return visit.refuse(400, refused)
    more = found[SHOWN - 1].account if len(found) > SHOWN else ""
    return visit.show(
        "admin/people.html", found=found[:SHOWN], more=more, kinds=KINDS, search=asked["text"], kind=asked["kind"]
    )


@page(PERSON)
def person(visit: Visit) -> Response:
    """All that is told of one account, and the ways to what can be done to it."""
    account = visit.asked("account")
    try:
        details = visit.carry_out("person", account=account)
    except Refused as refused:
        return visit.refuse(404, refused)
    sessions = visit.carry_out("sessions", text=f"{details.person.account}/")
    devices = visit.carry_out("devices", account=details.person.account)
    return visit.show(
        "admin/person.html", details=details, person=details.person, sessions=sessions, devices=devices
    )


# -- changing


@page(f"{PEOPLE}/add")
def ask_to_add(visit: Visit) -> Response:
    """The form for a new account."""
    return _add(visit)


@form(f"{PEOPLE}/add")
def add(visit: Visit, fields: Fields) -> Response:
    """Make an account. Yields."""
    name, domain, password = (fields.get(key, "") for key in ("name", "domain", "password"))
    account = f"{name.strip()}@{domain}"
    if password != fields.get("again"):
        return _add(visit, 400, name=name, chosen=domain, unequal=True)
    try:
        visit.carry_out("add", account=account, password=password)
    except Refused as refused:
        return _add(visit, 400, name=name, chosen=domain, problem=str(refused))
    return visit.go_on(_way(account), "person.added_now", account=account)


@page(f"{PERSON}/device")
def ask_to_revoke(visit: Visit) -> Response:
    """Ask whether access is to be taken from a client."""
    return _device(visit, visit.asked("account"), visit.asked("id"))


@form(f"{PERSON}/device")
def revoke(visit: Visit, fields: Fields) -> Response:
    """Take it."""
    account, id = fields.get("account", ""), fields.get("id", "")
    try:
        ways = tuple(visit.carry_out("revoke-device", account=account, id=id))
    except Refused as refused:
        return _device(visit, account, id, 409, problem=str(refused))
    return visit.go_on(_way(account), REVOKED[ways], account=account)


@page(f"{PERSON}/password")
def ask_for_password(visit: Visit) -> Response:
    """The form for another password."""
    return _password(visit, visit.asked("account"))


@form(f"{PERSON}/password")
def change_password(visit: Visit, fields: Fields) -> Response:
    """Set another password. Yields."""
    account, password = fields.get("account", ""), fields.get("password", "")
    if password != fields.get("again"):
        return _password(visit, account, 400, unequal=True)
    try:
        visit.carry_out("passwd", account=account, password=password)
    except Refused as refused:
        return _password(visit, account, 400, problem=str(refused))
    return visit.go_on(_way(account), "person.password_now", account=account)


def _ask(action: Action) -> Callable[[Visit], Response]:
    def ask(visit: Visit) -> Response:
        """Ask whether it is to be done."""
        return _question(visit, action, visit.asked("account"))

    return ask


def _act(action: Action) -> Callable[[Visit, Fields], Response]:
    def act(visit: Visit, fields: Fields) -> Response:
        """Do it, and go on to the account."""
        account = fields.get("account", "")
        arguments: dict[str, Any] = dict(action.arguments)
        if action.is_removal:
            arguments["days"] = visit.site.server.settings(RemovalSettings).grace_days
        try:
            visit.carry_out(action.command, account=account, **arguments)
        except Refused as refused:
            return _question(visit, action, account, 409, problem=str(refused))
        return visit.go_on(_way(account), action.done, account=account)

    return act


for _name, _action in ACTIONS.items():
    page(f"{PERSON}/{_name}")(_ask(_action))
    form(f"{PERSON}/{_name}")(_act(_action))


# -- parts


def _way(account: str) -> str:
    return f"{PERSON}?account={quote(account)}"


def _add(
    visit: Visit, status: int = 200, *, name: str = "", chosen: str = "", problem: str = "", unequal: bool = False
) -> Response:
    domains = visit.domains
    return visit.show(
        "admin/add.html", status, name=name, chosen=chosen or domains[0], domains=domains, problem=problem,
        unequal=unequal,
    )  # fmt: skip


def _password(visit: Visit, account: str, status: int = 200, *, problem: str = "", unequal: bool = False) -> Response:
    return visit.show("admin/password.html", status, account=account, problem=problem, unequal=unequal)


def _device(visit: Visit, account: str, id: str, status: int = 200, *, problem: str = "") -> Response:
    return visit.show("admin/device.html", status, account=account, id=id, problem=problem)


def _question(visit: Visit, action: Action, account: str, status: int = 200, *, problem: str = "") -> Response:
    days = visit.site.server.settings(RemovalSettings).grace_days
    return visit.show("admin/question.html", status, action=action, account=account, days=days, problem=problem)
