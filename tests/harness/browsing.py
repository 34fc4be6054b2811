"""A server with its HTTP side, in the test's process, and a client that sends bytes and reads responses."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h11
from gevent import socket, ssl

from assembly import add_web
from db import accounts as account_records
from db.sqlite.database import Database
from db.sqlite.errors import StorageError
from handlers.login import accounts
from handlers.tables import FEATURES, TABLES
from tests.harness.in_process import configuration
from tests.harness.streams import JULIET, SETTINGS
from web.part import Part
from web.parts import PARTS
from web.site import Site
from xmpp.server import Server
from xmpp.stream.listen_settings import ListenSettings
from xmpp.stream.listener import ClientListener
from xmpp.stream.tls.contexts import HTTP, XMPP
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

LOOPBACK = "127.0.0.1"


@contextmanager
def web_server(
    folder: Path, parts: Iterable[Part] = PARTS, listen: Mapping[str, Any] | None = None, /, **settings: Any
) -> Iterator[Site]:
    """The HTTP side of a server for `localhost` with the account juliet (password "secret"), which listens on ports of
    all kinds on loopback. `settings`: sections of the configuration; `listen`: of its listener."""
    chosen = {name: {**SETTINGS.get(name, {}), **settings.get(name, {})} for name in {*SETTINGS, *settings}}
    ports = dict.fromkeys(("port", "tls_port", "http_port", "https_port", "single_port"), 0)
    with Database(folder / "test.db") as db:
        server = Server(configuration(**chosen), db, FEATURES, TABLES, storage_errors=(StorageError,))
        tls = ServerTLS(TLSSettings(), server.subdomains.by_domain, folder / "certificates", (XMPP, HTTP))
        at = ListenSettings(**{"addresses": (LOOPBACK,), "http_addresses": (LOOPBACK,), **ports, **(listen or {})})
        listener = ClientListener(server, tls, must_be_secure=False, settings=at)
        server.listeners.append(listener)
        site = add_web(server, listener, parts)
        if not account_records.exists(db, JULIET):
            accounts.create(server, JULIET, "secret")
        server.start()
        try:
            yield site
        finally:
            server.stop()


@dataclass(frozen=True)
class Got:
    """A response as it came."""

    status: int
    headers: Mapping[str, str]  # by names in lower case; of several with one name, the last
    content: bytes
    cookies: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.content.decode()


class Browser:
    """One connection to a port of the server; over TLS where `alpn` is given, which may be empty."""

    def __init__(self, port: int, alpn: Iterable[str] | None = None, *, host: str = "localhost") -> None:
        self._speak(socket.create_connection((LOOPBACK, port), timeout=30), alpn, host)

    @classmethod
    def over(cls, sock: Any, alpn: Iterable[str] | None = None, *, host: str = "localhost") -> Self:
        """The same over a connection that there is."""
        self = cls.__new__(cls)
        self._speak(sock, alpn, host)
        return self

    def _speak(self, sock: Any, alpn: Iterable[str] | None, host: str) -> None:
        self.host = host
        self.sock: Any = sock
        if alpn is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if offered := list(alpn):
                context.set_alpn_protocols(offered)
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self._http = h11.Connection(h11.CLIENT)

    def close(self) -> None:
        self.sock.close()

    def ask(
        self, method: str, target: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Got:
        """Send a request and return the response."""
        fields = {"Host": self.host, **({"Content-Length": str(len(content))} if content else {}), **(headers or {})}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        return self.exchange("\r\n".join(lines).encode() + content, method)

    def exchange(self, request: bytes, method: str = "GET") -> Got:
        """Send bytes and return the response; `method` says whether it has content."""
        self.sock.sendall(request)
        return self.response(method)

    def response(self, method: str = "GET") -> Got:
        """Read a response that is not informational."""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        self._http.send(h11.Request(method=method, target="/", headers=[("Host", self.host)]))
        self._http.send(h11.EndOfMessage())
        head = None
        content = []
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(self.sock.recv(65536))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                content.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                named = {name.decode(): value.decode("latin-1") for name, value in head.headers}
                cookies = tuple(value.decode() for name, value in head.headers if name == b"set-cookie")
                return Got(head.status_code, named, b"".join(content), cookies)
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError("hung up in place of a response")


@contextmanager
def browser(site: Site, kind: str = "HTTP", **options: Any) -> Iterator[Browser]:
    """A connection to the port of this kind: HTTP, HTTPS, TLS, STARTTLS or everything."""
    if kind in ("HTTPS", "TLS"):
        options.setdefault("alpn", [HTTP])
    with closing(Browser(site.listener.ports[kind], **options)) as connection:
        yield connection


def get(site: Site, target: str, **headers: str) -> Got:
    """What a GET is answered over plain HTTP. Underscores in the names of headers stand for hyphens."""
    with browser(site) as connection:
        return connection.ask("GET", target, headers={name.replace("_", "-"): each for name, each in headers.items()})


def post_form(site: Site, target: str, form: Mapping[str, str], **headers: str) -> Got:
    """What a form that is sent over plain HTTP is answered."""
    from urllib.parse import urlencode

    named = {name.replace("_", "-"): each for name, each in headers.items()}
    with browser(site) as connection:
        return connection.ask(
            "POST",
            target,
            urlencode(form).encode(),
            {"Content-Type": "application/x-www-form-urlencoded", **named},
        )
