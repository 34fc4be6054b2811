"""The page of a demo: two people side by side, for whoever has its address, and for nobody who has not."""

import json
import re
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from handlers.login import accounts
from tests.harness.browsing import browser, get, web_server
from tests.harness.rawclient import RawClient
from tests.harness.servers import DEMO, RunningServer, ServerDied
from web import demo
from web.parts import PARTS
from web.site import Site
from xmpp.data.jid import JID

JULIET, ROMEO = JID.parse("juliet@localhost"), JID.parse("romeo@localhost")
ADDRESS = re.compile(r"Open http://localhost:(\d+)(/demo/\S+) in a browser")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with web_server(tmp_path, [*PARTS, demo.part]) as site:
        accounts.create(site.server, ROMEO, "a rose")
        stage = site.server.state(demo.Stage)
        stage.passwords, stage.room = {JULIET: "secret", ROMEO: "a rose"}, JID.parse("verona@rooms.localhost")
        yield site


def path(site: Site) -> str:
    return "/" + demo.address(site).split("/", 3)[3]


def test_the_page_shows_two_people_side_by_side(site: Site) -> None:
    page = get(site, path(site))
    assert page.status == 200
    assert re.findall(r'<iframe src="([^"]+)"', page.text) == [f"{path(site)}/juliet", f"{path(site)}/romeo"]


def test_each_frame_logs_somebody_in_and_enters_the_room(site: Site) -> None:
    frame = get(site, f"{path(site)}/romeo")
    found = re.search(r'data-settings="([^"]*)"', frame.text)
    assert found
    told = json.loads(unescape(found[1]))
    assert (told["jid"], told["password"], told["auto_join_rooms"]) == (ROMEO, "a rose", ["verona@rooms.localhost"])
    assert frame.headers["content-security-policy"].endswith("frame-ancestors 'self'")
    assert get(site, f"{path(site)}/mercutio").status == 404


def test_who_has_not_got_its_address_sees_none_of_it(site: Site) -> None:
    for target in ("/demo/guessed", "/demo/guessed/juliet", "/demo"):
        assert get(site, target).status == 404
    through_a_proxy = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    with browser(site) as connection:
        assert connection.ask("GET", f"{path(site)}/juliet", headers=through_a_proxy).status == 404


def test_only_a_demo_has_it(tmp_path: Path) -> None:
    with web_server(tmp_path) as site:
        assert not site.has("demo")
        assert get(site, path(site)).status == 404


def test_a_demo_says_where_it_is_and_has_a_room_with_a_greeting() -> None:
    with RunningServer(*DEMO) as server:
        port = server.port_for("HTTP")
        [(shown, _)] = ADDRESS.findall(server.wait_for("in a browser"))
        assert int(shown) == port
        password = re.findall(r"Account juliet@localhost with password (\S+)", "\n".join(server.said))[0]
        with RawClient(server.port) as client:
            client.open()
            client.authenticate("juliet", password)
            client.bind("balcony")
            muc = "<x xmlns='http://jabber.org/protocol/muc'/>"
            client.send(f"<presence to='masquerade@rooms.localhost/juliet'>{muc}</presence>")
            subjects = [found for each in client.comes_before_pong() for found in each.iter("{jabber:client}subject")]
            assert [subject.text for subject in subjects] == ["Welcome! Whatever you write here, both of you see."]


def test_a_demo_whose_accounts_were_there_before_has_no_page(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    with RunningServer(*DEMO, *data) as server:
        server.wait_for("Ctrl-C")
    with RunningServer(*DEMO, *data) as server:
        server.wait_for("Ctrl-C")
        assert not ADDRESS.search("\n".join(server.said))


def test_a_demo_takes_another_port_for_browsers_where_the_usual_one_is_taken() -> None:
    ports = ("--port", "0", "--tls-port", "0")
    with RunningServer("demo", *ports) as first, RunningServer("demo", *ports) as second:
        assert first.port_for("HTTPS") != second.port_for("HTTPS")
        assert first.port_for("HTTP") != second.port_for("HTTP")


def test_a_demo_keeps_to_the_ports_of_its_configuration(tmp_path: Path) -> None:
    with RunningServer(*DEMO) as first:
        taken = first.port_for("HTTP")
        (tmp_path / "xserv.toml").write_text(f"[listen]\nhttp_port = {taken}\nhttps_port = 0\n")
        with pytest.raises(ServerDied, match=f"http-port: cannot listen on 127.0.0.1:{taken}"):
            RunningServer("demo", "--port", "0", "--tls-port", "0", "--config", str(tmp_path / "xserv.toml"))


# -- in the browser


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desktop with a browser, which prints what it is to open."""
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\necho The browser shows $1\n")
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")


@pytest.mark.usefixtures("desktop")
@pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_a_demo_opens_the_address_that_it_prints_where_there_is_a_desktop(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.setenv(variable, "0")
    with RunningServer(*DEMO) as server:
        opened = server.wait_for("The browser shows").split()[-1]
        [(port, path)] = ADDRESS.findall("\n".join(server.said))
        assert opened == f"http://localhost:{port}{path}"


SHOWING = """
import xserv, webbrowser
webbrowser.open = lambda address: print("The browser shows", address, flush=True)
xserv.main()
"""


@pytest.mark.parametrize(
    ("options", "display", "is_opened"), [((), ":0", True), (("--no-browser",), ":0", False), ((), "", False)]
)
def test_it_opens_nothing_where_that_is_not_wanted_or_there_is_no_desktop(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], display: str, is_opened: bool
) -> None:
    """What would open it says so at once, before any client is served."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    with RunningServer(*DEMO, *options, command=(sys.executable, "-c", SHOWING)) as server:
        server.wait_for("in a browser")
        with RawClient(server.port) as client:
            client.open()
        assert server.terminate() == 0
        with pytest.raises(ServerDied) as all_it_said:
            server.wait_for("the end")
        assert ADDRESS.search(str(all_it_said.value))
        assert ("The browser shows http" in str(all_it_said.value)) == is_opened
