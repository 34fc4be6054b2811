"""The form for a new account, and what becomes of it: the same rules and limits as for clients (XEP-0077).

Whether somebody may have an account is not asked here, but by whoever shows the form: register.py, where registration
is open to everybody.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from handlers.login import register, registration_form
from handlers.login.register import RegisterSettings
from handlers.login.registration_form import UnsuitableName
from handlers.login.sasl.passwords import Check
from web.http.messages import Request, Response, redirect
from web.pages import forms
from web.pages.public import open_domains, show
from web.pages.start import connecting
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID

if TYPE_CHECKING:
    from web.site import Site

DONE = "/register/done"
ACCOUNT = "account"  # the cookie that says which account was made, for the page that says what to do with it
ACCOUNT_SECONDS = 3_600
FIELDS = ("name", "password", "again")  # in the order in which they stand on the page
TRAP = "subject"  # nobody sees it, so only programs fill it in
BROWSERS = 1_000  # that are known by what they have made: long enough for a second click
WAIT_SECONDS = 3_600  # the half-life of what was counted against an address
NAMES = {
    "elsewhere": "register.name_elsewhere",
    "empty": "register.name_empty",
    "spaces": "register.name_spaces",
    "unseen": "register.name_unseen",
    "character": "register.name_character",
    "long": "register.name_long",
    "other": "register.name_other",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a field: a key of texts.toml with its values, and the status of the answer that says it."""

    text: str
    status: int = 400
    detail: str = ""


class Form(NamedTuple):
    """What somebody has filled in."""

    name: str = ""
    domain: str = ""
    password: str = ""
    again: str = ""


Problems = Mapping[str, Problem]


class Made:
    """Which account each of the browsers that were here last has made, by the token of its forms. A server has one."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[str, JID] = OrderedDict()

    def note(self, token: str, account: JID) -> None:
        """This browser has made an account."""
        self._accounts[token] = account
        if len(self._accounts) > BROWSERS:
            self._accounts.popitem(last=False)

    def has(self, token: str, account: JID) -> bool:
        """Whether it was this browser that has made this account."""
        return self._accounts.get(token) == account


def blank(site: "Site", request: Request) -> Response:
    """The page with an empty form, which is sent to where it stands."""
    domain, offered = site.domain_for(request.host), open_domains(site, request)
    return _page(site, request, Form(domain=domain if domain in offered else offered[0]), {})


def filled_in(site: "Site", request: Request) -> Response:
    """Make the account that a form asks for, and go on to DONE; else the page again, with what is wrong. Yields. Raises
    HTTPError."""
    fields = request.form()
    form = Form(*(fields.get(name, "") for name in Form._fields))
    if not forms.is_ours(site, request, fields):
        return _page(site, request, form, {"form": Problem("register.stale", 403)})
    if fields.get(TRAP):
        return _page(site, request, form, {"form": Problem("register.trapped")})
    account, problems = _review(site, request, form)
    if account is not None and not problems:
        problems = _made(site, request, account, form.password, fields[forms.TOKEN])
    if account is None or problems:
        return _page(site, request, form, problems)
    response = redirect(DONE)
    response.cookies = [forms.cookie(request, ACCOUNT, quote(account, safe="@"), ACCOUNT_SECONDS)]
    return response


def done(site: "Site", request: Request) -> Response:
    """What to do with the account that this browser has just made. It says so itself, and nobody else can."""
    account = _account_made(site, request)
    if account is None:
        return redirect("/")
    return show(site, request, "pages/registered.html", account=account, **connecting(site, account.domain))


def _page(site: "Site", request: Request, form: Form, problems: Problems) -> Response:
    """The form with what was filled in, but for the passwords."""
    token = forms.token(request)
    status = max((problem.status for problem in problems.values()), default=200)
    return show(
        site,
        request,
        "pages/register.html",
        status=status,
        headers={"Retry-After": str(WAIT_SECONDS)} if status == 429 else {},
        cookies=token.cookies,
        token=token.value,
        form=form,
        fields=FIELDS,
        problems=problems,
        first=next((field for field in FIELDS if field in problems), None),
        domains=open_domains(site, request),
        least=site.server.settings(RegisterSettings).min_password_length,
    )


def _review(site: "Site", request: Request, form: Form) -> tuple[JID | None, dict[str, Problem]]:
    """The account that a form is for, and what is wrong with it before anything is done."""
    problems = dict[str, Problem]()
    account = None
    if form.domain not in open_domains(site, request):
        return None, {"name": Problem("register.domain_unknown")}
    try:
        account = registration_form.account(form.name.strip(), form.domain)
    except UnsuitableName as error:
        problems["name"] = Problem(NAMES[error.reason], detail=error.detail)
    if (unsuitable := _password_problem(site, form.password)) is not None:
        problems["password"] = unsuitable
    elif form.password != form.again:
        problems["again"] = Problem("register.again_differs")
    return account, problems


def _password_problem(site: "Site", password: str) -> Problem | None:
    if not password:
        return Problem("register.password_empty")
    if len(password) < site.server.settings(RegisterSettings).min_password_length:
        return Problem("register.password_short")
    try:
        register.check_password(site.server, password)
    except ValueError:
        return Problem("register.password_unsuitable")
    return None


def _made(site: "Site", request: Request, account: JID, password: str, token: str) -> dict[str, Problem]:
    """Make the account; returns why not. Yields."""
    try:
        register.make(site.server, account, password, request.client)
    except StanzaError as error:
        if error.condition == "resource-constraint":
            return {"form": Problem("register.too_many", 429)}
        if error.condition != "conflict":
            return {"password": Problem("register.password_unsuitable")}
        # Of two clicks on the button, browsers show what the second is answered.
        if not site.server.state(Made).has(token, account) or not Check(site.server).is_right(account, password):
            return {"name": Problem("register.name_taken", 409)}
    site.server.state(Made).note(token, account)
    return {}


def _account_made(site: "Site", request: Request) -> JID | None:
    told = request.cookie(forms.cookie_name(request, ACCOUNT))
    try:
        account = JID.parse(unquote(told or "", errors="strict"))
    except (MalformedJID, UnicodeDecodeError):
        return None
    return account if account.local and account.is_bare and account.domain in site.server.domains else None
