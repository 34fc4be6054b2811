"""The page of a link with which somebody sets another password, who has forgotten the one of an account."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from db.invitations import RESET
from handlers.invitations import invitations, links
from handlers.invitations.invitations import UNKNOWN, Found
from handlers.login.register import RegisterSettings
from handlers.login.sasl.passwords import Check
from web.http.messages import Request, Response, redirect
from web.pages import forms
from web.pages.invitations import HEADERS, gone, looked_up
from web.pages.public import show
from web.pages.registration import Made, Problem, Problems, password_problems
from web.part import Part
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from web.site import Site

DONE = f"{links.RESET_PATH}done"
FIELDS = ("password", "again")

part = Part("reset_page", optional=False, needs=["invitation_pages"])


class Reset(Made):
    """Of which account each of the browsers that were here last has set the password, by the token of its forms. A
    server has one."""

    def of(self, token: str) -> JID | None:
        """The account, if there is one."""
        return self._accounts.get(token)


@part.get(f"{links.RESET_PATH}{{token}}")
def reset_page(site: "Site", request: Request, token: str) -> Response:
    """The form for another password. Yields."""
    found = looked_up(site, request, token, RESET)
    if found.problem or found.invitation is None or found.invitation.resets is None:
        return gone(site, request, "reset", found)
    return _page(site, request, found.invitation.resets, {})


@part.post(f"{links.RESET_PATH}{{token}}")
def set_password(site: "Site", request: Request, token: str) -> Response:
    """Set it, and go on to DONE; else the page again, with what is wrong. Yields. Raises HTTPError."""
    fields = request.form()
    if forms.is_ours(site, request, fields, is_unnamed=True):
        with site.server.state(Reset).turn(fields[forms.TOKEN]):
            return _set(site, request, token, fields)
    found = looked_up(site, request, token, RESET)
    if found.problem or found.invitation is None or found.invitation.resets is None:
        return gone(site, request, "reset", found)
    return _page(site, request, found.invitation.resets, {"form": Problem("register.stale", 403)})


@part.get(DONE)
def done(site: "Site", request: Request) -> Response:
    """What comes next."""
    return show(site, request, "pages/reset_done.html", headers=HEADERS)


def _set(site: "Site", request: Request, token: str, fields: Mapping[str, str]) -> Response:
    password, found = fields.get("password", ""), looked_up(site, request, token, RESET)
    if found.problem or found.invitation is None or found.invitation.resets is None:
        return _set_before(site, fields[forms.TOKEN], password) or gone(site, request, "reset", found)
    account = found.invitation.resets
    if problems := password_problems(site, password, fields.get("again", "")):
        return _page(site, request, account, problems)
    try:
        invitations.set_password(site.server, token, password)
    except StanzaError:
        return gone(site, request, "reset", Found(None, UNKNOWN))
    site.server.state(Reset).note(fields[forms.TOKEN], account)
    return redirect(DONE)


def _set_before(site: "Site", token: str, password: str) -> Response | None:
    """What follows, if this browser has sent this before (registration.made_before)."""
    account = site.server.state(Reset).of(token)
    return redirect(DONE) if account is not None and Check(site.server).is_right(account, password) else None


def _page(site: "Site", request: Request, account: JID, problems: Problems) -> Response:
    token = forms.token(request)
    return show(
        site,
        request,
        "pages/reset.html",
        status=max((problem.status for problem in problems.values()), default=200),
        headers=HEADERS,
        cookies=token.cookies,
        domain=account.domain,
        token=token.value,
        account=account,
        fields=FIELDS,
        problems=problems,
        first=next((field for field in FIELDS if field in problems), None),
        least=site.server.settings(RegisterSettings).min_password_length,
    )
