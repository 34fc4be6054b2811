"""XEP-0215 to its end: what clients are told lets them into a TURN server, for as long as it says."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.discovery.external_services import Credentials, ExternalService, credentials
from tests.harness.configured import demo_server
from tests.harness.rawclient import somebody
from tests.harness.turn import PROGRAM, Refused, TurnServer, allocate
from xmpp.data.jid import JID

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="coturn is not installed")

SECRET = "north, north-west"
JULIET = JID.parse("juliet@localhost")
WRONG = 401


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    with TurnServer(tmp_path_factory.mktemp("turn"), SECRET) as server:
        yield server


def given(port: int, *, at: float, secret: str = SECRET) -> Credentials:
    """What somebody who asks at that moment is told."""
    service = ExternalService("turn", "127.0.0.1", port, secret=secret, lifetime=600)
    made = credentials(service, JULIET, at)
    assert made is not None
    return made


def assert_refused(turn: TurnServer, username: str, password: str) -> None:
    with pytest.raises(Refused) as refused:
        allocate(turn.port, username, password)
    assert refused.value.code == WRONG


def test_a_client_gets_a_relay_with_what_the_server_tells_it(turn: TurnServer, tmp_path: Path) -> None:
    service = {"type": "turn", "host": "127.0.0.1", "port": turn.port, "secret": SECRET}
    with demo_server(tmp_path, external_services={"services": [service]}) as server, somebody(server.port) as client:
        answer = client.ask("get", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>", to="localhost")
        [told] = answer[0]
        assert (told.get("host"), told.get("port")) == ("127.0.0.1", str(turn.port))
        allocate(turn.port, told.get("username", ""), told.get("password", ""))
        assert SECRET not in "\n".join(server.said)


def test_credentials_that_have_ended_are_refused(turn: TurnServer) -> None:
    still = given(turn.port, at=time.time())
    allocate(turn.port, still.username, still.password)
    ended = given(turn.port, at=time.time() - 3600)
    assert_refused(turn, ended.username, ended.password)


def test_nobody_makes_credentials_last_longer(turn: TurnServer) -> None:
    ended, later = given(turn.port, at=time.time() - 3600), given(turn.port, at=time.time())
    assert_refused(turn, later.username, ended.password)


def test_credentials_of_another_secret_are_refused(turn: TurnServer) -> None:
    forged = given(turn.port, at=time.time(), secret="south")
    assert_refused(turn, forged.username, forged.password)
