"""Servers for different domains in the test's own process, which talk to each other over loopback as any two do.

They find each other by a table in place of DNS, and do without TLS where no certificates are given.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
from gevent import socket

from db.secrets import secret
from db.sqlite.database import Database
from db.sqlite.errors import StorageError
from handlers.login import accounts
from handlers.tables import FEATURES, TABLES
from tests.harness.authority import Authority, Issued
from tests.harness.in_process import Client, configuration, online
from tests.harness.streams import SETTINGS, listener_of
from xmpp.data.jid import JID
from xmpp.federation.dns.dialing import Dialled, NoSuchServer, Unreachable
from xmpp.federation.federation import Federation
from xmpp.federation.roots import Roots
from xmpp.server import Server
from xmpp.stream.listen_settings import PORTS, ListenSettings
from xmpp.stream.listener import ClientListener
from xmpp.stream.tls.contexts import XMPP
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

Servers = tuple[Server, Server]
LOOPBACK = "127.0.0.1"
LISTEN: Mapping[str, Any] = {"addresses": (LOOPBACK,), "port": 0, "tls_port": 0, "server_port": 0, "server_tls_port": 0}
PATIENCE = 30  # seconds, only reached by a test that fails


class Directory:
    """Where the servers of domains are: `ports` by domain. `direct`: those that expect TLS from the first byte.
    `dialled`: the domains in order. `addresses`: how many each has; `connections`: how many were made."""

    def __init__(self) -> None:
        self.direct: set[str] = set()
        self.ports: dict[str, int] = {}
        self.dialled: list[str] = []
        self.addresses, self.connections = 1, 0

    def dial(self, domain: str, sender: str) -> Iterator[Dialled]:
        self.dialled.append(domain)
        if domain not in self.ports:
            raise NoSuchServer("no such server")
        port = self.way_to(self.ports[domain])
        for _ in range(self.addresses):
            try:
                sock = socket.create_connection((LOOPBACK, port), PATIENCE)
            except OSError as error:
                raise Unreachable(f"nobody answers: {error}") from error
            sock.settimeout(None)
            self.connections += 1
            yield Dialled(sock, domain in self.direct, f"{LOOPBACK}:{port}")

    def way_to(self, port: int) -> int:
        """The port to connect to if the server listens at this one."""
        return port


@contextmanager
def federated(
    folder: Path,
    directory: Directory,
    domain: str,
    issued: Issued | None = None,
    authority: Authority | None = None,
    /,
    **settings: Mapping[str, Any],
) -> Iterator[Server]:
    """A server for a domain that talks to others: with the certificate that was issued to it, and trusting this
    authority; or without TLS. Its clients log in without TLS. `listen` among the settings: more of those."""
    chosen = {"sasl": SETTINGS["sasl"], **settings}
    chosen["server"] = {"domains": [domain], **settings.get("server", {})}
    folder.mkdir(exist_ok=True)
    with Database(folder / f"{domain}.db") as db:
        server = Server(configuration(**chosen), db, FEATURES, TABLES, storage_errors=(StorageError,))
        tls = _tls(folder, server, issued) if issued is not None else None
        listen = ListenSettings(**{**LISTEN, **settings.get("listen", {})})
        listener = ClientListener(server, tls, must_be_secure=False, settings=listen)
        roots = Roots([authority.root] if authority is not None else ())
        listener.server_side = Federation(server, secret(db, "dialback"), directory, roots, tls)
        server.listeners.append(listener)
        server.start()
        for address in (domain, *(service for service in server.subdomains.by_address)):
            directory.ports[address] = server_port(server)
        try:
            yield server
        finally:
            server.stop()


def _tls(folder: Path, server: Server, issued: Issued) -> ServerTLS:
    chain = {server.default_domain: issued.write(folder / f"{server.default_domain}.certificate")}
    services = server.subdomains.by_domain
    return ServerTLS(TLSSettings(certificates=chain), services, folder, (XMPP,), with_servers=True)


@contextmanager
def two_servers(
    folder: Path, directory: Directory | None = None, /, **settings: Mapping[str, Any]
) -> Iterator[tuple[Server, Server]]:
    """Servers for a.example and b.example that trust each other without TLS, and can be reached under all their
    services' names."""
    directory, plain = directory or Directory(), {"without_tls": trusted("a.example", "b.example")}
    with ExitStack() as opened:
        federation = {**plain, **settings.pop("federation", {})}
        first, second = (
            opened.enter_context(federated(folder, directory, domain, federation=federation, **settings))
            for domain in ("a.example", "b.example")
        )
        yield first, second


def trusted(*domains: str) -> list[str]:
    """The domains and those of their services."""
    return [f"{label}{domain}" for domain in domains for label in ("", "rooms.", "pubsub.", "upload.")]


def server_port(server: Server) -> int:
    """Where other servers reach it."""
    return listener_of(server).ports[PORTS["server_port"]]


def federation_of(server: Server) -> Federation:
    """What it has to do with others."""
    side = listener_of(server).server_side
    assert isinstance(side, Federation)
    return side


# -- what is under way


def settle(servers: Iterable[Server]) -> None:
    """Wait until each has taken what the others have sent, and all that came of it. Yields."""
    with gevent.Timeout(PATIENCE):
        while not all(map(_is_settled, servers)):
            gevent.sleep(0)


def _is_settled(server: Server) -> bool:
    """True if nothing is left to do, and the others have confirmed all that they were sent: they do that once they have
    done what that takes."""
    federation = federation_of(server)
    is_heard = not any(stream.waiting for stream in federation.streams)
    return is_heard and not federation.queued and not server.portions.are_left


# -- people


def somebody(server: Server, address: str) -> Client:
    """Somebody who is logged in, and available."""
    jid = JID.parse(address)
    accounts.create(server, jid.bare, "secret")
    return online(server, address)


def next_of(client: Client, kind: str = "") -> str:
    """The next stanza of this kind that a client gets; others are passed over."""
    return all_until(client, lambda stanza: stanza.startswith("<" + kind))[-1]


def all_until(client: Client, is_last: Callable[[str], bool]) -> list[str]:
    """What a client gets up to this stanza; what has come after it is gone."""
    came: list[str] = []
    with gevent.Timeout(30):
        while not any(map(is_last, came)):
            gevent.sleep(0.002)
            came += client.received()
    return came[: list(map(is_last, came)).index(True) + 1]
