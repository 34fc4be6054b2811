"""A server for several domains: two in ASCII, and one that is not."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from db import accounts
from tests.harness.in_process import server_in
from xmpp.data.jid import JID
from xmpp.server import Server

A, B, IDN = "a.example", "b.example", "bücher.example"
DOMAINS = (A, B, IDN)
NAMES = ("juliet", "romeo")


@contextmanager
def hosting(folder: Path, /, **settings: Any) -> Iterator[Server]:
    """A server that does not listen, with juliet and romeo at each of the DOMAINS."""
    chosen: dict[str, Any] = {**settings, "server": {"domains": list(DOMAINS), **settings.get("server", {})}}
    with server_in(folder, **chosen) as server:
        add_people(server)
        yield server


def add_people(server: Server) -> None:
    for domain in server.domains:
        for name in NAMES:
            accounts.create(server.db, JID.of(name, domain), {}, time.time())
