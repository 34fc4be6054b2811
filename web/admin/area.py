"""The part of the HTTP side that is for administrators, and its guard: nothing beneath /admin is answered to anybody
else, whether it is there or not (docs/security.md row 40).

A page is a function of a Visit, declared with `@page("/admin/...")`, or of a Visit and the fields of a form, declared
with `@form("/admin/...")`: no form reaches its function without the token that our own page has put into it (row 41).
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.admin import administration, roles
from handlers.invitations import feature as invitations_feature
from web.admin import logins, shown
from web.admin.logins import AdminPageSettings, Login
from web.http.messages import Answer, HTTPError, Request, Response, redirect
from web.pages import forms
from web.pages.rendering import render
from web.part import Part
from web.site import Site
from xmpp.stream.tls.certificates import a_labels

ROOT = "/admin"
LOGIN = "/admin/login"
READING = ("GET", "HEAD")
FILES = "files"  # the part without which there is nothing to be seen of them
HEADERS = {"X-Robots-Tag": "noindex, nofollow"}

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Visit:
    """A request of an administrator who is logged in."""

    site: Site
    request: Request
    login: Login

    def carry_out(self, command: str, **arguments: Any) -> Any:
        """Carry out a command of handlers/admin/administration.py in the administrator's name. Yields. Raises
        Refused."""
        return administration.carry_out(self.site.server, command, by=self.login.account, **arguments)

    @property
    def domain(self) -> str:
        """The only domain of which it is an administrator; "" for all."""
        found = roles.reach(self.site.server, self.login.account)
        return self.login.account.domain if found is None else found  # None: it has just lost its role

    @property
    def domains(self) -> Sequence[str]:
        """The domains of which it is an administrator."""
        return [domain for domain in self.site.server.domains if self.domain in ("", domain)]

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page whose template extends "admin/admin.html"."""
        said, self.login.said = self.login.said, None
        own: dict[str, Any] = {"who": self.login.account, "token": self.login.token, "said": said, "shown": shown}
        own["has_files"], own["at"] = self.site.has(FILES), self.domain
        own["has_invitations"] = invitations_feature in self.site.server.registry.features
        return render(self.site, self.request, template, status=status, headers=HEADERS, **own, **values)

    def refuse(self, status: int, refused: object) -> Response:
        """A page that says why there is none."""
        return self.show("admin/refused.html", status, problem=str(refused))

    def go_on(self, to: str, said: str, **values: object) -> Response:
        """Go on to another page, which tells what was done: a key of texts.toml, with its values."""
        self.login.said = said, values
        return redirect(to)

    def asked(self, name: str, default: str = "") -> str:
        """What stands in the address of the page under this name."""
        return self.request.query.get(name, default)


def guard(site: Site, request: Request) -> Answer | None:
    """Let administrators pass, and everybody to the form with which they log in. Raises HTTPError."""
    if not request.is_secure:
        raise HTTPError(403)
    if _is_of_a_service(site, request.host):
        raise HTTPError(421)
    if request.path == LOGIN and request.method in (*READING, "POST"):
        return None
    if logins.current(site, request) is None:
        if request.method in READING:
            return redirect(LOGIN)
        raise HTTPError(403)
    if request.method not in READING and not forms.is_from_here(site, request):
        raise HTTPError(403)
    request.trust()
    return None


part = Part("admin", settings=AdminPageSettings, needs=["stylesheet"], guarded=[ROOT], guard=guard)


def page(path: str) -> Callable[[Callable[[Visit], Response]], Callable[[Visit], Response]]:
    """Declare f(visit), which answers GET."""

    def declare(respond: Callable[[Visit], Response]) -> Callable[[Visit], Response]:
        @part.get(path)
        def answer(site: Site, request: Request) -> Response:
            return respond(_visit(site, request))

        return respond

    return declare


def form(path: str) -> Callable[[Callable[[Visit, Fields], Response]], Callable[[Visit, Fields], Response]]:
    """Declare f(visit, fields), which answers a form that was sent by POST, from a page of ours."""

    def declare(respond: Callable[[Visit, Fields], Response]) -> Callable[[Visit, Fields], Response]:
        @part.post(path)
        def answer(site: Site, request: Request) -> Response:
            fields = request.form()
            visit = _visit(site, request)  # after the form has come, which may take a while
            if not hmac.compare_digest(visit.login.token.encode(), fields.get("token", "").encode("utf-8", "replace")):
                raise HTTPError(403)
            return respond(visit, fields)

        return respond

    return declare


def _visit(site: Site, request: Request) -> Visit:
    login = logins.current(site, request)
    if login is None:
        raise HTTPError(403)
    return Visit(site, request, login)


def _is_of_a_service(site: Site, host: str) -> bool:
    """True for a host where people's files may be: its pages and cookies are to be another's."""
    own = {*map(site.own_host, site.server.domains)}
    return host not in own and host in {*a_labels(site.server.subdomains.by_address)}
