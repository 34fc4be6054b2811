"""What pages for everybody have around them: the ways to the other pages, as far as there are these."""

from typing import TYPE_CHECKING, NamedTuple

from handlers.discovery.disco_info import ROLES, DiscoSettings
from handlers.login import register
from web.http.messages import Request, Response
from web.pages.own_texts import PAGES, own_texts
from web.pages.rendering import render

if TYPE_CHECKING:
    from web.site import Site
    from xmpp.server import Server

CHAT = "/chat"
REGISTRATION_PAGE = "registration_page"  # the name of that part, which needs this one
SHOWN_WITHOUT_SCHEME = ("mailto", "xmpp", "tel")
LINKED = ("https", "http", *SHOWN_WITHOUT_SCHEME)


class Contact(NamedTuple):
    """One address of somebody who runs the server. `link` is empty if it is of a kind that browsers had better not
    follow."""

    kind: str
    link: str
    shown: str


def show(
    site: "Site",
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    cookies: list[str] | None = None,
    domain: str = "",
    **values: object,
) -> Response:
    """A page whose template extends "pages/public.html", about a domain; as usual the one that was asked for."""
    server, domain = site.server, domain or site.domain_for(request.host)
    around = {
        "chat": CHAT if has_chat(site) else None,
        "is_open": bool(open_domains(site, request)),
        "contacts": contacts(server, domain),
        "own_pages": [name for name in PAGES if name in own_texts(server, domain)],
    }
    shown = {**around, **values}
    return render(
        site, request, template, status=status, headers=headers, cookies=cookies or (), domain=domain, **shown
    )


def has_chat(site: "Site") -> bool:
    """Whether there is a client for the browser."""
    return any(route.path == CHAT for part in site.parts for route in part.routes)


def open_domains(site: "Site", request: Request) -> list[str]:
    """The domains at which strangers may make accounts for themselves, and here: none at the host name of one where
    they may not."""
    found = [domain for domain in site.server.domains if register.is_open(site.server, domain)]
    is_open = site.domain_named(request.host) in (None, *found)
    return found if site.has(REGISTRATION_PAGE) and is_open else []


def contacts(server: "Server", domain: str) -> dict[str, list[Contact]]:
    """Whom to contact at a domain, by the role (XEP-0157)."""
    settings = server.settings_at(domain, DiscoSettings)
    return {role: list(map(_contact, addresses)) for role in ROLES if (addresses := getattr(settings, role))}


def _contact(address: str) -> Contact:
    scheme, _, rest = address.partition(":")
    kind = scheme.lower()
    return Contact(kind, address if kind in LINKED else "", rest if kind in SHOWN_WITHOUT_SCHEME else address)
