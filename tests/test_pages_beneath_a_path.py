"""All of the HTTP side beneath a path of a proxy, which takes it away: [web] address says which."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts as account_records
from handlers.invitations import invitations
from tests.harness.administrators import Administrator, administered
from tests.harness.browsing import Got
from web.site import Site
from xmpp.data.jid import JID

ROOT = "/xmpp"
PASSWORD = "wherefore art thou"


class ThroughTheProxy(Administrator):
    """Somebody whose browser knows every path with ROOT in front."""

    def asks(self, method: str, path: str, *others: object) -> Got:
        assert path.startswith(ROOT + "/") or path == ROOT, path
        return super().asks(method, path.removeprefix(ROOT) or "/", *others)  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with administered(tmp_path, web={"address": f"https://chat.example.org{ROOT}"}) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> ThroughTheProxy:
    return ThroughTheProxy(site, host="chat.example.org")


def everything_named(visitor: ThroughTheProxy) -> list[str]:
    """The paths of ours that a page names."""
    names = [element.get(name) for element in visitor.page.iter() for name in ("href", "src", "action")]
    return [name for name in names if name and name.startswith("/")]


def test_pages_name_only_what_is_beneath_it(visitor: ThroughTheProxy) -> None:
    for path in ("/", "/register", "/contact", "/chat", "/admin/login", "/nothing/of/the/kind"):
        visitor.asks("GET", ROOT + path, b"", {"Accept": "text/html"})
        assert everything_named(visitor)
        assert [each for each in everything_named(visitor) if not each.startswith(f"{ROOT}/")] == []


def test_somebody_makes_an_account(site: Site, visitor: ThroughTheProxy) -> None:
    visitor.goes(f"{ROOT}/register")
    assert visitor.sends(name="nurse", password=PASSWORD, again=PASSWORD).status == 200
    assert "Your address is nurse@localhost." in visitor.text
    assert account_records.exists(site.server.db, JID.parse("nurse@localhost"))


def test_links_that_invite_and_that_reset_lead_there_and_on(site: Site, visitor: ThroughTheProxy) -> None:
    invitation = invitations.invite_newcomer(site.server, "localhost")
    assert invitation.page is not None
    assert invitation.page.startswith(f"https://chat.example.org{ROOT}/invite/")
    visitor.goes(invitation.page.removeprefix("https://chat.example.org"))
    assert [each for each in everything_named(visitor) if not each.startswith(f"{ROOT}/")] == []
    assert visitor.sends(name="nurse", password=PASSWORD, again=PASSWORD).status == 200
    assert [each for each in everything_named(visitor) if not each.startswith(f"{ROOT}/")] == []
    reset = invitations.offer_reset(site.server, JID.parse("nurse@localhost"))
    assert reset.page is not None
    visitor.goes(reset.page.removeprefix("https://chat.example.org"))
    assert visitor.sends(password=PASSWORD[::-1], again=PASSWORD[::-1]).status == 200
    assert [each for each in everything_named(visitor) if not each.startswith(f"{ROOT}/")] == []


def test_an_administrator_is_sent_to_where_he_logs_in_and_finds_his_way(visitor: ThroughTheProxy) -> None:
    assert visitor.goes(f"{ROOT}/admin").headers["location"] == f"{ROOT}/admin/login"
    visitor.goes(f"{ROOT}/admin/login")
    assert visitor.sends(account="juliet", password="secret").status == 200
    for page in [to for to in visitor.links if to.startswith("/")]:
        visitor.goes(page)
        assert visitor.got.status == 200
        assert [each for each in everything_named(visitor) if not each.startswith(f"{ROOT}/")] == []


def test_the_client_knows_where_its_files_and_its_entrances_are(visitor: ThroughTheProxy) -> None:
    visitor.goes(f"{ROOT}/chat")
    body = visitor.page.find("body")
    assert set(json.loads(body.get("data-paths")).values()) == {f"{ROOT}/xmpp-websocket", f"{ROOT}/http-bind"}
    assert json.loads(body.get("data-settings"))["assets_path"].startswith(f"{ROOT}/chat/converse.js-")
    [starter] = [each.get("src") for each in visitor.page.iter("script") if "starter" in each.get("src")]
    assert visitor.goes(starter).status == 200


def test_a_form_is_ours_wherever_the_browser_says_that_it_comes_from(site: Site, visitor: ThroughTheProxy) -> None:
    visitor.goes(f"{ROOT}/register")
    origin = {"Origin": "https://chat.example.org", "Host": "localhost"}
    assert visitor.sends(origin, name="nurse", password=PASSWORD, again=PASSWORD).status == 200
    assert account_records.exists(site.server.db, JID.parse("nurse@localhost"))
