"""What a demo shows in a browser: two people side by side, each logged in. Only a demo has this part.

The address of the page has a token, so that no other page of the browser can make use of the passwords.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from web.client.page import client_page
from web.http.messages import HTTPError, Request, Response
from web.pages.rendering import render
from web.part import Part
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from web.site import Site

TOKEN_BYTES = 16
POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)
LOCALHOST = "localhost"
# Two clients of one site: what each keeps it keeps under the address of its account, but not in a database, which both
# would want to make at the same moment.
APART = {"persistent_store": "sessionStorage", "muc_nickname_from_jid": True}

part = Part("demo", optional=False, needs=["web_client"])


@dataclass
class Stage:
    """Who is shown: passwords by account, and the room that all enter, if there is one."""

    passwords: Mapping[JID, str] = field(default_factory=dict)
    room: JID | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))


def address(site: "Site") -> str:
    """Where a browser on this machine finds the page."""
    return f"http://{LOCALHOST}:{site.listener.ports['HTTP']}/demo/{site.server.state(Stage).token}"


@part.get("/demo/{token}")
def stage(site: "Site", request: Request, token: str) -> Response:
    """The two people side by side."""
    shown = _shown(site, request, token)
    frames = [(account, f"/demo/{token}/{account.local}") for account in shown.passwords]
    return render(site, request, "demo/demo.html", headers={"Content-Security-Policy": POLICY}, frames=frames)


@part.get("/demo/{token}/{name}")
def frame(site: "Site", request: Request, token: str, name: str) -> Response:
    """The client, logged in as one of them."""
    shown = _shown(site, request, token)
    for account, password in shown.passwords.items():
        if account.local == name:
            login = {"jid": account, "password": password, "auto_login": True, "allow_logout": False, **APART}
            rooms = {"auto_join_rooms": [shown.room]} if shown.room else {}
            return client_page(site, request, {**login, **rooms}, ancestors="'self'")
    raise HTTPError(404)


def _shown(site: "Site", request: Request, token: str) -> Stage:
    """Raises HTTPError 404 unless a browser on this machine asks, with the token."""
    shown = site.server.state(Stage)
    if not request.is_here or not secrets.compare_digest(token.encode(), shown.token.encode()):
        raise HTTPError(404)
    return shown

