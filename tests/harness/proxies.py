"""nginx, Caddy and HAProxy in front of a server in the test, with the configuration that docs/proxies.md gives."""

import itertools
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket, ssl

from tests.harness.bosh import BoshClient
from tests.harness.browsing import Browser
from tests.harness.certificates import issue, key_pem, pem, write
from tests.harness.ports import free_port
from tests.harness.servers import ROOT
from tests.harness.streams import Stream
from tests.harness.websockets import HEADERS, WebSocketClient
from web.http.messages import Answer, Request, text
from web.part import Part
from web.site import Site
from xmpp.stream.tls.contexts import HTTP, XMPP

PATIENCE = 60.0  # seconds; only a proxy that hangs takes that long
DOCUMENTED = re.compile(r"^```(\w+)\n# ([^\n]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
NGINX = """\
{modules}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
{top}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""


mirror = Part("mirror", optional=False)


@mirror.get("/who")
def who(site: Site, request: Request) -> Answer:
    """Tell the client what is known of it."""
    return text(f"{request.client} {request.is_secure} {request.is_forwarded}")


def connection(port: int, source: str) -> Any:
    """A connection to this port from an address on loopback, which the proxy knows the client by."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0))


def secured(sock: Any, protocol: str) -> Any:
    """The same over TLS, in which this protocol is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(sock, server_hostname="localhost")


class StreamThrough(Stream):
    """A stream over TCP through a proxy that listens on this port; over TLS from the first byte if `is_direct`."""

    def __init__(self, port: int, source: str, *, is_direct: bool) -> None:
        self._ids = itertools.count()
        self._elements = iter(())
        self._domain, self.claims = "localhost", ""
        sock = connection(port, source)
        self._socket = secured(sock, XMPP) if is_direct else sock


class WebSocketThrough(WebSocketClient):
    """A stream over WebSocket through a proxy that speaks HTTP over TLS on this port."""

    def __init__(self, port: int, source: str) -> None:
        self._ids = itertools.count()
        self._data = b""
        self._elements = iter(())
        self.opened, self.code, self.has_close = {}, None, False
        self._socket = secured(connection(port, source), HTTP)
        self.head = self._shakes_hands("GET", "/xmpp-websocket", HEADERS, b"")


class BoshThrough(BoshClient):
    """A stream over BOSH through a proxy that speaks HTTP over TLS on this port."""

    def __init__(self, site: Site, port: int, source: str) -> None:
        super().__init__(site)
        self._port, self._source = port, source

    def _connect(self) -> Browser:
        return Browser.over(secured(connection(self._port, self._source), HTTP))


def address_of_login(stream: Stream, caplog: pytest.LogCaptureFixture) -> str:
    """Log in; returns the address that the server has logged."""
    caplog.clear()
    stream.logs_in()
    [said] = [line for line in caplog.messages if line.startswith("login of ")]
    return said.partition(" from ")[2].partition(" ")[0]


def needs(program: str) -> pytest.MarkDecorator:
    """Skip where this program is not installed."""
    return pytest.mark.skipif(_found(program) is None, reason=f"{program} is not installed")


def documented(first_line: str) -> str:
    """The configuration in docs/proxies.md that begins with this comment."""
    text = (ROOT / "docs" / "proxies.md").read_text(encoding="utf-8")
    [found] = [content for _, line, content in DOCUMENTED.findall(text) if line == first_line]
    return str(found)


def documented_settings(first_line: str) -> dict[str, Any]:
    """The same as settings of xserv, by section."""
    return tomllib.loads(documented(first_line))


def adapted(configuration: str, changes: Mapping[str, str]) -> str:
    """A configuration for this machine: each of these texts has to be there. IPv6 is left out."""
    lines = [line for line in configuration.splitlines(keepends=True) if "[::]" not in line]
    seen = set()

    def change(found: re.Match[str]) -> str:
        seen.add(found[0])
        return changes[found[0]]

    changed = re.sub("|".join(rf"{re.escape(each)}(?!\d)" for each in changes), change, "".join(lines))
    assert seen == set(changes)
    return changed


class Certificate:
    """A certificate for localhost: the files of its `chain`, its `key`, and of `both`."""

    def __init__(self, folder: Path) -> None:
        chain, key = pem(issue(names=["localhost"])), key_pem()
        self.chain = write(folder / "chain.pem", chain)
        self.key = write(folder / "key.pem", key)
        self.both = write(folder / "both.pem", chain + key)


@contextmanager
def nginx(folder: Path, port: int, *, http: str = "", top: str = "") -> Iterator[None]:
    """nginx with this within `http { }`, and with that beside it."""
    file = folder / "nginx.conf"
    modules = f"load_module {STREAM_MODULE};" if top else ""
    file.write_text(NGINX.format(folder=folder, http=http, top=top, modules=modules))
    with _running(folder, port, "nginx", "-p", str(folder), "-c", str(file)):
        yield


def site_of_nginx(port: int, folder: Path, changes: Mapping[str, str]) -> str:
    """The documented web site that is passed on to this port for HTTP; `changes` say where it listens."""
    certificate, letsencrypt = Certificate(folder), "/etc/letsencrypt/live/chat.example.org"
    return adapted(
        documented("/etc/nginx/sites-enabled/chat.example.org"),
        {
            "server_name chat.example.org": "server_name localhost",
            f"{letsencrypt}/fullchain.pem": str(certificate.chain),
            f"{letsencrypt}/privkey.pem": str(certificate.key),
            ":5280": f":{port}",
            **changes,
        },
    )


@contextmanager
def nginx_in_front_of(port: int, folder: Path) -> Iterator[int]:
    """nginx with that web site; the port on which it listens."""
    own = free_port()
    with nginx(folder, own, http=site_of_nginx(port, folder, {"443": f"127.0.0.1:{own}"})):
        yield own


@contextmanager
def caddy(folder: Path, port: int, caddyfile: str) -> Iterator[None]:
    """Caddy, which asks nobody for certificates and can be told nothing."""
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n" + caddyfile)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with _running(folder, port, "caddy", "run", "--config", str(file), "--adapter", "caddyfile", **home):
        yield


@contextmanager
def haproxy(folder: Path, port: int, configuration: str) -> Iterator[None]:
    """HAProxy, in the foreground."""
    file = folder / "haproxy.cfg"
    file.write_text(configuration)
    with _running(folder, port, "haproxy", "-db", "-f", str(file)):
        yield


@contextmanager
def _running(folder: Path, port: int, program: str, *arguments: str, **environment: str) -> Iterator[None]:
    """The program, once it listens on the port; ended at the end."""
    said = folder / f"{program}.log"
    found = _found(program)
    assert found is not None
    with said.open("wb") as output:
        process = subprocess.Popen(
            [found, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        _wait_until_it_listens(process, port, said)
        yield
    finally:
        process.kill()
        process.wait(PATIENCE)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    with gevent.Timeout(PATIENCE):
        while True:
            assert process.poll() is None, said.read_text(errors="replace")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
                return
            except ConnectionRefusedError:
                gevent.sleep(0.02)


def _found(program: str) -> str | None:
    return shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
