"""nginx in front, with the configurations of docs/proxies.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.browsing import Browser, web_server
from tests.harness.bulk import Bulk
from tests.harness.proxies import (
    STREAM_MODULE,
    BoshThrough,
    StreamThrough,
    WebSocketThrough,
    adapted,
    address_of_login,
    connection,
    documented,
    documented_settings,
    free_port,
    mirror,
    needs,
    nginx,
    nginx_in_front_of,
    secured,
    site_of_nginx,
)
from web.bosh import endpoint
from web.site import Site
from web.websocket import handshake
from xmpp.stream.tls.tls import HTTP

pytestmark = needs("nginx")


@contextmanager
def in_front_of(site: Site, folder: Path) -> Iterator[int]:
    """nginx; the port on which it listens."""
    with nginx_in_front_of(site.listener.ports["HTTP"], folder) as port:
        yield port


def test_requests_come_with_the_address_of_their_client(tmp_path: Path) -> None:
    with web_server(tmp_path, [mirror]) as site, in_front_of(site, tmp_path) as port:
        asking = Browser.over(connection(port, "127.0.0.9"), [HTTP])
        assert asking.ask("GET", "/who").text == "127.0.0.9 True True"
        assert asking.ask("GET", "/nothing").status == 404


def test_websockets_come_with_the_address_of_their_client(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with (
        web_server(tmp_path, [handshake.part]) as site,
        in_front_of(site, tmp_path) as port,
        WebSocketThrough(port, "127.0.0.7") as stream,
    ):
        assert address_of_login(stream, caplog) == "127.0.0.7"
        assert stream.binds("balcony") == "juliet@localhost/balcony"


def test_what_bosh_holds_comes_at_once_and_with_the_address_of_its_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
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


@pytest.mark.parametrize("direction", ["comes_as_it_is_read", "goes_as_it_is_taken"])
def test_a_large_file_is_passed_on_and_not_gathered(tmp_path: Path, direction: str) -> None:
    bulk = Bulk()
    with web_server(tmp_path, [bulk.part]) as site, in_front_of(site, tmp_path) as port:
        getattr(bulk, direction)(secured(connection(port, "127.0.0.9"), HTTP))


@pytest.mark.parametrize(
    "claim",
    [
        {"X-Forwarded-For": "198.51.100.66"},
        {"Forwarded": "for=198.51.100.66;proto=https"},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http"},
    ],
)
def test_row_150_what_a_client_claims_does_not_get_through(tmp_path: Path, claim: dict[str, str]) -> None:
    with web_server(tmp_path, [mirror]) as site, in_front_of(site, tmp_path) as port:
        asking = Browser.over(connection(port, "127.0.0.9"), [HTTP])
        assert asking.ask("GET", "/who", headers=claim).text == "127.0.0.9 True True"


@pytest.mark.skipif(not STREAM_MODULE.exists(), reason="libnginx-mod-stream is not installed")
def test_one_port_is_for_xmpp_and_web_sites(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    listen = {"proxied": tuple(documented_settings("xserv.toml: nginx in front of tls_port")["listen"]["proxied"])}
    with web_server(tmp_path, [mirror], listen) as site:
        port, behind = free_port(), free_port()
        top = adapted(
            documented("/etc/nginx/nginx.conf, beside http { }"),
            {
                "listen 443": f"listen 127.0.0.1:{port}",
                ":5223": f":{site.listener.ports['TLS']}",
                ":8443": f":{behind}",
            },
        )
        lines = adapted(documented("in each server { }, in place of the two lines with 443"), {":8443": f":{behind}"})
        http = site_of_nginx(site.listener.ports["HTTP"], tmp_path, {"    listen 443 ssl;\n": lines})
        with nginx(tmp_path, port, http=http, top=top):
            with StreamThrough(port, "127.0.0.7", is_direct=True) as stream:
                assert address_of_login(stream, caplog) == "127.0.0.7"
            asking = Browser.over(connection(port, "127.0.0.9"), [HTTP])
            assert asking.ask("GET", "/who").text == "127.0.0.9 True True"
