"""Attacks on the administration page: around its login, by other sites, with names that are markup."""

import logging
import re
from collections.abc import Iterator
from html import escape
from itertools import product
from time import monotonic
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from db import accounts as account_records
from handlers.admin.administration import CHANGES, carry_out
from handlers.login import accounts
from handlers.login.throttle import LoginThrottle
from tests.harness import administrators
from tests.harness.administrators import COOKIE, JULIET, ROMEO, Administrator, administered
from tests.harness.browsing import Got, browser
from tests.harness.comparisons import noted_comparisons
from tests.harness.in_process import Client, add_accounts
from tests.harness.rooms import opened
from tests.harness.streams import Stream
from web.admin import logins
from web.admin.area import LOGIN, form, part
from web.admin.logins import Logins
from web.http.messages import FORM
from web.parts import PARTS
from web.routing import METHODS
from web.site import Site

ROUTES = sorted({(route.method, route.path) for route in part.routes})
PAGES = [path for method, path in ROUTES if method == "GET" and path != LOGIN]
FORMS = [path for method, path in ROUTES if method == "POST" and path != LOGIN]
MARKUP = "<script>alert(1)</script>\"'&"
ADMIN_ONLY = re.compile("Logged in as|romeo@localhost")
FIELDS = {
    "account": ROMEO, "name": "nurse", "domain": "localhost", "password": "x", "again": "x",
    "room": "a@rooms.localhost",
    "session": f"{ROMEO}/orchard", "text": "hello", "sure": "yes",
}  # fmt: skip


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all tests that change nothing there."""
    with administered(tmp_path_factory.mktemp("untouched")) as site:
        yield site


site, juliet = administrators.site, administrators.juliet


def ask(site: Site, method: str, target: str, content: bytes = b"", **headers: str) -> Got:
    named = {name.replace("_", "-"): each for name, each in headers.items()}
    with browser(site) as connection:
        return connection.ask(method, target, content, named)


def send(site: Site, path: str, cookies: dict[str, str], fields: dict[str, str], **headers: str) -> Got:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return ask(site, "POST", path, urlencode(fields).encode(), Content_Type=FORM, Cookie=cookie, **headers)


def token_of(juliet: Administrator) -> str:
    juliet.goes("/admin/logout")
    [given] = [each for each in juliet.page.forms if each.method == "POST"]
    return str(given.fields["token"])


def state_of(site: Site) -> list[Any]:
    """All that any form of the page could have changed."""
    db = site.server.db
    people = [tuple(each) for each in carry_out(site.server, "search")]
    passwords = [account_records.credential(db, each[0], "sha-256") for each in people]
    waiting = [carry_out(site.server, "person", account=each[0]).waiting for each in people]
    return [people, passwords, waiting, len(site.server.online), len(site.server.state(Logins).by_hash)]


# -- row 40: around the login


def test_row_40_there_are_routes_and_all_of_them_are_beneath_the_guard() -> None:
    assert len(PAGES) > 10 and len(FORMS) > 5
    assert part in PARTS and part.guarded == ["/admin"] and part.guard is not None
    assert [path for _, path in ROUTES if path != "/admin" and not path.startswith("/admin/")] == []
    others = [route.path for other in PARTS if other is not part for route in other.routes]
    assert [path for path in others if path.startswith(("/admin", "/{"))] == []


@pytest.mark.parametrize(("method", "path"), [each for each in ROUTES if each[1] != LOGIN])
def test_row_40_nothing_is_answered_to_who_is_not_logged_in(untouched: Site, method: str, path: str) -> None:
    site = untouched
    before = state_of(site)
    for cookie in ("", f"{COOKIE}=", f"{COOKIE}={'x' * 43}", f"{COOKIE}=None; other=1"):
        got = ask(site, method, path, urlencode(FIELDS).encode() if method == "POST" else b"",
                  Content_Type=FORM, Cookie=cookie)  # fmt: skip
        if method == "GET":
            assert (got.status, got.headers["location"], got.content) == (303, LOGIN, b"")
        else:
            assert got.status == 403 and not ADMIN_ONLY.search(got.text)
    assert state_of(site) == before


@pytest.mark.parametrize("path", ["/admin/nothing", "/admin/person/explode", "/admin/a/b/c", "/admin/login/more"])
def test_row_40_what_is_not_there_looks_the_same_as_what_is(site: Site, juliet: Administrator, path: str) -> None:
    assert ask(site, "GET", path).headers["location"] == LOGIN
    assert ask(site, "POST", path).status == 403
    assert juliet.goes(path).status == 404


@pytest.mark.parametrize("method", [*METHODS, "BREW", "get", "PROPFIND"])
@pytest.mark.parametrize("path", ["/admin", "/admin/people", "/admin/person/disable", "/admin/nothing"])
def test_row_40_no_method_gets_past_the_guard(untouched: Site, method: str, path: str) -> None:
    site = untouched
    if method == "CONNECT":
        return  # names no path
    got = ask(site, method, f"{path}?account={ROMEO}", X_HTTP_Method_Override="GET")
    assert got.status in ((303,) if method in ("GET", "HEAD") else (400, 403, 501))
    assert not ADMIN_ONLY.search(got.text)


@pytest.mark.parametrize(
    "target",
    [
        "/admin/../admin/people",
        "/register/../admin/people",
        "/admin/login/../people",
        "/admin/login/%2e%2e/people",
        "/admin/login/.%2e/people",
        "/admin/login/..;/people",
        "/admin/login;/people",
        "/admin/login%2f..%2fpeople",
        "/admin/login%00/../people",
        "/admin/login?/../people",
        "/admin/%75002e%75002e/people",
        "/admin/%u002e%u002e/people",
        "/admin/login/%252e%252e/people",
        "//admin/people",
        "/admin//people",
        "/./admin/./people",
        "/%61dmin/people",
        "/%2561dmin/people",
        "/admin%2fpeople",
        "/admin%5cpeople",
        "/admin\\people",
        "/ADMIN/people",
        "/admin/people/",
        "/admin/people/.",
        "/admin/people/;.css",
        "/admin/people%20",
        "/admin/people.css",
        "/style/../admin/people",
        "/style/..%2f..%2fadmin%2fpeople",
        "/..%2fadmin/people",
        "/../admin/people",
        "http://localhost/admin/people",
        "http://localhost/style/../admin/people",
        "/admin/people?next=/style/pages.css",
        "/\u0430dmin/people".encode().decode("latin-1"),
    ],
)
def test_row_40_no_odd_path_leads_around_the_login(untouched: Site, target: str) -> None:
    site = untouched
    if any(ord(each) > 127 for each in target):
        target = quote(target)
    got = ask(site, "GET", target)
    assert got.status in (303, 400, 404) or (got.status == 200 and target.startswith("/admin/login?"))
    assert got.status != 303 or got.headers["location"] == LOGIN
    assert not ADMIN_ONLY.search(got.text)


def test_row_40_the_same_path_is_checked_and_served_however_it_is_written(juliet: Administrator) -> None:
    for path in ("/admin/people", "/%61dmin/people/", "/register/../admin/./people", "/admin/login/../people"):
        assert juliet.goes(path).status == 200
        assert "romeo@localhost" in juliet.text


def test_row_40_the_page_is_there_under_our_own_names_alone(site: Site) -> None:
    assert ask(site, "GET", LOGIN, Host="evil.example").status == 421
    assert ask(site, "GET", LOGIN, Host="pubsub.localhost").status == 421
    assert ask(site, "GET", LOGIN, Host="rooms.localhost").status == 421
    assert ask(site, "GET", LOGIN, Host="localhost").status == 200


@pytest.mark.parametrize("target", [LOGIN, "/admin", "/admin/people"])
def test_row_40_who_can_be_overheard_is_not_even_asked_for_a_password(site: Site, target: str) -> None:
    got = ask(site, "GET", target, X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="http")
    assert got.status in (308, 403) and b"password" not in got.content
    login = urlencode({"account": "juliet", "password": "secret"}).encode()
    got = ask(site, "POST", LOGIN, login, Content_Type=FORM, X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="http")
    assert got.status == 403 and not site.server.state(Logins).by_hash


# -- row 41: other sites


def test_row_41_no_form_does_anything_without_our_token(site: Site, juliet: Administrator) -> None:
    Client(site.server, f"{ROMEO}/orchard")
    others = Administrator(site)
    others.logs_in()
    before = state_of(site)
    wrong = ["", "x" * 64, token_of(others), "\ud7ff"]
    for path, token in product(FORMS, [{}, *({"token": each} for each in wrong)]):
        got = send(site, path, juliet.cookies, FIELDS | token)
        assert got.status == 403 and not ADMIN_ONLY.search(got.text)
    assert state_of(site) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://pubsub.localhost"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://localhost"},
    ],
)
def test_row_41_no_form_does_anything_from_a_page_of_another_site(
    site: Site, juliet: Administrator, headers: dict[str, str]
) -> None:
    token, before = token_of(juliet), state_of(site)
    for path in FORMS:
        assert send(site, path, juliet.cookies, FIELDS | {"token": token}, **headers).status == 403
    assert state_of(site) == before


def test_row_41_the_same_form_does_it_with_the_token_from_here(site: Site, juliet: Administrator) -> None:
    token = token_of(juliet)
    port = site.listener.ports["HTTP"]
    fields = {"account": ROMEO, "token": token}
    got = send(site, "/admin/person/disable", juliet.cookies, fields, Origin=f"http://localhost:{port}")
    assert got.status == 303
    assert carry_out(site.server, "person", account=ROMEO).person.disabled_at is not None


def test_row_41_following_a_link_changes_nothing(site: Site, juliet: Administrator) -> None:
    Client(site.server, f"{ROMEO}/orchard")
    before = state_of(site)
    for path in PAGES:
        juliet.goes(f"{path}?{urlencode(FIELDS | {'token': token_of(juliet)})}")
    assert state_of(site) == before


def test_row_41_nobody_is_logged_in_by_another_site(site: Site) -> None:
    login = {"account": "juliet", "password": "secret"}
    for cookies, fields in (({}, {}), ({"xserv-token": "a" * 32}, {"token": "b" * 32}), ({}, {"token": "a" * 32})):
        assert send(site, LOGIN, cookies, login | fields).status == 403
    same = {"token": "a" * 32}
    assert send(site, LOGIN, {"xserv-token": "a" * 32}, login | same, Origin="https://evil.example").status == 403
    assert not site.server.state(Logins).by_hash


def test_row_41_every_change_is_asked_for_by_a_form() -> None:
    declared = {route.respond.__qualname__ for route in part.routes if route.method == "POST" and route.path != LOGIN}
    assert len(declared) == 1 and form.__name__ in declared.pop()  # the one that checks the token
    assert {"add", "passwd", "role", "disable", "enable", "remove", "restore"} < set(CHANGES)


# -- row 42: hostile names


def test_row_42_names_are_shown_and_are_no_markup(site: Site, juliet: Administrator) -> None:
    romeo = Client(site.server, f"{ROMEO}/{MARKUP}")
    opened(Client(site.server, f"{ROMEO}/orchard"), "romeo", roomname=MARKUP, roomdesc=MARKUP)
    room = "verona@rooms.localhost"
    for path in (
        "/admin/sessions", "/admin/rooms", f"/admin/room?room={room}", f"/admin/person?account={ROMEO}",
        f"/admin/session/end?session={quote(romeo.jid)}",
    ):  # fmt: skip
        juliet.goes(path)
        assert "<script" not in juliet.got.text and escape(MARKUP)[:20] in juliet.got.text
        assert not list(juliet.page.iter("script"))


def test_row_42_what_stands_in_the_address_is_no_markup(juliet: Administrator) -> None:
    names = ("account", "room", "session", "text", "kind", "level", "hours", "before", "next", "problem", "said")
    values = (MARKUP, "javascript:alert(1)", "{{ 7 * 191 }}", "%s{0}")
    for path, name, value in product(PAGES, names, values):
        got = juliet.goes(f"{path}?{urlencode({name: value})}")
        assert "<script" not in got.text and 'href="javascript' not in got.text and "1337" not in got.text
        assert got.status < 500


def test_row_42_what_was_sent_comes_back_as_text(site: Site, juliet: Administrator) -> None:
    fields = dict.fromkeys((*FIELDS, "subject", "reason", "venue", "whom"), MARKUP) | {"token": token_of(juliet)}
    for path in sorted(FORMS, key=lambda path: path == "/admin/logout"):
        got = send(site, path, juliet.cookies, fields)
        assert "<script" not in got.text and got.status in (200, 303, 400, 404, 409)


def test_row_42_no_page_may_run_load_or_be_framed_or_is_kept(juliet: Administrator) -> None:
    for path in (*PAGES, LOGIN):
        if path == LOGIN:
            juliet.cookies.clear()
        got = juliet.goes(f"{path}?account={ROMEO}")
        policy = got.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert got.status == 303 or got.headers["x-robots-tag"] == "noindex, nofollow"
        assert got.headers["cache-control"] == "no-store" and got.headers["x-content-type-options"] == "nosniff"


# -- rows 10, 11 and 56: cookies, and when a login is over


def test_row_11_cookies_and_tokens_cannot_be_guessed_and_only_hashes_are_kept(site: Site) -> None:
    seen = set()
    for _ in range(5):
        visitor = Administrator(site)
        visitor.logs_in()
        seen |= {visitor.cookies[COOKIE], token_of(visitor)}
        kept = repr(site.server.state(Logins).by_hash)
        assert visitor.cookies[COOKIE] not in kept
    assert len(seen) == 10 and min(map(len, seen)) >= 43
    assert logins.TOKEN_BYTES * 8 >= 128


def test_row_10_the_token_is_compared_in_constant_time(
    site: Site, juliet: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, noted = token_of(juliet), noted_comparisons(monkeypatch)
    send(site, "/admin/person/disable", juliet.cookies, {"account": ROMEO, "token": "wrong"})
    compared = [side for both in noted for side in both]
    assert token.encode() in compared and b"wrong" in compared


@pytest.mark.parametrize("kind", ["HTTP", "HTTPS"])
def test_row_56_the_cookie_is_for_our_own_pages_alone(site: Site, kind: str) -> None:
    visitor = Administrator(site, kind)
    visitor.goes(LOGIN)
    [given] = visitor.page.forms
    fields = dict(given.form_values()) | {"account": "juliet", "password": "secret"}
    with browser(site, kind) as connection:
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        got = connection.ask("POST", LOGIN, urlencode(fields).encode(), {"Content-Type": FORM, "Cookie": cookies})
    [cookie] = [each for each in got.cookies if COOKIE in each]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; ")) and "Domain" not in cookie
    assert (cookie.startswith("__Host-") and cookie.endswith("; Secure")) == (kind == "HTTPS")


def test_row_56_nobody_can_have_a_browser_log_in_with_a_cookie_that_he_knows(site: Site) -> None:
    visitor = Administrator(site)
    visitor.cookies[COOKIE] = "known"
    visitor.logs_in()
    assert visitor.cookies[COOKIE] != "known"
    before = visitor.cookies[COOKIE]
    visitor.goes("/admin/logout")
    visitor.sends()
    visitor.logs_in()
    for old in ("known", before):
        assert ask(site, "GET", "/admin", Cookie=f"{COOKIE}={old}").status == 303


def test_row_56_logging_in_anew_ends_the_login_before(site: Site, juliet: Administrator) -> None:
    before, token = juliet.cookies[COOKIE], juliet.cookies["xserv-token"]
    login = {"account": "juliet", "password": "secret", "token": token}
    assert send(site, LOGIN, juliet.cookies, login).status == 303
    assert ask(site, "GET", "/admin", Cookie=f"{COOKIE}={before}").status == 303
    assert len(site.server.state(Logins).by_hash) == 1


def end_role(site: Site) -> None:
    carry_out(site.server, "role", account=JULIET, role="member")


def end_by_disabling(site: Site) -> None:
    carry_out(site.server, "disable", account=JULIET)


def end_by_removal(site: Site) -> None:
    carry_out(site.server, "remove", account=JULIET, days=3)


def end_by_password(site: Site) -> None:
    accounts.change_password(site.server, JULIET, "secret")  # the very same


def end_by_another_with_the_name(site: Site) -> None:
    accounts.remove(site.server, JULIET)
    accounts.create(site.server, JULIET, "secret")
    carry_out(site.server, "role", account=JULIET, role="administrator")


def end_by_idleness(site: Site) -> None:
    for login in site.server.state(Logins).by_hash.values():
        login.used -= 30 * 60


def end_by_time(site: Site) -> None:
    for login in site.server.state(Logins).by_hash.values():
        login.began -= 8 * 3600


ENDS = [
    end_role, end_by_disabling, end_by_removal, end_by_password, end_by_another_with_the_name, end_by_idleness,
    end_by_time,
]  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_row_56_a_login_is_over_when_it_has_no_ground_any_more(site: Site, juliet: Administrator, end: Any) -> None:
    token = token_of(juliet)
    end(site)
    before = state_of(site)
    assert send(site, "/admin/person/disable", juliet.cookies, {"account": ROMEO, "token": token}).status == 403
    assert juliet.goes("/admin/people").headers["location"] == LOGIN
    assert state_of(site)[:3] == before[:3] and not site.server.state(Logins).by_hash


def test_row_56_a_form_that_comes_slowly_is_not_taken_from_who_is_logged_out_meanwhile(
    site: Site, juliet: Administrator
) -> None:
    content = urlencode({"account": ROMEO, "token": token_of(juliet)}).encode()
    head = (
        f"POST /admin/person/disable HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
        f"Content-Length: {len(content)}\r\nCookie: {COOKIE}={juliet.cookies[COOKIE]}\r\nExpect: 100-continue\r\n\r\n"
    )
    with browser(site) as connection:
        connection.sock.sendall(head.encode())
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 ")  # it waits for the form now
        end_role(site)
        connection.sock.sendall(content)
        assert connection.response("POST").status == 403
    assert carry_out(site.server, "person", account=ROMEO).person.disabled_at is None


def test_row_60_there_are_only_so_many_logins(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "MOST", 3)
    visitors = [Administrator(site) for _ in range(5)]
    for visitor in visitors:
        visitor.logs_in()
    assert len(site.server.state(Logins).by_hash) == 3
    assert [visitor.goes("/admin").status for visitor in visitors] == [303, 303, 200, 200, 200]


# -- rows 34, 35 and 55: passwords


def test_row_34_the_answer_does_not_tell_which_accounts_there_are(site: Site) -> None:
    texts = set()
    strangers = ("nobody", "nobody@elsewhere.example", "rooms.localhost", "a@b@c", "@", "x" * 2_000)
    for account in ("juliet", "romeo", *strangers):
        visitor = Administrator(site)
        assert visitor.logs_in(account, "wrong").status == 403
        texts.add(visitor.problem)
    assert texts == {"There is no such account, or that is not its password."}


def test_row_35_failed_logins_count_together_with_those_of_clients(site: Site) -> None:
    throttle = site.server.state(LoginThrottle)
    visitor = Administrator(site)
    visitor.logs_in(password="wrong")
    assert throttle.delay("192.0.2.7", JULIET, monotonic()) > 0  # for the account, from wherever
    assert throttle.delay("127.0.0.1", "nobody@localhost", monotonic()) > 0  # for the network, whoever it is
    before = throttle.delay("192.0.2.7", JULIET, monotonic())
    with Stream(site.server) as stream:
        stream.open()
        assert stream.tries_password("juliet", "wrong") == "not-authorized"
    assert throttle.delay("192.0.2.7", JULIET, monotonic()) > before


def test_row_35_the_address_that_counts_is_that_of_the_client_behind_a_trusted_proxy(site: Site) -> None:
    visitor = Administrator(site)
    visitor.goes(LOGIN)
    fields = {"account": "nobody", "password": "wrong", "token": visitor.cookies["xserv-token"]}
    cookies = {f"__Host-{name}": value for name, value in visitor.cookies.items()} | visitor.cookies
    send(site, LOGIN, cookies, fields, X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="https")
    throttle = site.server.state(LoginThrottle)
    assert throttle.delay("192.0.2.7", "anybody@localhost", monotonic()) > 0
    assert throttle.delay("127.0.0.1", "anybody@localhost", monotonic()) == 0


def test_row_55_no_password_cookie_or_token_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    visitor = Administrator(site)
    visitor.logs_in(password="wrong-swordfish")
    visitor.logs_in()
    token = token_of(visitor)
    visitor.goes(f"/admin/person/password?account={ROMEO}")
    visitor.sends(password="new-swordfish", again="new-swordfish")
    visitor.goes("/admin/people/add")
    visitor.sends(name="nurse", password="another-swordfish", again="another-swordfish")
    assert visitor.done == "nurse@localhost can log in now."
    logged = caplog.text
    assert "romeo@localhost was given another password" in logged
    for secret in ("swordfish", visitor.cookies[COOKIE], token):
        assert secret not in logged


def test_row_55_passwords_are_never_shown_again(site: Site, juliet: Administrator) -> None:
    juliet.goes("/admin/people/add")
    juliet.sends(name="nurse", password="swordfish", again="other")
    assert juliet.problem and "swordfish" not in juliet.got.text
    add_accounts(site.server, "peter")
    juliet.goes("/admin/people/add")
    juliet.sends(name="peter", password="swordfish", again="swordfish")
    assert juliet.problem and "swordfish" not in juliet.got.text
