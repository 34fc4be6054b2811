"""nginx in front of XMPP as well, with the configuration of docs/proxies.md."""

from pathlib import Path

import pytest

from tests.harness.browsing import Browser, web_server
from tests.harness.ports import free_port
from tests.harness.proxies import (
    STREAM_MODULE,
    StreamThrough,
    adapted,
    address_of_login,
    connection,
    documented,
    documented_settings,
    mirror,
    needs,
    nginx,
    site_of_nginx,
)
from xmpp.stream.tls.contexts import HTTP

pytestmark = needs("nginx")


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
