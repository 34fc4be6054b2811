"""A server inside the test, without sockets: its sessions write to lists, so that a test sees all they are sent."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from assembly import sections
from db import accounts, rosters
from db.sqlite.database import Database, Row
from db.sqlite.errors import StorageError
from db.sqlite.queries import Prepared
from handlers.tables import FEATURES, TABLES
from xmpp.config.configuration import Configuration
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.routing.ownership import Elsewhere
from xmpp.routing.session import Session
from xmpp.running.handling import Handled
from xmpp.running.tickets import Ticket
from xmpp.server import Server

FOR_EVER = 1_000_000.0  # for what ends by its number of steps, however slow the machine is


class Client:
    """One resource that is logged in: `sends` hands its session a stanza, `received` returns what came.

    `ticket` is that of what was stored when its last stanza was handled, None where that was nothing.
    """

    def __init__(self, server: Server, address: str) -> None:
        self.jid = JID.parse(address)
        self.account = self.jid.bare
        self.closed_with: StreamError | None = None
        self.ticket: Ticket | None = None
        self._inbox: list[str] = []
        self.server = server
        self.session = Session(server, self.jid, accounts.identity(server.db, self.account) or "", connection=self)
        server.online.add(self.session)

    def sends(self, text: str) -> list[str]:
        """Handle a stanza of this client; returns what it received itself."""
        with Handled() as handled:
            self.session.handle(parse(text.encode()))
        self.ticket = handled.ticket
        return self.received()

    def asks(self, payload: str, *, type: str = "get", to: str = "") -> str:
        """Send a request: the content of its result, or the condition of its error. All else that came is dropped."""
        address = f" to='{to}'" if to else ""
        received = self.sends(f"<iq type='{type}' id='q'{address}>{payload}</iq>")
        [answer] = [stanza for stanza in received if stanza.startswith("<iq ") and ' id="q"' in stanza]
        return content_of(answer)

    def received(self) -> list[str]:
        """All that was written to this client since the last time, each stanza as `xml` gives it."""
        inbox, self._inbox = self._inbox, []
        return inbox

    def write(self, data: bytes) -> None:
        self._inbox.append(xml(data.decode()))

    write_ahead = write

    peer = "127.0.0.1"
    carrier = "tcp"
    has_room = True

    def when_room(self, act: Callable[[], None]) -> None:
        if self.has_room:
            act()

    def close(self, error: StreamError | None = None) -> None:
        self.closed_with = error

    def detach(self, error: StreamError) -> None:
        self.closed_with = error

    def drop(self, reason: Exception) -> None:
        raise AssertionError(f"it is given up: {reason}")

    @property
    def its_session(self) -> Session:
        return self.session


def online(server: Server, address: str) -> Client:
    """Somebody who is available, by the full address."""
    client = Client(server, address)
    client.sends("<presence/>")
    return client


def xml(text: str) -> str:
    """The canonical form: namespaces, then attributes in order, and no short form of empty elements."""
    canonical: str = etree.canonicalize(text)
    return canonical


def content_of(answer: str) -> str:
    """What a result contains, or the condition of an error."""
    element = parse(answer.encode())
    if element.get("type") == "error":
        return str(element[0][0].tag).rpartition("}")[2]
    assert element.get("type") == "result"
    return answer.partition(">")[2].removesuffix("</iq>") if len(element) else ""


def configuration(**settings: Mapping[str, Any]) -> Configuration:
    """All defaults and all features on, but for these settings by section; without the archive where nothing is set of
    it: what is about anything else sees messages as they were sent, without a stanza-id.
    """
    all_on = [replace(section, enabled_by_default=True) for section in sections()]
    return Configuration.load(None, all_on).with_values({"archive": {"enabled": False}, **settings})


@contextmanager
def server_in(
    folder: Path,
    storage: type[Database] = Database,
    elsewhere: Elsewhere | None = None,
    /,
    **settings: Mapping[str, Any],
) -> Iterator[Server]:
    """A server for the domain `localhost` that does not listen. Some of the accounts there may be somebody else's."""
    with storage(folder / "test.db") as db:
        chosen = configuration(**settings)
        server = Server(chosen, db, FEATURES, TABLES, storage_errors=(StorageError,), elsewhere=elsewhere)
        server.portions.seconds = FOR_EVER
        try:
            yield server
        finally:
            if not server.is_stopping:  # as after `crash`
                with Handled():
                    server.stop()  # so that no timer of its sessions fires in a later test


def crash(server: Server) -> None:
    """It ends as if it was killed: nothing more is done."""
    server.is_stopping = True


def queries_of(db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of all queries to a storage from now on."""
    queries, rows = list[str](), db.rows

    def noted(query: Prepared, *values: object) -> list[Row]:
        queries.append(query.text)
        found: list[Row] = rows(query, *values)
        return found

    monkeypatch.setattr(db, "rows", noted)
    return queries


def add_accounts(server: Server, *names: str) -> None:
    for name in names:
        accounts.create(server.db, JID.of(name, "localhost"), {}, time.time())


def befriend(server: Server, one: JID, other: JID) -> None:
    """Put both into each other's rosters, with a subscription both ways."""
    for account, contact in ((one, other), (other, one)):
        rosters.put(server.db, account, rosters.Item(contact, subscription="both"))
