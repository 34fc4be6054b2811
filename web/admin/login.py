"""Logging in on the administration page, and out."""

from handlers.admin import comings_and_goings
from handlers.admin.roles import is_administrator
from handlers.login import by_password
from web.admin import logins
from web.admin.area import HEADERS, LOGIN, ROOT, Fields, Visit, form, page, part
from web.http.messages import Request, Response, redirect
from web.pages import forms
from web.pages.rendering import render
from web.site import Site
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID, MalformedJID

HOW = "the administration page"
LONGEST = 1_023  # characters of a password


@part.get(LOGIN)
def blank(site: Site, request: Request) -> Response:
    """The form; whoever is logged in goes on."""
    if logins.current(site, request) is not None:
        return redirect(ROOT)
    return _form(site, request)


@part.post(LOGIN)
def log_in(site: Site, request: Request) -> Response:
    """Check a password as logins of clients are checked, with the same delays. Yields. Raises HTTPError."""
    fields = request.form()
    name, password = fields.get("account", "").strip(), fields.get("password", "")
    if not forms.is_ours(site, request, fields):
        return _form(site, request, name, "login.stale", 403)
    account = _account(site, request, name)
    if account is None or not password or len(password) > LONGEST:
        return _form(site, request, name, "login.wrong", 403)
    try:
        check = by_password.check(site.server, request.client, account, password, HOW)
    except SASLFailure as failure:
        is_disabled = failure.condition == "account-disabled"
        return _form(site, request, name, "login.disabled" if is_disabled else "login.wrong", 403)
    if not is_administrator(site.server, account):
        comings_and_goings.note_failure(site.server, request.client, account, "no administrator", HOW)
        return _form(site, request, name, "login.no_role", 403)
    comings_and_goings.note_login(site.server, request.client, account, HOW)
    response = redirect(ROOT)
    response.cookies = [logins.begin(site, request, account, check)]
    return response


@page("/admin/logout")
def ask_to_log_out(visit: Visit) -> Response:
    """A page that asks, since following a link changes nothing."""
    return visit.show("admin/logout.html")


@form("/admin/logout")
def log_out(visit: Visit, fields: Fields) -> Response:
    """Log out."""
    response = redirect(LOGIN)
    response.cookies = [logins.end(visit.site, visit.request)]
    return response


def _form(site: Site, request: Request, name: str = "", problem: str = "", status: int = 200) -> Response:
    token = forms.token(request)
    return render(
        site, request, "admin/login.html", status=status, headers=HEADERS, cookies=token.cookies,
        token=token.value, name=name, problem=problem,
    )  # fmt: skip


def _account(site: Site, request: Request, name: str) -> JID | None:
    """The account of ours that somebody means, who may leave out the domain."""
    try:
        account = JID.parse(name) if "@" in name else JID.of(name, site.domain_for(request.host))
    except MalformedJID:
        return None
    is_account = bool(account.local) and account.is_bare and site.server.ownership.is_ours(account)
    return account if is_account else None
