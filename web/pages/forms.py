"""Forms of people who are not logged in: what is sent comes from a page of ours, and not from one of another site that
has a browser send it (docs/security.md row 41).

A form has a token in it, which its browser also has as a cookie: another site can neither read nor set that.
"""

import hmac
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from web.http.messages import Request

if TYPE_CHECKING:
    from web.site import Site

TOKEN = "token"
TOKEN_BYTES = 16
SECONDS = 86_400  # how long a form may be left open


class Token(NamedTuple):
    """What a form has to have in a field named TOKEN, and the cookies to be set with its page."""

    value: str
    cookies: list[str]


def token(request: Request) -> Token:
    """The token of this browser, so that several pages may be open; a new one if it has none."""
    known = request.cookie(cookie_name(request, TOKEN))
    value = known if known and len(known) == 2 * TOKEN_BYTES else secrets.token_hex(TOKEN_BYTES)
    return Token(value, [cookie(request, TOKEN, value, SECONDS)])


def is_ours(site: "Site", request: Request, fields: Mapping[str, str], *, is_unnamed: bool = False) -> bool:
    """Whether this form comes from a page that this browser got here. `is_unnamed`: from a page of which nobody is to
    be told (Referrer-Policy: no-referrer), whose origin is "null" to browsers (Fetch, section 3.2)."""
    known, given = request.cookie(cookie_name(request, TOKEN)), fields.get(TOKEN, "")
    is_here = is_from_here(site, request) or (is_unnamed and _is_unnamed(request))
    return is_here and bool(known) and hmac.compare_digest(_bytes(known), _bytes(given))


def is_from_here(site: "Site", request: Request) -> bool:
    """False if the browser says that a page of another site sends this. Old browsers say nothing."""
    told = request.headers.get("sec-fetch-site")
    if told is not None:
        return told in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    return origin in map(site.origin, site.server.domains) or urlsplit(origin).netloc == request.headers.get("host")


def _is_unnamed(request: Request) -> bool:
    """True for browsers that say nothing but that: with newer ones, Sec-Fetch-Site counts."""
    return request.headers.get("sec-fetch-site") is None and request.headers.get("origin") == "null"


def cookie(request: Request, name: str, value: str, seconds: int) -> str:
    """A cookie that no script sees, and that comes back only with requests from our own pages."""
    secure = "" if _is_plain(request) else "; Secure"
    return f"{cookie_name(request, name)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def cookie_name(request: Request, name: str) -> str:
    """The name that a cookie has with browsers. With __Host- they take it from this very host alone, over TLS."""
    return f"xserv-{name}" if _is_plain(request) else f"__Host-xserv-{name}"


def _is_plain(request: Request) -> bool:
    """Whether a browser on this machine asks without TLS; not all of them would send such a cookie back."""
    return request.transport.tls is None and request.is_here


def _bytes(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "replace")
