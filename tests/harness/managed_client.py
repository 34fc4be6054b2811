"""Clients of a server inside the test that use stream management, and lose and resume their sessions."""

from typing import Any

import gevent
from lxml import etree

from db import accounts
from handlers.sessions.managed_sessions import Management
from tests.harness.in_process import Client, xml
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.wire import parse, wire
from xmpp.routing.feature import State
from xmpp.routing.session import Session
from xmpp.running.handling import Handled, handled
from xmpp.server import Server

NAMESPACE = "urn:xmpp:sm:3"
JULIET = JID.parse("juliet@localhost")
ROMEO = JID.parse("romeo@localhost")
REQUEST = xml(f"<r xmlns='{NAMESPACE}'/>")


class ManagedClient(Client):
    """A client that has just bound its resource; `waited_for` has, for all that was written, what it waits for."""

    def __init__(self, server: Server, address: str) -> None:
        self.waited_for: list[Any] = []
        super().__init__(server, address)

    def does(self, name: str, **attributes: str) -> list[str]:
        """Send an element of stream management; returns what came."""
        return _does(self, State.BOUND, name, attributes)

    def enables(self, **attributes: str) -> str:
        """Turn stream management on; returns the id."""
        [enabled] = self.does("enable", **attributes)
        element = parse(enabled.encode())
        assert element.tag == f"{{{NAMESPACE}}}enabled"
        return element.get("id", "")

    def loses_connection(self) -> None:
        self.session.connection_lost()

    @property
    def management(self) -> Management:
        management = self.session.state(Management)
        assert management is not None
        return management

    # -- the connection

    def send_element(self, element: etree._Element) -> None:
        self.write(wire(element))

    def write(self, data: bytes) -> None:
        super().write(data)
        self.waited_for.append(handled().ticket)

    write_ahead = write

    def detach(self, error: StreamError) -> None:
        self.closed_with = error


class ReturningClient(ManagedClient):
    """A client that has just logged in, and has a session of its account to resume."""

    def __init__(self, server: Server, account: str) -> None:
        self.server = server
        self.account = JID.parse(account)
        self.identity = accounts.identity(server.db, self.account)
        self.closed_with = None
        self.ticket = None
        self.waited_for = []
        self._inbox = []

    def resumes(self, id: str, h: int) -> list[str]:
        """Resume a session; returns what came."""
        return self.asks_to_resume(previd=id, h=str(h))

    def asks_to_resume(self, **attributes: str) -> list[str]:
        """Send <resume/>, with just these attributes; returns what came."""
        return _does(self, State.AUTHENTICATED, "resume", attributes)

    def resume(self, session: Session) -> None:
        self.session = session
        session.resume(self)


def end_turn() -> None:
    """Let the loop do what it was asked to do at the end of the turn."""
    gevent.sleep(0)


def write(sender: Client, *bodies: str, to: str = JULIET) -> list[str]:
    """Send chat messages; returns what the sender got for them."""
    texts = [f"<message type='chat' to='{to}'><body>{body}</body></message>" for body in bodies]
    return [answer for text in texts for answer in sender.sends(text)]


def bodies(received: list[str]) -> list[str]:
    """The texts of the messages among what was received."""
    return [stanza.partition("<body>")[2].partition("<")[0] for stanza in received if stanza.startswith("<message")]


def tags(received: list[str]) -> list[str]:
    """The names of what was received."""
    return [stanza[1:].partition(" ")[0] for stanza in received]


def acknowledgement(h: int) -> str:
    return xml(f"<a xmlns='{NAMESPACE}' h='{h}'/>")


def failed(condition: str, h: str = "") -> str:
    return xml(f"<failed xmlns='{NAMESPACE}'{h}><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")


def _does(client: ManagedClient, state: State, name: str, attributes: dict[str, str]) -> list[str]:
    element = etree.Element(f"{{{NAMESPACE}}}{name}", attributes)
    handler: Any = client.server.registry.elements[str(element.tag), state]
    with Handled():
        handler(client.server, client, element)
    return client.received()
