"""Registration in the browser, where it is open to everybody ([register] open)."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from handlers.login import register
from web.http.messages import Request, Response
from web.pages import registration
from web.pages.public import open_domains, show
from web.pages.registration import Offer
from web.part import Part

if TYPE_CHECKING:
    from web.site import Site


@dataclass(frozen=True)
class RegistrationPageSettings:
    """A page on which people make accounts for themselves, where [register] is on and open; its limits hold there."""


DONE = "/register/done"

part = Part("registration_page", xep="0077", settings=RegistrationPageSettings, needs=["register", "pages"])


@part.get("/register")
def form(site: "Site", request: Request) -> Response:
    """The form for a new account."""
    return _refusal(site, request) or registration.blank(site, request, _offer(site, request))


@part.post("/register")
def account(site: "Site", request: Request) -> Response:
    """Make an account. Yields. Raises HTTPError."""
    refusal = _refusal(site, request)
    return refusal or registration.filled_in(site, request, _offer(site, request), request.form())


@part.get(DONE)
def done(site: "Site", request: Request) -> Response:
    """What comes next for whoever has made one."""
    return registration.done(site, request)


def _offer(site: "Site", request: Request) -> Offer:
    make = partial(register.make, site.server, peer=request.client)
    return Offer(open_domains(site, request), make, partial(show, site, request, "pages/register.html"), DONE)


def _refusal(site: "Site", request: Request) -> Response | None:
    """Why there is no form, if there is none."""
    if open_domains(site, request):
        return None
    return show(site, request, "pages/closed.html", status=403)
