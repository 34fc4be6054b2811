"""How clients in browsers find WebSocket and BOSH (XEP-0156), and what is published beyond that (XEP-0487)."""

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.harness.browsing import Got, browser, get, web_server
from tests.harness.commandline import succeeds
from web.host_meta import HostMetaSettings, as_json, as_xrd, links, pasted
from web.parts import PARTS
from web.site import Site

PATH = "/.well-known/host-meta"
ADDRESS = {"address": "https://chat.example.org"}
BOTH = {
    "urn:xmpp:alt-connections:xbosh": "https://chat.example.org/http-bind",
    "urn:xmpp:alt-connections:websocket": "wss://chat.example.org/xmpp-websocket",
}
WHOLE = {"ips": ("9.9.9.9", "2620:fe::fe"), "ttl": 300, "priority": 10, "weight": 50, "sni": "example.org"}


def named(got: Got) -> dict[str, str]:
    """The links in either form."""
    if got.headers["content-type"].startswith("application/json"):
        return {each["rel"]: each["href"] for each in json.loads(got.content)["links"]}
    root = etree.fromstring(got.content)
    assert root.tag == "{http://docs.oasis-open.org/ns/xri/xrd-1.0}XRD"
    return {str(each.get("rel")): str(each.get("href")) for each in root}


@pytest.mark.parametrize("path", [PATH, f"{PATH}.json"])
def test_both_forms_name_websocket_and_bosh(tmp_path: Path, path: str) -> None:
    with web_server(tmp_path, web=ADDRESS) as site:
        got = get(site, path, Origin="https://elsewhere.example")
    assert (got.status, got.headers["access-control-allow-origin"]) == (200, "*")
    assert named(got) == BOTH


def test_the_forms_have_types_of_their_own(tmp_path: Path) -> None:
    with web_server(tmp_path, web=ADDRESS) as site:
        types = [get(site, path).headers["content-type"] for path in (PATH, f"{PATH}.json")]
    assert types == ["application/xrd+xml; charset=utf-8", "application/json; charset=utf-8"]


@pytest.mark.parametrize(("off", "left"), [("bosh", "websocket"), ("websocket", "xbosh")])
def test_what_is_off_is_not_named(tmp_path: Path, off: str, left: str) -> None:
    parts = [part for part in PARTS if part.name != off]
    with web_server(tmp_path, parts, web=ADDRESS) as site:
        assert list(named(get(site, PATH))) == [f"urn:xmpp:alt-connections:{left}"]


def test_what_has_no_tls_is_not_named(tmp_path: Path) -> None:
    with web_server(tmp_path) as site:
        assert site.base("localhost").startswith("http:")
        assert [named(get(site, path)) for path in (PATH, f"{PATH}.json")] == [{}, {}]


def test_what_is_named_is_there(tmp_path: Path) -> None:
    with web_server(tmp_path, web=ADDRESS) as site, browser(site) as connection:
        for address in named(get(site, PATH)).values():
            got = connection.ask("OPTIONS", address.partition("chat.example.org")[2])
            assert got.status == 204


def test_each_domain_has_its_own(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"server": {"domains": ["localhost", "example.org"]}}
    address = {"address": "https://{domain}"}
    with web_server(tmp_path, web=address, **settings) as site, browser(site, host="example.org") as connection:
        found = named(connection.ask("GET", PATH))
    assert found["urn:xmpp:alt-connections:xbosh"] == "https://example.org/http-bind"


# -- XEP-0487


def whole_json(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(get(site, f"{PATH}.json").content)
    return found


def test_nothing_replaces_the_dns_unless_everything_is_given(tmp_path: Path) -> None:
    for number, missing in enumerate(["", *WHOLE]):
        folder = tmp_path / str(number)
        folder.mkdir()
        given = {key: value for key, value in WHOLE.items() if key != missing and missing}
        with web_server(folder, web=ADDRESS, host_meta=given) as site:
            found = whole_json(site)
        assert "xmpp" not in found
        assert [sorted(link) for link in found["links"]] == [["href", "rel"], ["href", "rel"]]


def test_all_that_is_given_stands_at_each_link(tmp_path: Path) -> None:
    with web_server(tmp_path, web=ADDRESS, host_meta=WHOLE) as site:
        found = whole_json(site)
        tls = site.listener.ports["everything"]
    assert found["xmpp"] == {"ttl": 300}
    more = {"ips": list(WHOLE["ips"]), "priority": 10, "weight": 50, "sni": "example.org"}  # type: ignore[call-overload]
    assert found["links"] == [
        *({"rel": relation, "href": address, **more} for relation, address in BOTH.items()),
        {"rel": "urn:xmpp:alt-connections:tls", "port": tls, **more},
    ]


# -- what is pasted elsewhere


def test_what_is_pasted_is_what_is_published() -> None:
    text = pasted("example.org", "https://chat.example.org", lambda part: True)
    found = links("https://chat.example.org", lambda part: True)
    assert found == BOTH
    assert as_xrd(found) in text
    assert as_json(found, HostMetaSettings()) in text
    assert "location ^~ /.well-known/host-meta {" in text
    assert "proxy_pass https://chat.example.org;" in text
    assert "reverse_proxy /.well-known/host-meta* https://chat.example.org {" in text


def test_an_address_is_escaped() -> None:
    found = links('https://a"b', lambda part: True)
    assert etree.fromstring(as_xrd(found).encode())[0].get("href") == 'https://a"b/http-bind'


def test_a_command_prints_what_to_paste(tmp_path: Path) -> None:
    file = tmp_path / "xserv.toml"
    file.write_text(
        '[server]\ndomains = ["example.org", "localhost"]\n[websocket]\nenabled = false\n', encoding="utf-8"
    )
    printed = succeeds("config", "host-meta", "--config", str(file), "--data", str(tmp_path))
    assert 'href="https://example.org:5281/http-bind"' in printed
    assert "websocket" not in printed
    assert "localhost: there is nothing that clients in browsers could find" in printed
