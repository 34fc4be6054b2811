"""HAProxy in front, which passes on what it does not open, with the configuration of docs/proxies.md."""

from pathlib import Path

import pytest

from tests.harness.browsing import Browser, web_server
from tests.harness.ports import free_port
from tests.harness.proxies import (
    StreamThrough,
    WebSocketThrough,
    adapted,
    address_of_login,
    connection,
    documented,
    documented_settings,
    haproxy,
    mirror,
    needs,
)
from web.websocket import handshake
from xmpp.stream.tls.contexts import HTTP

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
