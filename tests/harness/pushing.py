"""Devices that are away, and the app server that is told to wake them: a client of this server, at its full address."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handlers.sessions.managed_sessions import Management, Resumable, StreamManagementSettings
from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.data.wire import parse
from xmpp.server import Server

APP = "app@localhost/service"


@contextmanager
def server_that_pushes(folder: Path, **push: Any) -> Iterator[Server]:
    """A server that pushes at once, unless `push` says otherwise, with romeo, juliet, mercutio and the app server."""
    with server_in(folder, push={"burst_seconds": 0.0, **push}) as server:
        add_accounts(server, "romeo", "juliet", "mercutio", "app")
        yield server


def enable(node: str = "phone", app: str = APP) -> str:
    """The request by which a device enables push."""
    return f"<enable xmlns='urn:xmpp:push:0' jid='{app}' node='{node}'/>"


def device(server: Server, address: str) -> Client:
    """A device that is available, and has enabled push for a node of its own."""
    client = Client(server, address)
    assert client.asks(enable(f"node of {client.jid}"), type="set") == ""
    client.sends("<presence/>")
    client.received()
    return client


def leave(client: Client) -> None:
    """Log out."""
    client.session.close()


def break_off(client: Client, *, seconds: int = 600) -> None:
    """Lose the connection, in a way that the session goes on without it for so long."""
    server, id = client.server, str(client.jid)
    server.state(Resumable).sessions[id] = client.session
    if client.session.state(Management) is None:
        client.session.keep(Management(id, seconds, StreamManagementSettings()))
    client.session.connection_lost()
    assert server.online.session(client.jid) is client.session


def expire(client: Client) -> None:
    """Wait until nobody waits any more for a session to be resumed that was broken off for 0 seconds."""
    management = client.session.state(Management)
    assert management is not None and management.expiry is not None
    management.expiry.join()
    assert client.server.online.session(client.jid) is None


def pushes(app: Client) -> list[dict[str, str]]:
    """The summaries that the app server was sent since the last time; each is answered by an empty result."""
    return [answer(app, push) for push in app.received()]


def woken(app: Client) -> list[str]:
    """The nodes that the app server was told to wake since the last time; each push is answered."""
    received = app.received()
    for push in received:
        answer(app, push)
    return sorted(map(node_of, received))


def node_of(push: str) -> str:
    """For which node a push is."""
    node = parse(push.encode()).find(".//{http://jabber.org/protocol/pubsub}publish")
    assert node is not None
    return node.get("node", "")


def answer(app: Client, push: str, error: str = "") -> dict[str, str]:
    """Answer a push; returns what its form says."""
    iq = parse(push.encode())
    type = "error" if error else "result"
    reply = f"<iq type='{type}' id='{iq.get('id')}' to='{iq.get('from')}'>{error}</iq>"
    app.session.handle(parse(reply.encode()))
    fields = iq.findall(".//{urn:xmpp:push:0}notification/{jabber:x:data}x/{jabber:x:data}field")
    form = {field.get("var", ""): field[0].text or "" for field in fields}
    assert form.pop("FORM_TYPE") == "urn:xmpp:push:summary"
    return form
