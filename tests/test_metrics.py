"""/metrics, /healthz and /readyz: what they tell, and whom."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from sqlite3 import connect
from time import monotonic
from typing import Any

import gevent
import pytest

from tests.harness.administrators import Administrator, administered
from tests.harness.bosh import BoshClient
from tests.harness.browsing import Browser, Got, browser, get, web_server
from tests.harness.openmetrics import Read, read
from tests.harness.streams import Stream
from tests.harness.websockets import WebSocketClient
from web import metrics
from web.bosh import endpoint
from web.site import Site
from web.websocket import handshake
from xmpp.running import hub_delay
from xmpp.running.hub_delay import HubDelay

PATHS = ("/metrics", "/healthz", "/readyz")
TOKEN = "a token of some length"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with web_server(tmp_path, [metrics.part]) as site:
        yield site


def figures(site: Site) -> dict[str, Read]:
    got = get(site, "/metrics")
    assert got.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    return read(got.text)


def figure(families: dict[str, Read], name: str, suffix: str = "", /, **labels: str) -> float | None:
    return families[name].samples.get((suffix, tuple(labels.items())))


def test_all_figures_are_told_as_openmetrics(site: Site) -> None:
    assert set(figures(site)) == {
        "xserv_sessions",
        "xserv_connections",
        "xserv_stanzas",
        "xserv_stanza_errors",
        "xserv_logins",
        "xserv_server_links",
        "xserv_archive_commit_seconds",
        "xserv_outbox_bytes",
        "xserv_upload_bytes",
        "xserv_hub_delay_seconds",
        "process_cpu_seconds",
        "process_resident_memory_bytes",
    }


def test_the_figures_follow_what_happens(site: Site) -> None:
    before = figures(site)
    assert figure(before, "xserv_sessions", state="connected") == 0
    assert figure(before, "xserv_connections", kind="tcp") == 0
    with Stream(site.server) as stream:
        stream.open()
        assert stream.tries_password("juliet", "wrong") == "not-authorized"
        assert stream.tries_password("juliet", "secret") == "success"
        stream.open()
        assert "@" in stream.binds()
        assert stream.asks_iq("<ping xmlns='urn:xmpp:ping'/>", "get") == "result"
        assert stream.asks_iq("<nonsense xmlns='nonsense'/>", "get") == "service-unavailable"
        stream.send("<message to='juliet@localhost' type='chat' id='one'><body>to all my devices</body></message>")
        stream.asks("<iq type='get' id='last'><ping xmlns='urn:xmpp:ping'/></iq>")
        now = figures(site)
    assert figure(now, "xserv_sessions", state="connected") == 1
    assert figure(now, "xserv_connections", kind="tcp") == 1
    assert figure(now, "xserv_connections", kind="http") == 1
    assert figure(now, "xserv_stanzas", "_total", kind="message", direction="in") == 1
    assert figure(now, "xserv_stanzas", "_total", kind="message", direction="out") == 1
    assert figure(now, "xserv_stanzas", "_total", kind="iq", direction="in") == 3
    assert figure(now, "xserv_stanza_errors", "_total", condition="service-unavailable") == 1
    assert figure(now, "xserv_logins", "_total", result="success", mechanism="PLAIN") == 1
    assert figure(now, "xserv_logins", "_total", result="failure", mechanism="PLAIN") == 1


def test_logins_on_the_administration_page_count(tmp_path: Path) -> None:
    with administered(tmp_path) as site:
        for account, password in (("juliet", "wrong"), ("romeo", "secret"), ("juliet", "secret")):
            Administrator(site).logs_in(account, password)
        now = figures(site)
    page = "the administration page"
    assert figure(now, "xserv_logins", "_total", result="success", mechanism=page) == 1
    assert figure(now, "xserv_logins", "_total", result="failure", mechanism=page) == 2


def test_streams_are_counted_by_what_carries_them(tmp_path: Path) -> None:
    parts = [metrics.part, handshake.part, endpoint.part]
    with (
        web_server(tmp_path, parts) as site,
        Stream(site.server) as tcp,
        WebSocketClient(site) as websocket,
        BoshClient(site) as bosh,
    ):
        for stream in (tcp, websocket, bosh):
            stream.open()
        counted = {labels[0][1]: number for (_, labels), number in figures(site)["xserv_connections"].samples.items()}
    assert (counted["tcp"], counted["websocket"], counted["bosh"]) == (1, 1, 1)


def test_groups_that_get_to_the_disk_are_timed(site: Site) -> None:
    site.server.db.flush()
    before = figure(figures(site), "xserv_archive_commit_seconds", "_count")
    site.server.db.check()  # begins a group
    site.server.db.flush()
    after = figure(figures(site), "xserv_archive_commit_seconds", "_count")
    assert before is not None and after is not None and after > before


def test_what_does_not_get_out_is_counted_in_bytes(tmp_path: Path) -> None:
    large = 20_000_000  # more than the kernel takes
    with (
        web_server(tmp_path, [metrics.part], streams={"unsent_bytes": 2 * large}) as site,
        Stream(site.server) as stream,
    ):
        stream.logs_in()
        assert figure(figures(site), "xserv_outbox_bytes") == 0
        [carried] = site.streams
        carried.write(b" " * large)
        assert 0 < (figure(figures(site), "xserv_outbox_bytes") or 0) < large


def test_the_loop_is_watched_from_time_to_time_until_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_delay, "EVERY_SECONDS", 0.02)
    delay, looks = HubDelay(), [monotonic()]
    done = gevent.event.Event()

    def is_over() -> bool:
        looks.append(monotonic())
        if len(looks) == 4:
            done.set()
        return done.is_set()

    delay.start(until=is_over)
    assert done.wait(timeout=60)
    assert sum(delay.durations.counts) == 2
    assert min(later - earlier for earlier, later in pairwise(looks)) > 0.01


def test_those_who_know_only_the_older_format_get_that(site: Site) -> None:
    got = get(site, "/metrics", Accept="text/plain;version=0.0.4")
    assert got.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE xserv_logins_total counter\n" in got.text
    newer = get(site, "/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
    assert read(newer.text)


def test_no_label_names_a_person_an_address_or_a_domain(site: Site) -> None:
    with Stream(site.server) as stream:
        stream.logs_in()
        stream.binds("balcony")
        stream.send("<message to='romeo@montague.example'/>")
        stream.asks_iq("<ping xmlns='urn:xmpp:ping'/>", "get")
        told = get(site, "/metrics").text
    for name in ("juliet", "balcony", "localhost", "montague", "127.0.0.1", site.server.default_domain):
        assert name not in told


def test_while_thousands_are_counted_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "AT_ONCE", 2)
    turns = 0

    def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    assert list(metrics._unhurried(range(6))) == [0, 1, 2, 3, 4, 5]
    assert turns >= 3
    other.kill()


# -- who may ask


def test_row_151_only_this_machine_is_told_and_nobody_through_a_proxy(tmp_path: Path) -> None:
    with web_server(tmp_path, [metrics.part]) as site:
        for path in PATHS:
            assert get(site, path).status == 200
            for sign in ({"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=_hidden"}, {"Via": "1.1 Caddy"},
                         {"X-Real-IP": "203.0.113.9"}, {"X-Forwarded-For": "203.0.113.9"}):  # fmt: skip
                with browser(site) as connection:
                    headers = {"X-Forwarded-Proto": "https", **sign}
                    assert connection.ask("GET", path, headers=headers).status == 404
    with web_server(tmp_path, [metrics.part], {"proxied": ("http_port",)}) as site:
        for path in PATHS:
            assert asked(site, path, "PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n").status == 403
            assert asked(site, path, "PROXY UNKNOWN\r\n").status == 200  # as health checks come


def test_row_151_a_token_opens_it_to_whoever_knows_it(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"token": TOKEN, "addresses": ()}
    with web_server(tmp_path, [metrics.part], metrics=settings) as site:
        for path in PATHS:
            for wrong in (None, f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN[:-1]}", "Bearer \xff"):
                refused = get(site, path, **({"Authorization": wrong} if wrong else {}))
                assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert get(site, path, Authorization=f"Bearer {TOKEN}").status == 200
            # not where others could listen
            fields = {"Authorization": f"Bearer {TOKEN}", "X_Forwarded_For": "203.0.113.9"}
            assert get(site, path, **fields, X_Forwarded_Proto="http").status == 403
            assert get(site, path, **fields, X_Forwarded_Proto="https").status == 200


def test_without_a_token_and_an_address_nobody_is_told(tmp_path: Path) -> None:
    with web_server(tmp_path, [metrics.part], metrics={"addresses": ()}) as site:
        for path in PATHS:
            for authorization in ("Bearer", "Bearer "):
                assert get(site, path, Authorization=authorization).status == 404


@pytest.mark.parametrize("settings", [{"token": "short"}, {"addresses": ("localhost",)}])
def test_settings_that_could_not_protect_anything_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="expected"), web_server(tmp_path, [metrics.part], metrics=settings):
        pass


def asked(site: Site, path: str, header: str) -> Got:
    with gevent.socket.create_connection(("127.0.0.1", site.listener.ports["HTTP"]), timeout=30) as sock:
        sock.sendall(header.encode())
        return Browser.over(sock).ask("GET", path)


# -- whether it is well


def test_it_is_not_ready_while_nothing_can_be_written(site: Site, tmp_path: Path) -> None:
    assert get(site, "/readyz").text == "ok\n"
    site.server.db.flush()
    other = connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    got = get(site, "/readyz")
    assert got.status == 503
    assert got.text.startswith("database: ")
    assert get(site, "/healthz").status == 200
    other.execute("ROLLBACK")
    assert get(site, "/readyz").status == 200


@pytest.mark.parametrize(("days", "status"), [(-1, 503), (6, 503), (8, 200)])
def test_it_is_not_ready_with_a_certificate_that_is_about_to_expire(site: Site, days: int, status: int) -> None:
    assert site.listener._tls is not None
    site.listener._tls.valid_until = until = datetime.now(UTC) + timedelta(days=days)
    got = get(site, "/readyz")
    assert got.status == status
    if status == 503:
        assert got.text == f"certificate: valid until {until:%Y-%m-%d %H:%M} UTC\n"
