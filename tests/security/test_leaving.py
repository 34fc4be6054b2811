"""A client that leaves, at whatever moment and however rudely, costs nobody else anything."""

import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from tests.harness.configured import PASSWORDS, run_server
from tests.harness.rawclient import RawClient, anything_goes
from tests.harness.servers import RunningServer

TRIES = 12  # what follows the last words races with them: some orders are rare
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, not FIN
PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
KEEP_PRIVATE = "<iq type='set' id='s'><query xmlns='jabber:iq:private'><note xmlns='urn:n'>n</note></query></iq>"
ADD_CONTACT = "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='rosaline@localhost'/></query></iq>"
END = "</stream:stream>"
PRESENCE = "<presence to='{}'/>"
MESSAGE = "<message to='{}' type='chat'><body>Bye</body></message>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("leaving")) as server:
        yield server


def over_tls(server: RunningServer, name: str, resource: str) -> RawClient:
    client = RawClient(server.tls_port, tls=anything_goes())
    client.open()
    client.authenticate(name, PASSWORDS[name])
    client.bind(resource)
    return client


def reset(client: RawClient) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def hang_up(client: RawClient) -> None:
    client.close()


@pytest.mark.parametrize("leave", [reset, hang_up])
@pytest.mark.parametrize("last_words", [PING, KEEP_PRIVATE, ADD_CONTACT])
@pytest.mark.parametrize("for_other", [PRESENCE, MESSAGE])
def test_who_leaves_with_something_for_somebody_leaves_them_as_they_were(
    server: RunningServer, leave: Callable[[RawClient], None], last_words: str, for_other: str
) -> None:
    with over_tls(server, "juliet", "balcony") as juliet:
        for _ in range(TRIES):
            romeo = over_tls(server, "romeo", "orchard")
            romeo.send(last_words + for_other.format(juliet.jid) + END)
            leave(romeo)
            juliet.comes_before_pong()
