"""HAProxy in front, with the configurations of docs/proxies.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.browsing import Browser, web_server
from tests.harness.bulk import Bulk
from tests.harness.proxies import (
    BoshThrough,
    Certificate,
    StreamThrough,
    WebSocketThrough,
    adapted,
    address_of_login,
    connection,
    documented,
    documented_settings,
    free_port,
    haproxy,
    mirror,
    needs,
    secured,
)
from web.bosh import endpoint
from web.site import Site
from web.websocket import handshake
from xmpp.stream.tls.tls import HTTP

pytestmark = needs("haproxy")


@pytest.mark.parametrize("version", ["send-proxy-v2", "send-proxy"])
def test_what_is_passed_on_unopened_comes_with_its_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, version: str
) -> None:
    caplog.set_level("INFO")
    listen = {"proxied": tuple(documented_settings("xserv.toml: HAProxy in front of everything")["listen"]["proxied"])}
    with web_server(tmp_path, [mirror, handshake.part], listen) as site:
        ports, starttls, tls = site.listener.ports, free_port(), free_port()
        changes = {
            ":5222": f"127.0.0.1:{starttls}",
            ":443": f"127.0.0.1:{tls}",
            ":15222": f":{ports['STARTTLS']}",
            ":15223": f":{ports['TLS']}",
            ":15281": f":{ports['HTTPS']}",
            "send-proxy-v2": version,
        }
        configuration = adapted(documented("/etc/haproxy/haproxy.cfg: unopened"), changes)
        with haproxy(tmp_path, tls, configuration):
            with StreamThrough(starttls, "127.0.0.7", is_direct=False) as stream:
                assert address_of_login(stream, caplog) == "127.0.0.7"
            with StreamThrough(tls, "127.0.0.8", is_direct=True) as stream:
                assert address_of_login(stream, caplog) == "127.0.0.8"
            with WebSocketThrough(tls, "127.0.0.10") as stream:
                assert address_of_login(stream, caplog) == "127.0.0.10"
            page = Browser.over(connection(tls, "127.0.0.9"), [HTTP]).ask("GET", "/who")
            assert page.text == "127.0.0.9 True False"


@contextmanager
def ending_tls_for(site: Site, folder: Path) -> Iterator[int]:
    """HAProxy; the port on which it listens."""
    certificate, port = Certificate(folder), free_port()
    changes = {
        ":443": f"127.0.0.1:{port}",
        "/etc/haproxy/chat.example.org.pem": str(certificate.both),
        ":5280": f":{site.listener.ports['HTTP']}",
    }
    with haproxy(folder, port, adapted(documented("/etc/haproxy/haproxy.cfg: TLS ends here"), changes)):
        yield port


def test_where_it_ends_tls_it_says_who_asks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with web_server(tmp_path, [mirror, handshake.part]) as site, ending_tls_for(site, tmp_path) as port:
        asking = Browser.over(connection(port, "127.0.0.9"), [HTTP])
        assert asking.ask("GET", "/who").text == "127.0.0.9 True True"
        with WebSocketThrough(port, "127.0.0.7") as stream:
            assert address_of_login(stream, caplog) == "127.0.0.7"


@pytest.mark.parametrize(
    "claim", [{"X-Forwarded-For": "198.51.100.66"}, {"Forwarded": "for=_"}, {"X-Forwarded-Proto": "http"}]
)
def test_row_150_what_a_client_claims_does_not_get_through(tmp_path: Path, claim: dict[str, str]) -> None:
    with web_server(tmp_path, [mirror]) as site, ending_tls_for(site, tmp_path) as port:
        asking = Browser.over(connection(port, "127.0.0.9"), [HTTP])
        assert asking.ask("GET", "/who", headers=claim).text == "127.0.0.9 True True"


def test_what_bosh_holds_comes_at_once_and_with_the_address_of_its_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with (
        web_server(tmp_path, [endpoint.part]) as site,
        ending_tls_for(site, tmp_path) as port,
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
    with web_server(tmp_path, [bulk.part]) as site, ending_tls_for(site, tmp_path) as port:
        getattr(bulk, direction)(secured(connection(port, "127.0.0.9"), HTTP))
