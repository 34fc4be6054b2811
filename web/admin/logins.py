"""Who is logged in on the administration page. It is in memory only: a restart ends all logins.

The browser has a random token as a cookie, of which a hash is kept here. A login ends after a time without use, after
some hours in any case, and as soon as its account is not what it was: it has another password or no role, is disabled,
or gone (docs/security.md row 56).
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from handlers.admin.invitations import Made
from handlers.admin.roles import is_administrator
from handlers.login.sasl.passwords import Check
from handlers.login.suspended import is_suspended
from web.http.messages import Request
from web.pages import forms
from xmpp.config.configuration import setting
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from web.site import Site
    from xmpp.server import Server

COOKIE = "admin"
TOKEN_BYTES = 32
MOST = 100  # logins; beyond it the one ends that was used longest ago


@dataclass(frozen=True)
class AdminPageSettings:
    """The administration page, at /admin, for accounts with the role of an administrator (`xserv user role`)."""

    idle_minutes: int = setting(30, "After how long without use somebody is logged out.", minimum=1, maximum=1_440)
    max_hours: int = setting(8, "After how long somebody is logged out in any case.", minimum=1, maximum=168)


@dataclass
class Login:
    """Somebody who is logged in. `check` knows whether the account still has the password that was given. `token` is
    what each form has to have in it. `said`: what the next page tells, as a key of texts.toml with its values. `made`:
    a link that the next page shows, once."""

    account: JID
    check: Check
    began: float
    used: float
    token: str = field(default_factory=lambda: secrets.token_hex(TOKEN_BYTES))
    said: tuple[str, dict[str, object]] | None = None
    made: Made | None = None


class Logins:
    """All logins of one server, by the hashes of their cookies, the one that was used last at the end."""

    def __init__(self) -> None:
        self.by_hash: OrderedDict[bytes, Login] = OrderedDict()


def begin(site: "Site", request: Request, account: JID, check: Check) -> str:
    """Log somebody in whose password has been checked; returns the cookie. One that the browser had before is of no use
    any more, so nobody can have it log in with a cookie that he knows."""
    logins, now, value = site.server.state(Logins).by_hash, monotonic(), secrets.token_urlsafe(TOKEN_BYTES)
    end(site, request)
    logins[_hash(value)] = Login(account, check, now, now)
    while len(logins) > MOST:
        logins.popitem(last=False)
    return forms.cookie(request, COOKIE, value, site.server.settings(AdminPageSettings).max_hours * 3600)


def current(site: "Site", request: Request) -> Login | None:
    """The login of the browser that asks; None if it has none, or none any more."""
    value = request.cookie(forms.cookie_name(request, COOKIE))
    if not value:
        return None
    logins, key = site.server.state(Logins).by_hash, _hash(value)
    login = logins.get(key)
    if login is None:
        return None
    if not _still_holds(site.server, login):
        del logins[key]
        return None
    login.used = monotonic()
    logins.move_to_end(key)
    return login


def end(site: "Site", request: Request) -> str:
    """Log out the browser that asks; returns the cookie that takes away the one that it has."""
    value = request.cookie(forms.cookie_name(request, COOKIE))
    if value:
        site.server.state(Logins).by_hash.pop(_hash(value), None)
    return forms.cookie(request, COOKIE, "", 0)


def _still_holds(server: "Server", login: Login) -> bool:
    settings, now = server.settings(AdminPageSettings), monotonic()
    return (
        now - login.used < settings.idle_minutes * 60
        and now - login.began < settings.max_hours * 3600
        and login.check.still_holds()
        and not is_suspended(server, login.account)
        and is_administrator(server, login.account)
    )


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "replace")).digest()
