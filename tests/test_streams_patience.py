"""How long a stream may take, how many there may be, and that none keeps another waiting."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.configured import PASSWORDS, demo_server, run_server
from tests.harness.rawclient import RawClient, StreamEnded, assert_ends, new_account, somebody
from tests.harness.servers import RunningServer
from xmpp.data import names

STARTTLS = f"<starttls xmlns='{names.TLS}'/>"


# -- nobody waits for another


def test_a_flood_from_one_client_starves_nobody(demo: RunningServer) -> None:
    over = threading.Event()
    with somebody(demo.port) as flooding, somebody(demo.port) as juliet:
        flood = threading.Thread(target=send_without_pause, args=(flooding, over.is_set))
        flood.start()
        try:
            for _ in range(30):  # each is answered while more of the flood waits to be read
                assert juliet.comes_before_pong() == []
        finally:
            over.set()
            flood.join()
        assert flooding.comes_before_pong() == []


def send_without_pause(client: RawClient, is_over: Callable[[], bool]) -> None:
    chunk = "<message type='error' to='nobody@localhost'><body>an error is not answered</body></message>" * 1000
    while not is_over():
        client.send(chunk)


# -- how long, and how many


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that gives a client one second to log in."""
    with run_server(tmp_path_factory.mktemp("hasty"), streams={"login_seconds": 1}) as server:
        yield server


def test_who_says_nothing_is_told_that_it_took_too_long(hasty: RunningServer) -> None:
    with RawClient(hasty.port) as client:
        assert_ends(client, "connection-timeout")


def test_who_opens_a_stream_and_no_more_is_told_that_it_took_too_long(hasty: RunningServer) -> None:
    with RawClient(hasty.port) as client:
        client.open()
        assert_ends(client, "connection-timeout")


def test_who_logs_in_but_binds_nothing_is_told_that_it_took_too_long(hasty: RunningServer) -> None:
    with RawClient(hasty.port) as client, pytest.raises(StreamEnded) as ended:
        client.start_tls()
        client.authenticate("juliet", PASSWORDS["juliet"])
        client.receive()
    assert ended.value.condition == "connection-timeout"


def test_nobody_waits_for_a_handshake_after_starttls_that_never_begins(hasty: RunningServer) -> None:
    with RawClient(hasty.port) as client:
        client.open()
        client.send(STARTTLS)
        client.receive()
        assert client.socket.recv(1) == b""


def test_nobody_waits_for_a_handshake_that_never_begins(hasty: RunningServer) -> None:
    with RawClient(hasty.tls_port) as client:
        assert client.socket.recv(1) == b""


def test_a_session_outlives_the_time_for_its_login(hasty: RunningServer) -> None:
    with logged_in_within_a_second(hasty) as client, RawClient(hasty.port) as silent:
        assert_ends(silent, "connection-timeout")
        assert client.comes_before_pong() == []


def logged_in_within_a_second(server: RunningServer) -> RawClient:
    """On a machine that is busy it may take more than one attempt."""
    while True:
        client = RawClient(server.port)
        try:
            client.start_tls()
            client.authenticate("juliet", PASSWORDS["juliet"])
            client.bind()
            return client
        except (StreamEnded, OSError):
            client.close()


def test_one_address_has_a_limited_number_of_strangers(tmp_path: Path) -> None:
    with demo_server(tmp_path, listen={"strangers_per_address": 3}) as server:
        account = new_account(server.port)
        strangers = [RawClient(server.port) for _ in range(3)]
        for stranger in strangers:
            stranger.open()
        with RawClient(server.port) as refused:
            assert refused.socket.recv(1) == b""
        strangers[0].authenticate(*account)
        strangers[0].bind()  # known from now on
        with RawClient(server.port) as client:
            client.open()
            strangers[1].send("</stream:stream>")
            strangers[1].ending()
            with RawClient(server.port) as another:
                another.open()
        for stranger in strangers:
            stranger.close()
