"""nginx, Caddy and HAProxy in front, which end TLS: with docs/proxies.md's configurations the same comes through."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import gevent
import pytest

from tests.harness.browsing import Browser, web_server
from tests.harness.bulk import Bulk
from tests.harness.ports import free_port
from tests.harness.proxies import (
    BoshThrough,
    Certificate,
    WebSocketThrough,
    adapted,
    address_of_login,
    caddy,
    connection,
    documented,
    haproxy,
    mirror,
    needs,
    nginx_in_front_of,
    secured,
)
from web.bosh import endpoint
from web.site import Site
from web.websocket import handshake
from xmpp.stream.tls.contexts import HTTP

InFrontOf = Callable[[Site, Path], AbstractContextManager[int]]
"""Starts a proxy in front of a site; gives the port on which it listens."""


def nginx(site: Site, folder: Path) -> AbstractContextManager[int]:
    return nginx_in_front_of(site.listener.ports["HTTP"], folder)


@contextmanager
def with_caddy(site: Site, folder: Path) -> Iterator[int]:
    certificate, port = Certificate(folder), free_port()
    changes = {
        "chat.example.org {": f"https://localhost:{port} {{\n\ttls {certificate.chain} {certificate.key}",
        ":5280": f":{site.listener.ports['HTTP']}",
    }
    with caddy(folder, port, adapted(documented("/etc/caddy/Caddyfile"), changes)):
        yield port


@contextmanager
def with_haproxy(site: Site, folder: Path) -> Iterator[int]:
    certificate, port = Certificate(folder), free_port()
    changes = {
        ":443": f"127.0.0.1:{port}",
        "/etc/haproxy/chat.example.org.pem": str(certificate.both),
        ":5280": f":{site.listener.ports['HTTP']}",
    }
    with haproxy(folder, port, adapted(documented("/etc/haproxy/haproxy.cfg: TLS ends here"), changes)):
        yield port


PROXIES = {"nginx": nginx, "caddy": with_caddy, "haproxy": with_haproxy}


@pytest.fixture(params=[pytest.param(start, id=name, marks=needs(name)) for name, start in PROXIES.items()])
def in_front_of(request: pytest.FixtureRequest) -> InFrontOf:
    started: InFrontOf = request.param
    return started


def test_requests_come_with_the_address_of_their_client(tmp_path: Path, in_front_of: InFrontOf) -> None:
    with web_server(tmp_path, [mirror]) as site, in_front_of(site, tmp_path) as port:
        asking = Browser.over(connection(port, "127.0.0.9"), [HTTP])
        assert asking.ask("GET", "/who").text == "127.0.0.9 True True"
        assert asking.ask("GET", "/nothing").status == 404


def test_websockets_come_with_the_address_of_their_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, in_front_of: InFrontOf
) -> None:
    caplog.set_level("INFO")
    with (
        web_server(tmp_path, [handshake.part]) as site,
        in_front_of(site, tmp_path) as port,
        WebSocketThrough(port, "127.0.0.7") as stream,
    ):
        assert address_of_login(stream, caplog) == "127.0.0.7"
        assert stream.binds("balcony") == "juliet@localhost/balcony"


def test_what_bosh_holds_comes_at_once_and_with_the_address_of_its_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, in_front_of: InFrontOf
) -> None:
    caplog.set_level("INFO")
    with (
        web_server(tmp_path, [endpoint.part]) as site,
        in_front_of(site, tmp_path) as port,
        BoshThrough(site, port, "127.0.0.7") as stream,
    ):
        assert address_of_login(stream, caplog) == "127.0.0.7"
        assert stream.binds("balcony") == "juliet@localhost/balcony"
        held = stream.ask()
        [session] = site.server.online
        session.write(b"<message from='localhost'/>")
        assert stream.answer(held).names == ["message"]


def test_a_client_of_bosh_that_hangs_up_is_missed_at_once(tmp_path: Path, in_front_of: InFrontOf) -> None:
    if in_front_of is with_haproxy:
        pytest.skip("HAProxy waits for the answer, as docs/proxies.md says")
    with (
        web_server(tmp_path, [endpoint.part]) as site,
        in_front_of(site, tmp_path) as port,
        BoshThrough(site, port, "127.0.0.7") as stream,
    ):
        stream.logs_in()
        stream.binds("balcony")
        [manager] = site.server.state(endpoint.Sessions).by_sid.values()
        held = stream.ask()
        with gevent.Timeout(20):  # and not after the 30 seconds for which it would have been held
            while not manager.has_requests:
                gevent.sleep(0.001)
            held.kill()
            stream.hang_up()
            while manager.has_requests:
                gevent.sleep(0.001)


@pytest.mark.parametrize("direction", ["comes_as_it_is_read", "goes_as_it_is_taken"])
def test_a_large_file_is_passed_on_and_not_gathered(tmp_path: Path, direction: str, in_front_of: InFrontOf) -> None:
    bulk = Bulk()
    with web_server(tmp_path, [bulk.part]) as site, in_front_of(site, tmp_path) as port:
        getattr(bulk, direction)(secured(connection(port, "127.0.0.9"), HTTP))


@pytest.mark.parametrize(
    "claim",
    [
        {"X-Forwarded-For": "198.51.100.66"},
        {"Forwarded": "for=198.51.100.66;proto=https"},
        {"Forwarded": "for=_"},
        {"X-Forwarded-Proto": "http"},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http"},
    ],
)
def test_row_150_what_a_client_claims_does_not_get_through(
    tmp_path: Path, claim: dict[str, str], in_front_of: InFrontOf
) -> None:
    with web_server(tmp_path, [mirror]) as site, in_front_of(site, tmp_path) as port:
        asking = Browser.over(connection(port, "127.0.0.9"), [HTTP])
        assert asking.ask("GET", "/who", headers=claim).text == "127.0.0.9 True True"
