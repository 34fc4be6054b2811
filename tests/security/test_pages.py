"""docs/security.md rows about the pages for everybody, and the form on which strangers make accounts."""

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts as account_records
from handlers.login.throttle import LoginThrottle
from tests.harness.browsing import browser, get, post_form, web_server
from tests.harness.streams import Stream
from tests.harness.visitors import Visitor
from web.parts import PARTS
from web.site import Site
from xmpp.data.jid import JID

PASSWORD = "wherefore art thou"
OWN = {"name": "romeo", "password": PASSWORD, "again": PASSWORD}
MARKUP = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}{7}%7B7%7D&amp;<b>"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with web_server(tmp_path, PARTS, None, register={"accounts_per_address": 0}) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    visitor = Visitor(site)
    visitor.goes("/register")
    return visitor


def has_romeo(site: Site) -> bool:
    return account_records.exists(site.server.db, JID.parse("romeo@localhost"))


# -- row 38: registration


def test_row_38_one_address_makes_a_few_accounts_in_the_browser_and_in_clients_together(tmp_path: Path) -> None:
    with web_server(tmp_path, PARTS, None, register={"accounts_per_address": 2}) as site:
        visitor = Visitor(site)
        answers: list[int | str] = []
        for number in range(2):
            visitor.goes("/register")
            answers.append(visitor.sends(**{**OWN, "name": f"user{number}"}).status)
        with Stream(site.server) as stream:
            stream.open()
            wish = "<username>user2</username><password>wherefore</password>"
            answers.append(stream.asks_iq(f"<query xmlns='jabber:iq:register'>{wish}</query>"))
        visitor.goes("/register")
        got = visitor.sends(**{**OWN, "name": "user3"})
        answers.append(got.status)
        assert answers == [200, 200, "resource-constraint", 429]
        assert int(got.headers["retry-after"]) > 0
        assert not account_records.exists(site.server.db, JID.parse("user3@localhost"))


def test_row_38_names_that_are_tried_on_the_page_count_as_passwords_that_are_tried(
    site: Site, visitor: Visitor
) -> None:
    assert visitor.sends(**{**OWN, "name": "juliet"}).status == 409
    assert site.server.state(LoginThrottle).delay("127.0.0.1", "romeo@localhost", time.monotonic()) > 0


# -- row 41: a page of another site has a browser send a form


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://other.localhost"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_row_41_what_a_page_of_another_site_sends_makes_nothing(
    site: Site, visitor: Visitor, headers: dict[str, str]
) -> None:
    assert visitor.sends(headers, **OWN).status == 403
    assert not has_romeo(site)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}], ids=str)
def test_row_41_what_our_own_page_sends_is_taken(site: Site, visitor: Visitor, headers: dict[str, str]) -> None:
    assert visitor.sends(headers, **OWN).status == 200
    assert has_romeo(site)


def test_row_41_behind_a_proxy_our_own_page_is_known_by_the_public_address(tmp_path: Path) -> None:
    with web_server(tmp_path, PARTS, None, web={"address": "https://chat.example.org"}) as site:
        visitor = Visitor(site)
        visitor.goes("/register")
        visitor.sends({"Origin": "https://chat.example.org"}, **OWN)
        assert has_romeo(site)


@pytest.mark.parametrize("token", [None, "", "0" * 32, "ü", "x" * 10_000])
def test_row_41_a_form_without_the_token_of_its_browser_makes_nothing(
    site: Site, visitor: Visitor, token: str | None
) -> None:
    assert visitor.sends(**OWN, token=token).status == 403
    assert not has_romeo(site)


def test_row_41_a_browser_that_does_not_send_its_token_back_makes_nothing(site: Site, visitor: Visitor) -> None:
    visitor.cookies.clear()
    assert visitor.sends(**OWN).status == 403
    visitor.cookies = {"xserv-token": ""}
    assert visitor.sends(**OWN, token="").status == 403
    assert not has_romeo(site)


def test_row_41_the_token_cannot_be_guessed_and_stays_with_our_pages(site: Site) -> None:
    cookies = [cookie for _ in range(3) for cookie in get(site, "/register").cookies]
    assert len(set(cookies)) == 3
    for cookie in cookies:
        assert re.fullmatch(r"xserv-token=[0-9a-f]{32}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Strict", cookie)


