"""The client for browsers: its files are those that were published, and its page holds nothing that runs but them."""

import gzip
import hashlib
import json
import re
import tomllib
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.harness.browsing import Got, browser, get, web_server
from tests.harness.servers import ROOT
from web.site import Site

CONVERSE = ROOT / "web" / "client" / "converse"
MANIFEST = tomllib.loads((CONVERSE / "manifest.toml").read_text())
FOLDER = f"/chat/converse.js-{MANIFEST['version']}"


def settings_in(page: Got) -> dict[str, Any]:
    """What the page tells the client."""
    found = re.search(r'data-settings="([^"]*)"', page.text)
    assert found
    told: dict[str, Any] = json.loads(unescape(found[1]))
    return told


def test_the_files_are_those_that_were_published() -> None:
    """The manifest is written from the package whose digest it has, by `update` there."""
    files = {str(path.relative_to(CONVERSE / "files")): path for path in (CONVERSE / "files").rglob("*.*")}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == MANIFEST["files"]
    assert MANIFEST["integrity"].startswith("sha512-")


def test_every_file_is_served_as_it_is(site: Site) -> None:
    with browser(site) as connection:
        for name, digest in list(MANIFEST["files"].items())[-30:]:
            got = connection.ask("GET", f"{FOLDER}/{name}")
            assert (got.status, hashlib.sha256(got.content).hexdigest()) == (200, digest)
            assert got.headers["cache-control"].endswith("immutable")
            assert got.headers["x-content-type-options"] == "nosniff"


def test_files_are_compressed_for_those_who_take_that_and_sent_once(site: Site) -> None:
    program = f"{FOLDER}/converse.min.js"
    got = get(site, program, Accept_Encoding="br, gzip;q=0.8")
    assert (got.status, got.headers["content-encoding"], got.headers["vary"]) == (200, "gzip", "Accept-Encoding")
    assert gzip.decompress(got.content) == (CONVERSE / "files" / "converse.min.js").read_bytes()
    assert len(got.content) < 400_000
    again = get(site, program, Accept_Encoding="gzip", If_None_Match=got.headers["etag"])
    assert (again.status, again.content) == (304, b"")
    assert "content-encoding" not in get(site, program, Accept_Encoding="gzip;q=0").headers


@pytest.mark.parametrize(
    "path",
    ["manifest.toml", "../manifest.toml", "..%2fmanifest.toml", "%2e%2e/%2e%2e/page.py", "LICENSE", "images", ""],
)
def test_nothing_else_is_served(site: Site, path: str) -> None:
    assert get(site, f"{FOLDER}/{path}").status in (400, 404)
    assert get(site, f"/chat/converse.js-1.0.0/{path}").status in (400, 404)


def test_the_page_names_the_domain_and_its_services(site: Site) -> None:
    told = settings_in(get(site, "/chat"))
    assert told["default_domain"] == "localhost"
    assert told["muc_domain"] == "rooms.localhost"
    assert told["muc_search_service"] == "rooms.localhost"  # there is no field for the name of a room without it
    assert told["assets_path"] == FOLDER


@pytest.mark.parametrize("is_open", [True, False])
def test_registration_is_offered_where_it_is_open(tmp_path: Path, is_open: bool) -> None:
    with web_server(tmp_path, register={"enabled": True, "open": is_open}) as site:
        assert settings_in(get(site, "/chat"))["allow_registration"] is is_open


def test_guests_come_in_where_they_are_let_in(tmp_path: Path) -> None:
    with web_server(tmp_path, guests={"enabled": True}) as site:
        assert '<a href="/guest">' in get(site, "/chat").text
        told = settings_in(get(site, "/guest"))
        assert (told["authentication"], told["auto_login"], told["jid"]) == ("anonymous", True, "localhost")
    with web_server(tmp_path, guests={"enabled": False}) as site:
        assert "/guest" not in get(site, "/chat").text
        assert get(site, "/guest").status == 404


def test_without_rooms_none_are_named(tmp_path: Path) -> None:
    with web_server(tmp_path, rooms={"enabled": False}) as site:
        told = settings_in(get(site, "/chat"))
        assert (told["muc_domain"], told["muc_search_service"]) == (None, "")


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    with web_server(tmp_path, web_client={"enabled": False}) as site:
        assert get(site, "/chat").status == 404
        assert get(site, f"{FOLDER}/converse.min.js").status == 404
        assert "/chat" not in get(site, "/").text


def test_nothing_is_asked_of_anybody_else(site: Site) -> None:
    page = get(site, "/chat")
    assert not [each for each in settings_in(page).values() if isinstance(each, str) and "://" in each]
    policy = dict(each.strip().split(" ", 1) for each in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    host = f"localhost:{site.listener.ports['HTTP']}"
    with browser(site, host=host) as connection:
        policy_there = connection.ask("GET", "/chat").headers["content-security-policy"]
    assert f"connect-src 'self' ws://{host} wss://{host} http://{host};" in policy_there


def test_row_42_no_value_of_the_address_gets_into_the_page(site: Site) -> None:
    evil = "%3Cscript%3Ealert(1)%3C/script%3E"
    assert get(site, f"/chat?jid={evil}&{evil}={evil}").text == get(site, "/chat").text
    assert get(site, f"/chat/{evil}").status == 404


def test_row_42_the_name_of_the_service_is_text(tmp_path: Path) -> None:
    with web_server(tmp_path, disco={"name": 'Tom & "Jerry" onload='}) as site:
        page = get(site, "/chat").text
        assert "<h1 class=\"text-center\">Tom &amp; &#34;Jerry&#34; onload=</h1>" in page


def test_where_there_are_no_pages_the_client_is_what_people_find(tmp_path: Path) -> None:
    with web_server(tmp_path, pages={"enabled": False}) as site:
        assert get(site, "/").headers["location"] == "/chat"
    with web_server(tmp_path, pages={"enabled": False}, web_client={"enabled": False}) as site:
        assert get(site, "/").status == 404


def test_no_script_stands_in_the_page(site: Site) -> None:
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", get(site, "/chat").text, re.DOTALL)
    assert len(scripts) == 2
    assert all(" src=" in attributes and not content for attributes, content in scripts)
