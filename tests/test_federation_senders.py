"""What another server sends is passed on in its sender's name as that is normalised, and is refused once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.federated import Directory, federated, next_of, somebody
from tests.harness.peer_servers import PeerServer, PeerStream
from xmpp.server import Server

MESSAGE = "<message from='{}' to='juliet@a.example/x' type='chat' id='m'><body>hi</body></message>"


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    with federated(tmp_path, directory, "a.example", federation={"without_tls": ["c.example"]}) as one:
        yield one


def known(server: Server, directory: Directory, peer: PeerServer) -> PeerStream:
    """A stream of the other server that may send in the name of c.example."""
    directory.ports["c.example"] = peer.port
    stream = PeerStream.to(server)
    stream.opens()
    stream.send("<db:result from='c.example' to='a.example'>a key</db:result>")
    asked = peer.accepts()
    asked.answers()
    id = asked.next().get("id")
    asked.send(f"<db:verify from='c.example' to='a.example' id='{id}' type='valid'/>")
    assert stream.next().get("type") == "valid"
    return stream


@pytest.mark.parametrize("sender", ["ROMEO@c.example/Y", "romeo@C.Example/Y", "romeo@c.example./Y"])
def test_the_sender_is_written_as_it_is_normalised(server: Server, directory: Directory, sender: str) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    with PeerServer() as peer, known(server, directory, peer) as stream:
        stream.send(MESSAGE.format(sender))
        assert 'from="romeo@c.example/Y"' in next_of(juliet, "message")