@pytest.mark.parametrize("kind", ["HTTPS", "TLS", "everything"])
def test_row_41_over_tls_no_other_host_can_have_set_it(site: Site, kind: str) -> None:
    with browser(site, kind, alpn=["http/1.1"]) as connection:
        [cookie] = connection.ask("GET", "/register").cookies
    assert cookie.startswith("__Host-xserv-token=") and cookie.endswith("; Secure")
    visitor = Visitor(site, "HTTPS")
    visitor.goes("/register")
    visitor.cookies = {name.removeprefix("__Host-"): value for name, value in visitor.cookies.items()}
    assert visitor.sends(**OWN).status == 403


# -- row 42: what somebody has written runs in another's browser


@pytest.mark.parametrize("field", ["name", "domain", "password", "again", "subject", "token"])
def test_row_42_markup_in_a_field_is_shown_as_text(visitor: Visitor, field: str) -> None:
    got = visitor.sends(**{**OWN, "name": "x", field: MARKUP})
    assert got.status in (400, 403)
    assert "<script" not in got.text and "<img" not in got.text and "<b>" not in got.text
    assert "49" not in visitor.text
    assert {element for each in visitor.page.iter() for element in each.attrib if element.startswith("on")} == set()


def test_row_42_what_was_typed_comes_back_as_it_was(visitor: Visitor) -> None:
    visitor.sends(**{**OWN, "name": MARKUP})
    assert visitor.page.forms[0].fields["name"] == MARKUP


@pytest.mark.parametrize("path", ["/", "/register", "/contact"])
def test_row_42_what_stands_in_the_address_is_not_in_the_page(site: Site, path: str) -> None:
    query = "name=%22%3E%3Cscript%3E&domain=evil.example&next=//evil.example"
    one, other = get(site, f"{path}?{query}"), get(site, path)
    tokens = re.compile(r"[0-9a-f]{32}")
    assert tokens.sub("", one.text) == tokens.sub("", other.text)


def test_row_42_the_address_that_a_page_names_as_ours_is_not_the_one_that_was_asked_for(tmp_path: Path) -> None:
    with web_server(tmp_path, PARTS, None, web={"names": ["other.example"]}) as site:
        visitor = Visitor(site, host="other.example")
        assert "other.example" not in visitor.goes("/").text
        assert Visitor(site, host="evil.example").goes("/").status == 421


@pytest.mark.parametrize(
    "told",
    [
        "%3Cscript%3E@localhost",
        "romeo@evil.example",
        "romeo@localhost/x",
        "localhost",
        "%ff",
        "",
        "x" * 4000,
    ],
)
def test_row_42_a_made_up_cookie_says_nothing_on_the_page_about_a_new_account(site: Site, told: str) -> None:
    got = get(site, "/register/done", Cookie=f"xserv-account={told}")
    assert (got.status, got.headers["location"]) == (303, "/")


@pytest.mark.parametrize("path", ["/", "/register", "/contact"])
def test_row_42_nothing_runs_on_a_page_and_it_stands_in_no_frame(site: Site, path: str) -> None:
    got = get(site, path)
    assert got.status == 200
    policy = dict(each.strip().split(" ", 1) for each in got.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "no-store"


def test_row_42_texts_of_whoever_runs_the_server_are_no_markup_either(tmp_path: Path) -> None:
    (tmp_path / "terms").write_text(f"# {MARKUP}\n\n{MARKUP}\n\n- {MARKUP}\n\njavascript:alert(1)\n", encoding="utf-8")
    settings = {"pages": {"terms": str(tmp_path / "terms"), "language": MARKUP}, "disco": {"name": "'\"&{{7*7}}"}}
    with web_server(tmp_path, PARTS, None, **settings) as site:
        got = get(site, "/terms")
        assert got.status == 200
        assert "<script" not in got.text and "<img" not in got.text and 'href="javascript' not in got.text


# -- row 44: redirects


@pytest.mark.parametrize("wish", ["next", "url", "return", "redirect"])
def test_row_44_a_redirection_leads_to_our_own_page_whatever_is_asked_for(visitor: Visitor, wish: str) -> None:
    [form] = visitor.page.forms
    with_wish = {**dict(form.form_values()), **OWN, wish: "https://evil.example/"}
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    got = post_form(visitor.site, f"/register?{wish}=//evil.example", with_wish, Cookie=cookie)
    assert (got.status, got.headers["location"]) == (303, "/register/done")


# -- row 55: secrets in the log


def test_row_55_a_password_that_was_typed_is_not_in_the_log(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        visitor.sends(**{**OWN, "name": "ro meo"})
        visitor.sends(**OWN)
    assert "romeo@localhost" in caplog.text
    assert "wherefore" not in caplog.text
