"""The pages for everybody: what they say, and where they lead."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import segno

from tests.harness.browsing import browser, get, web_server
from tests.harness.in_process import configuration
from tests.harness.visitors import WITHOUT_CLIENT, Visitor, full_site, own_files
from web import files
from web.pages.own_texts import MAX_BYTES, Block, blocks
from web.pages.start import Start
from web.parts import PARTS
from web.site import Site

ASCII = "xn--bcher-kva.example"  # bücher.example, as browsers write it


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with full_site(tmp_path) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site)


# -- the start page


def test_the_start_page_says_what_addresses_look_like_and_how_to_connect(visitor: Visitor) -> None:
    assert visitor.goes("/").status == 200
    assert "Addresses here look like name@localhost" in visitor.text
    for system in ("Android", "iPhone", "Windows", "macOS", "Linux"):
        assert system in visitor.text


def test_it_leads_to_the_client_and_to_a_new_account(visitor: Visitor) -> None:
    visitor.goes("/")
    main = visitor.page.find(".//main")
    assert [link.get("href") for link in main.find_class("button")] == ["/chat", "/register"]


def test_it_does_not_lead_to_what_is_not_there(tmp_path: Path) -> None:
    with web_server(tmp_path, WITHOUT_CLIENT, None, register={"open": False}) as site:
        visitor = Visitor(site)
        visitor.goes("/")
        assert {to for to in visitor.links if to.startswith("/")} == {"/"}
        assert "New accounts are made by whoever runs this server." in visitor.text


def test_an_app_on_this_machine_is_told_the_port_since_nothing_else_says_it(site: Site, visitor: Visitor) -> None:
    visitor.goes("/")
    assert f"the server localhost and the port {site.listener.ports['STARTTLS']}" in visitor.text
    elsewhere = Visitor(site, host=ASCII)
    elsewhere.goes("/")
    assert "the app finds the server by the address" in elsewhere.text


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("localhost", "localhost"),
        (ASCII, "bücher.example"),
        ("127.0.0.1", "localhost"),
        (f"rooms.{ASCII}", "localhost"),
    ],
)
def test_a_page_is_about_the_domain_that_was_asked_for_else_about_the_first(site: Site, host: str, domain: str) -> None:
    visitor = Visitor(site, host=host)
    visitor.goes("/")
    assert f"name@{domain}" in visitor.text


@pytest.mark.parametrize(
    ("is_open", "host", "uri"),
    [
        (True, "example.org", "xmpp:example.org?register"),
        (False, "example.org", "xmpp:example.org"),
        (False, ASCII, "xmpp:b%C3%BCcher.example"),  # RFC 5122 section 2.7.2
    ],
)
def test_the_code_is_that_of_the_address_of_the_server(tmp_path: Path, is_open: bool, host: str, uri: str) -> None:
    with web_server(
        tmp_path,
        PARTS,
        None,
        register={"open": is_open},
        server={"domains": ["localhost", "example.org", "bücher.example"]},
    ) as site:
        visitor = Visitor(site, host=host)
        visitor.goes("/")
        [image] = visitor.page.iter("img")
        assert image.get("alt") == f"QR code of the address {uri}"
        assert uri in visitor.links
        made = segno.make(uri, error="m", micro=False).svg_inline(dark="#000", light="#fff", border=4, omitsize=True)
        path = re.compile(r' d=.(M4 4\.5[^"\']*)')
        assert path.findall(unquote(image.get("src"))) == path.findall(made) != []


def test_there_is_no_code_for_a_name_that_a_phone_would_take_for_itself(visitor: Visitor) -> None:
    visitor.goes("/")
    assert not list(visitor.page.iter("img"))


def test_apps_are_named_with_addresses_of_their_own(site: Site) -> None:
    systems = site.server.state(Start).systems
    apps = [app for system in systems for app in system["app"]]
    assert len(apps) >= len(systems) >= 5
    assert [app["name"] for app in apps if not app["link"]] == []
    assert [link["to"] for app in apps for link in app["link"] if not link["to"].startswith("https://")] == []


# -- contact


def test_whom_to_contact_is_what_others_are_told_as_well(visitor: Visitor) -> None:
    visitor.goes("/contact")
    assert visitor.links["mailto:will@example.org"] == "will@example.org"
    assert visitor.links["xmpp:will@localhost"] == "will@localhost"
    assert "Whoever runs this server" in visitor.text


def test_an_address_that_would_run_as_a_script_is_shown_and_not_followed(tmp_path: Path) -> None:
    with web_server(tmp_path, PARTS, None, disco={"admin": ["javascript:alert(1)"]}) as site:
        visitor = Visitor(site)
        visitor.goes("/contact")
        assert "javascript:alert(1)" in visitor.text
        assert "javascript:alert(1)" not in visitor.links


def test_a_server_that_nobody_can_be_reached_for_says_so(tmp_path: Path) -> None:
    with web_server(tmp_path) as site:
        visitor = Visitor(site)
        visitor.goes("/")
        assert "/contact" not in visitor.links
        visitor.goes("/contact")
        assert "has not said here how to be reached" in visitor.text


# -- texts of whoever runs the server


@pytest.mark.parametrize("name", ["terms", "privacy", "imprint"])
def test_a_text_of_whoever_runs_the_server_is_a_page(visitor: Visitor, name: str) -> None:
    visitor.goes("/")
    assert f"/{name}" in visitor.links
    visitor.goes(f"/{name}")
    article = visitor.page.find(".//article")
    assert [(each.tag, each.text_content().split()) for each in article] == [
        ("h2", ["Our", name]),
        ("p", ["A", "paragraph."]),
        ("ul", ["one", "two"]),
    ]


def test_a_text_that_there_is_not_has_no_page_and_no_link(tmp_path: Path) -> None:
    with web_server(tmp_path) as site:
        assert get(site, "/terms").status == 404
        visitor = Visitor(site)
        visitor.goes("/")
        assert "/terms" not in visitor.links


@pytest.mark.parametrize("content", [None, b"\xff", b"x" * (MAX_BYTES + 1)], ids=["missing", "not UTF-8", "too long"])
def test_a_text_that_cannot_be_read_is_told_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    file = tmp_path / "terms.txt"
    if content is not None:
        file.write_bytes(content)
    with caplog.at_level(logging.WARNING), web_server(tmp_path, PARTS, None, pages={"terms": str(file)}) as site:
        assert [each.partition(", which")[0] for each in caplog.messages] == [f"the pages go without {file}"]
        assert get(site, "/terms").status == 404


def test_texts_are_read_anew_with_the_configuration(tmp_path: Path) -> None:
    files = own_files(tmp_path)
    with web_server(tmp_path, PARTS, None, pages=files) as site:
        (tmp_path / "terms").write_text("Others.", encoding="utf-8")
        site.server.reload(configuration(pages=files))
        assert "Others." in get(site, "/terms").text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("one\ntwo\n\n\n\nthree", [Block("paragraph", ("one two",)), Block("paragraph", ("three",))]),
        ("# Rules\none", [Block("heading", ("Rules",)), Block("paragraph", ("one",))]),
        ("- a\r\n- b\r\n\r\nc", [Block("list", ("a", "b")), Block("paragraph", ("c",))]),
        ("- a\nb", [Block("paragraph", ("- a b",))]),
        ("#no", [Block("paragraph", ("#no",))]),
    ],
)
def test_a_text_consists_of_headings_paragraphs_and_lists(text: str, found: list[Block]) -> None:
    assert blocks(text) == found


# -- errors


BROWSERS = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/nothing", "/upload/0123456789abcdef/hat.png", "/a/b/c"])
def test_a_browser_is_shown_a_page_in_place_of_what_is_not_there(site: Site, path: str) -> None:
    got = get(site, path, Accept=BROWSERS)
    assert (got.status, got.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Error 404</h1>" in got.text and 'href="/"' in got.text


def test_what_an_error_says_to_programs_stays_in_its_headers(site: Site) -> None:
    with browser(site) as connection:
        got = connection.ask("DELETE", "/contact", headers={"Accept": BROWSERS})
    assert got.status == 405 and "GET" in got.headers["allow"] and "<h1>" in got.text


@pytest.mark.parametrize("accepted", ["*/*", "application/json", "text/plain"])
def test_programs_are_told_errors_in_plain_text(site: Site, accepted: str) -> None:
    assert get(site, "/nothing", Accept=accepted).headers["content-type"] == "text/plain; charset=utf-8"


def test_without_pages_errors_are_plain_text(tmp_path: Path) -> None:
    with web_server(tmp_path, [files.part]) as site:
        assert get(site, "/nothing", Accept=BROWSERS).headers["content-type"] == "text/plain; charset=utf-8"
