"""The page of an invitation (XEP-0379, XEP-0401): who invites, how to come with an app, and a form for a new account.

To look at it changes nothing, since whatever previews links does so too. Its address is a secret, so nothing that the
page leads to is told of it.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent

from db import groups as group_records
from db.invitations import ACCOUNT, CONTACT, Invitation
from handlers.groups import is_full
from handlers.invitations import invitations, links
from handlers.invitations.invitations import UNKNOWN, Found
from handlers.login.sasl.settings import SASLSettings
from handlers.login.throttle import LoginThrottle
from web.http.messages import Request, Response
from web.pages import registration
from web.pages.public import show
from web.pages.qr import Codes
from web.pages.registration import Offer
from web.pages.start import HERE, connecting
from web.part import Part

if TYPE_CHECKING:
    from web.site import Site

DONE = f"{links.INVITATION_PATH}done"
HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


@dataclass(frozen=True)
class InvitationPagesSettings:
    """Pages on which people who were invited make an account, or set another password, where [invitations] are on."""


part = Part("invitation_pages", xep="0401", settings=InvitationPagesSettings, needs=["invitations", "pages"])


@part.get(f"{links.INVITATION_PATH}{{token}}")
def invitation_page(site: "Site", request: Request, token: str) -> Response:
    """What somebody is invited to. Yields."""
    invitation, problem = looked_up(site, request, token, ACCOUNT, CONTACT)
    if invitation is None or problem:
        return gone(site, request, "invitation", Found(invitation, problem))
    if not invitations.lets_register(site.server, invitation):
        return _page(site, request, invitation, token, False)
    return registration.blank(site, request, _offer(site, request, invitation, token))


@part.post(f"{links.INVITATION_PATH}{{token}}")
def account(site: "Site", request: Request, token: str) -> Response:
    """Make the account. Yields. Raises HTTPError."""
    fields = request.form()
    invitation, problem = looked_up(site, request, token, ACCOUNT, CONTACT)
    if invitation is None or not invitations.lets_register(site.server, invitation):
        return gone(site, request, "invitation", Found(None, UNKNOWN))
    offer = _offer(site, request, invitation, token)
    if problem:
        before = registration.made_before(site, request, offer, fields)
        return before or gone(site, request, "invitation", Found(invitation, problem))
    return registration.filled_in(site, request, offer, fields)


@part.get(DONE)
def done(site: "Site", request: Request) -> Response:
    """What comes next for whoever has made one."""
    return registration.done(site, request)


def looked_up(site: "Site", request: Request, token: str, *kinds: str) -> Found:
    """What a token stands for, if it is one of these kinds. Yields for as long as failures before it cause, as for
    clients (handlers/invitations/preauth.py)."""
    throttle, now = site.server.state(LoginThrottle), time.monotonic()
    found = invitations.look_up(site.server, token)
    if found.invitation is None or found.invitation.kind not in kinds:
        found = Found(None, UNKNOWN)
    delay = throttle.delay(request.client, None, now)
    if found.problem == UNKNOWN:
        throttle.failed(request.client, None, now)
    gevent.sleep(min(delay, site.server.settings(SASLSettings).max_delay_seconds))
    return found


def gone(site: "Site", request: Request, what: str, found: Found) -> Response:
    """A page that says why a link is good for nothing; `what` it was: "invitation" or "reset"."""
    status = 404 if found.problem == UNKNOWN else 410
    return show(
        site, request, "pages/gone.html", status=status, headers=HEADERS, what=what, problem=found.problem
    )


def _offer(site: "Site", request: Request, invitation: Invitation, token: str) -> Offer:
    return Offer(
        domains=(invitation.domain,),
        make=partial(invitations.make_account, site.server, invitation.id, peer=request.client),
        show=partial(_page, site, request, invitation, token, True),
        done=DONE,
        reserved=invitation.reserved,
        contact=invitation.inviter if invitation.is_contact else None,
        is_unnamed=True,
    )


def _page(
    site: "Site",
    request: Request,
    invitation: Invitation,
    token: str,
    may_register: bool,
    /,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    cookies: list[str] | None = None,
    **form: Any,
) -> Response:
    """The page; `form` is what the form for a new account needs, where there is one. Yields."""
    server, domain = site.server, invitation.domain
    uri = links.uri(invitation, token, may_register=may_register)
    group = group_records.get(server.db, invitation.group) if invitation.group is not None else None
    return show(
        site,
        request,
        "pages/invitation.html",
        status=status,
        headers={**(headers or {}), **HEADERS},
        cookies=cookies,
        domain=domain,
        inviter=invitation.inviter,
        is_contact=invitation.is_contact,
        is_for_contact=invitation.kind == CONTACT,
        group=group.name if group is not None else "",
        is_full=group is not None and is_full(server, group.id),
        until=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(invitation.expires)),
        uri=uri,
        code=server.state(Codes).of(uri if domain != HERE else ""),
        may_register=may_register,
        **connecting(site, domain),
        **form,
    )
