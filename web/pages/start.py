"""The start page, whom to contact, and the texts of whoever runs the server."""

import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from handlers.login import register
from web.http.messages import HTTPError, Request, Response
from web.pages.own_texts import PagesSettings, own_texts
from web.pages.public import REGISTRATION_PAGE, show
from web.pages.qr import Codes
from web.part import Part

if TYPE_CHECKING:
    from web.site import Site

HERE = "localhost"  # no phone finds a server by this name, and no app its port

part = Part("pages", settings=PagesSettings)


class Start:
    """The apps that start pages name. A server has one."""

    def __init__(self) -> None:
        text = resources.files("web").joinpath("pages", "apps.toml").read_text(encoding="utf-8")
        self.systems: list[dict[str, Any]] = tomllib.loads(text)["system"]


@part.at_start
def read_texts(site: "Site") -> None:
    """Whoever starts the server is told at once of a text that cannot be read."""
    for domain in site.server.domains:
        own_texts(site.server, domain)


def start(site: "Site", request: Request) -> Response:
    """What this server is, and how to connect."""
    domain = site.domain_for(request.host)
    uri = f"xmpp:{quote(domain)}" + ("?register" if _is_open(site, domain) else "")  # XEP-0077 section 7
    return show(
        site,
        request,
        "pages/start.html",
        uri=uri,
        code="" if domain == HERE else site.server.state(Codes).of(uri),
        about=own_texts(site.server, domain).get("about"),
        language=site.server.settings_at(domain, PagesSettings).language,
        **connecting(site, domain),
    )


@part.get("/contact")
def contact(site: "Site", request: Request) -> Response:
    """Whom to contact about what."""
    return show(site, request, "pages/contact.html")


@part.get("/terms")
def terms(site: "Site", request: Request) -> Response:
    """The terms of use."""
    return _own_text(site, request, "terms")


@part.get("/privacy")
def privacy(site: "Site", request: Request) -> Response:
    """What becomes of people's data."""
    return _own_text(site, request, "privacy")


@part.get("/imprint")
def imprint(site: "Site", request: Request) -> Response:
    """Who is responsible."""
    return _own_text(site, request, "imprint")


def connecting(site: "Site", domain: str) -> dict[str, Any]:
    """What the part of a page needs that says how to connect: the apps, and for a server that nobody finds by its name
    the port that they have to be told."""
    port = site.listener.ports.get("STARTTLS") if domain == HERE else None
    return {"systems": site.server.state(Start).systems, "port": port}


def _is_open(site: "Site", domain: str) -> bool:
    return site.has(REGISTRATION_PAGE) and register.is_open(site.server, domain)


def _own_text(site: "Site", request: Request, name: str) -> Response:
    domain = site.domain_for(request.host)
    text = own_texts(site.server, domain).get(name)
    if text is None:
        raise HTTPError(404)
    language = site.server.settings_at(domain, PagesSettings).language
    return show(site, request, "pages/own_text.html", name=name, blocks=text, language=language)
