"""The page of the client for browsers, Converse.js, and its files.

Nothing of it calls out to anybody else, and its content security policy sees to that. What the client has to know of
this server stands in the page as data, which a small script of ours hands over: there is no other code in the page.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from handlers.login import register
from handlers.login.sasl import guests
from handlers.rooms import SUBDOMAIN as ROOMS
from web.http.messages import HTTPError, Request, Response
from web.pages.rendering import render
from web.part import Part
from web.static import StaticFiles

if TYPE_CHECKING:
    from web.site import Site

PATH = "/chat"
GUEST_PATH = "/guest"
STARTER = "starter.js"
# Pictures, sounds and films that people send are where their servers keep them. Files of ours are fetched, to be shown
# and to be decrypted.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' {base} https: data: blob:; media-src 'self' {base} https: data: blob:; "
    "connect-src 'self' {socket} {base}; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)
# What Converse would ask others for: lists of other servers, pictures for emoji, previews.
NOBODY_ELSE = {
    "autocomplete_providers_url": "",
    "xmpp_providers_url": "",
    "providers_link": "",
    "emoji_image_path": "",
    "embed_3rd_party_media_players": False,
    "fetch_url_headers": False,
    "discover_connection_methods": False,
    "push_app_servers": [],
}
ENTRANCES = {"websocket": "/xmpp-websocket", "bosh": "/http-bind"}  # where each of these parts is

GUEST = {
    "authentication": "anonymous",
    "auto_login": True,
    "muc_nickname_from_jid": False,  # nobody could read it
    "auto_register_muc_nickname": False,  # guests are members of nothing
}

part = Part("web_client")


class Client:
    """The files of the client. A server has one."""

    def __init__(self) -> None:
        here = resources.files("web").joinpath("client")
        manifest = tomllib.loads(here.joinpath("converse", "manifest.toml").read_text(encoding="utf-8"))
        starter = hashlib.sha256(here.joinpath(STARTER).read_bytes()).hexdigest()
        self.folder = f"converse.js-{manifest['version']}"
        self.starter = f"starter-{starter[:16]}.js"
        self.files = StaticFiles(here.joinpath("converse", "files"), manifest["files"])
        self.own = StaticFiles(here, {STARTER: starter})


@part.get(PATH)
def page(site: "Site", request: Request) -> Response:
    """The client, for whoever has an account here."""
    return client_page(site, request)


@part.get(GUEST_PATH)
def guest_page(site: "Site", request: Request) -> Response:
    """The client, for whoever comes as a guest (XEP-0175)."""
    domain = site.domain_for(request.host)
    if not guests.are_welcome(site.server, domain):
        raise HTTPError(404)
    return client_page(site, request, {"jid": domain, **GUEST})


@part.get(f"{PATH}/{{folder}}/{{path...}}")
def file(site: "Site", request: Request, folder: str, path: tuple[str, ...]) -> Response:
    """A file of the client, in the folder of its version."""
    client = site.server.state(Client)
    if folder != client.folder:
        raise HTTPError(404)
    return client.files.response(request, "/".join(path))


@part.get(f"{PATH}/{{name}}")
def starter(site: "Site", request: Request, name: str) -> Response:
    """What starts the client."""
    client = site.server.state(Client)
    if name != client.starter:
        raise HTTPError(404)
    return client.own.response(request, STARTER)


def client_page(
    site: "Site", request: Request, more: Mapping[str, Any] | None = None, *, ancestors: str = "'none'"
) -> Response:
    """The client with the settings of this server, and `more`. `ancestors`: the sites that may show it in a frame."""
    client = site.server.state(Client)
    domain, host = site.domain_for(request.host), request.headers.get("host")
    root = site.root(request.host)
    folder = f"{root}{PATH}/{client.folder}"
    policy = POLICY.format(socket=f"ws://{host} wss://{host}", base=site.origin(domain), ancestors=ancestors)
    return render(
        site,
        request,
        "client/chat.html",
        headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"},
        folder=folder,
        starter=f"{root}{PATH}/{client.starter}",
        settings=json.dumps({**_settings(site, domain, folder), **(more or {})}),
        has_pages=site.has("pages"),
        guest=GUEST_PATH if guests.are_welcome(site.server, domain) else None,
        paths=json.dumps({name: root + path for name, path in ENTRANCES.items() if site.has(name)}),
    )


def _settings(site: "Site", domain: str, folder: str) -> dict[str, Any]:
    """What Converse has to know, by the names of its own settings."""
    server = site.server
    rooms = server.subdomains.address(ROOMS, domain)  # none where that is off
    has_registration = any(feature.name == "register" for feature in server.registry.features)
    return {
        "assets_path": folder,
        "sounds_path": f"{folder}/sounds/",
        "notification_icon": f"{folder}/images/logo/conversejs-filled.svg",
        "view_mode": "fullscreen",
        "authentication": "login",
        "default_domain": domain,
        "allow_registration": has_registration and register.is_open(server, domain),
        "registration_domain": domain,
        "domain_placeholder": domain,
        "muc_domain": rooms,
        "muc_search_service": rooms or "",  # without one, there is no field for a room's name (14.0.0)
        "muc_nickname_from_jid": True,
        "muc_subscribe_to_rai": True,
        "message_archiving": "always",
        **NOBODY_ELSE,
    }
