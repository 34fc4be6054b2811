"""The form for a new account, and what becomes of it: the same rules and limits as for clients (XEP-0077).

Whether somebody may have an account is not asked here, but by whoever shows the form: register.py, where registration
is open to everybody, and invitations.py.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote
from weakref import WeakValueDictionary

from gevent.lock import BoundedSemaphore

from handlers.login import register, registration_form
from handlers.login.register import RegisterSettings
from handlers.login.registration_form import UnsuitableName
from handlers.login.sasl.passwords import Check
from web.http.messages import Request, Response, redirect
from web.pages import forms
from web.pages.public import show
from web.pages.start import connecting
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID

if TYPE_CHECKING:
    from web.site import Site

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


class Offer(NamedTuple):
    """What account somebody may have, and how it is made: one at these domains, or none but `reserved`.

    `make(account, password)` yields, and raises StanzaError. `show(status=..., **values)` makes the page that the form
    stands on, and `done` is the path of the one that follows. `contact` is whom the newcomer has as a contact then.
    `is_unnamed`: as for forms.is_ours.
    """

    domains: Sequence[str]
    make: Callable[[JID, str], None]
    show: Callable[..., Response]
    done: str
    reserved: JID | None = None
    contact: JID | None = None
    is_unnamed: bool = False


Problems = Mapping[str, Problem]


class Made:
    """Which account each of the browsers that were here last has made, by the token of its forms. A server has one."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[str, JID] = OrderedDict()
        self._turns: WeakValueDictionary[str, BoundedSemaphore] = WeakValueDictionary()

    def turn(self, token: str) -> BoundedSemaphore:
        """For the clicks of a browser, of which each waits for what became of the one before."""
        return self._turns.setdefault(token, BoundedSemaphore())

    def note(self, token: str, account: JID) -> None:
        """This browser has made an account."""
        self._accounts[token] = account
        if len(self._accounts) > BROWSERS:
            self._accounts.popitem(last=False)

    def has(self, token: str, account: JID) -> bool:
        """Whether it was this browser that has made this account."""
        return self._accounts.get(token) == account


def blank(site: "Site", request: Request, offer: Offer) -> Response:
    """The page with an empty form, which is sent to where it stands."""
    domain, name = site.domain_for(request.host), ""
    if offer.reserved is not None:
        name = offer.reserved.local or ""
    return _page(site, request, offer, Form(name, domain if domain in offer.domains else offer.domains[0]), {})


def filled_in(site: "Site", request: Request, offer: Offer, fields: Mapping[str, str]) -> Response:
    """Make the account that a form asks for, and go on to what follows; else the page again, with what is wrong.
    Yields."""
    form = Form(*(fields.get(name, "") for name in Form._fields))
    if not forms.is_ours(site, request, fields, is_unnamed=offer.is_unnamed):
        return _page(site, request, offer, form, {"form": Problem("register.stale", 403)})
    if fields.get(TRAP):
        return _page(site, request, offer, form, {"form": Problem("register.trapped")})
    account, problems = _review(site, offer, form)
    if account is not None and not problems:
        problems = _made(site, offer, account, form.password, fields[forms.TOKEN])
    if account is None or problems:
        return _page(site, request, offer, form, problems)
    return _go_on(request, offer, account)


def made_before(site: "Site", request: Request, offer: Offer, fields: Mapping[str, str]) -> Response | None:
    """What follows, if this form was sent before by this browser and the account was made: of two clicks on a button,
    browsers show what the second is answered. None if it was not."""
    form = Form(*(fields.get(name, "") for name in Form._fields))
    if not forms.is_ours(site, request, fields, is_unnamed=offer.is_unnamed):
        return None
    account, problems = _review(site, offer, form)
    if account is None or problems:
        return None
    with site.server.state(Made).turn(fields[forms.TOKEN]):
        is_made = _is_made(site, account, form.password, fields[forms.TOKEN])
    return _go_on(request, offer, account) if is_made else None


def done(site: "Site", request: Request) -> Response:
    """What to do with the account that this browser has just made. It says so itself, and nobody else can."""
    account, contact = _account_made(site, request)
    if account is None:
        return redirect("/")
    around = connecting(site, account.domain)
    return show(
        site, request, "pages/registered.html", domain=account.domain, account=account, contact=contact, **around
    )


def _page(site: "Site", request: Request, offer: Offer, form: Form, problems: Problems) -> Response:
    """The form with what was filled in, but for the passwords."""
    token = forms.token(request)
    status = max((problem.status for problem in problems.values()), default=200)
    return offer.show(
        status=status,
        headers={"Retry-After": str(WAIT_SECONDS)} if status == 429 else {},
        cookies=token.cookies,
        token=token.value,
        form=form,
        fields=FIELDS,
        problems=problems,
        first=next((field for field in FIELDS if field in problems), None),
        domains=offer.domains,
        reserved=offer.reserved,
        least=site.server.settings(RegisterSettings).min_password_length,
    )


def _go_on(request: Request, offer: Offer, account: JID) -> Response:
    told = quote(" ".join(filter(None, (account, offer.contact))), safe="@")
    response = redirect(offer.done)
    response.cookies = [forms.cookie(request, ACCOUNT, told, ACCOUNT_SECONDS)]
    return response


def _review(site: "Site", offer: Offer, form: Form) -> tuple[JID | None, dict[str, Problem]]:
    """The account that a form is for, and what is wrong with it before anything is done."""
    problems = dict[str, Problem]()
    account = None
    if form.domain not in offer.domains:
        return None, {"name": Problem("register.domain_unknown")}
    try:
        account = registration_form.account(form.name.strip(), form.domain)
    except UnsuitableName as error:
        problems["name"] = Problem(NAMES[error.reason], detail=error.detail)
    if account is not None and offer.reserved not in (None, account):
        problems["name"] = Problem("register.name_given", detail=str(offer.reserved))
    return account, problems | password_problems(site, form.password, form.again)


def password_problems(site: "Site", password: str, again: str) -> dict[str, Problem]:
    """What is wrong with a password that somebody has chosen, by field."""
    if (unsuitable := _password_problem(site, password)) is not None:
        return {"password": unsuitable}
    return {} if password == again else {"again": Problem("register.again_differs")}


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


def _made(site: "Site", offer: Offer, account: JID, password: str, token: str) -> dict[str, Problem]:
    """Make the account; returns why not. Yields."""
    made = site.server.state(Made)
    try:
        with made.turn(token):
            if not _is_made(site, account, password, token):
                offer.make(account, password)
                made.note(token, account)
    except StanzaError as error:
        if error.condition == "resource-constraint":
            return {"form": Problem("register.too_many", 429)}
        if error.condition == "not-allowed":
            return {"form": Problem("register.used_meanwhile", 410)}
        if error.condition == "conflict":
            return {"name": Problem("register.name_taken", 409)}
        return {"password": Problem("register.password_unsuitable")}
    return {}


def _is_made(site: "Site", account: JID, password: str, token: str) -> bool:
    """True if this browser has made this account, with this password."""
    return site.server.state(Made).has(token, account) and Check(site.server).is_right(account, password)


def _account_made(site: "Site", request: Request) -> tuple[JID | None, JID | None]:
    """The account, and whom it has as a contact, as the browser says."""
    told = request.cookie(forms.cookie_name(request, ACCOUNT))
    try:
        account, *contacts = map(JID.parse, unquote(told or "", errors="strict").split(" "))
    except (MalformedJID, UnicodeDecodeError):
        return None, None
    is_account = account.local and account.is_bare and account.domain in site.server.domains
    return (account, contacts[0] if contacts else None) if is_account else (None, None)
