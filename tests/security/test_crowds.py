"""Connections that are never hung up: they keep nobody else out, and what they hold has a limit."""

import os
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.harness.configured import configuration_file, demo_server, run_server
from tests.harness.rawclient import RawClient, StreamEnded, logged_in, new_account, stream_header
from tests.harness.servers import DEMO, PATIENCE, RunningServer
from xmpp.data.networks import network

FILES = 256
EACH = 120  # more strangers than may come from one address
CROWD = [f"127.0.1.{number}" for number in range(1, 10)]  # and from more addresses than there is room for


@pytest.fixture(autouse=True)
def many_files_here() -> Iterator[None]:
    """The crowd is held by this process."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def server_with_few_files(*arguments: str) -> RunningServer:
    limited = ("sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh", sys.executable, "-m", "xserv")
    return RunningServer(*DEMO, *arguments, command=limited)


def open_files(server: RunningServer) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def failures(server: RunningServer) -> list[str]:
    return [line for line in server.said if "Traceback" in line or "Error" in line]


@contextmanager
def crowd(port: int, sources: list[str], each: int, *, are_told: bool = False) -> Iterator[None]:
    """Connections that make a mistake at once, and do not hang up when they are told so."""
    with ExitStack() as held:
        for source in sources:
            for _ in range(each):
                client = held.enter_context(RawClient(port, source=source))
                try:
                    client.send("<bad>")
                    if are_told:
                        assert client.ending().condition == "invalid-namespace"
                except OSError:
                    pass  # hung up already
        yield


def test_those_that_never_hang_up_keep_nobody_out() -> None:
    with server_with_few_files() as server:
        account = new_account(server.port)
        before = open_files(server)
        with crowd(server.port, CROWD, EACH):
            with logged_in(server.port, *account, source="127.0.0.2") as client:
                assert client.comes_before_pong() == []
            assert open_files(server) < FILES
        with logged_in(server.port, *account) as client:
            while open_files(server) > before + 1:
                client.comes_before_pong()
        assert not failures(server)


def test_those_that_never_hang_up_take_no_more_than_the_places_of_their_address(tmp_path: Path) -> None:
    with demo_server(tmp_path, listen={"strangers_per_address": 3}, streams={"close_seconds": 60}) as server:
        account = new_account(server.port)
        before = open_files(server)
        with (
            crowd(server.port, ["127.0.0.1"], 50, are_told=True),
            logged_in(server.port, *account, source="127.0.0.2") as client,
        ):
            client.comes_before_pong()
            assert open_files(server) <= before + 1 + 3


def test_who_has_no_session_is_a_stranger_even_after_login(tmp_path: Path) -> None:
    with demo_server(tmp_path, listen={"strangers_per_address": 3}) as server, ExitStack() as held:
        account = new_account(server.port)
        for _ in range(3):
            client = held.enter_context(RawClient(server.port))
            client.open()
            client.authenticate(*account)
        with RawClient(server.port) as refused:
            assert refused.socket.recv(1) == b""
        client.bind()
        with RawClient(server.port) as another:
            another.open()


def test_handshakes_take_places_among_all(tmp_path: Path) -> None:
    with demo_server(tmp_path, listen={"connections": 2, "strangers_per_address": 2}) as server:
        with RawClient(server.tls_port), RawClient(server.tls_port):
            for port in (server.tls_port, server.port):  # the first is served after those that came before
                with RawClient(port, source="127.0.0.2") as refused:
                    assert refused.socket.recv(1) == b""
        while True:  # until the server has seen them go
            with RawClient(server.port) as client:
                try:
                    client.open()
                    break
                except (OSError, StreamEnded):
                    pass


def test_where_no_file_can_be_opened_it_is_said_once_and_who_waits_is_served_later() -> None:
    with server_with_few_files() as server, ExitStack() as held:
        allow_files(server, open_files(server))
        clients = [held.enter_context(RawClient(server.port)) for _ in range(5)]
        server.wait_for("no connection can be accepted at present: Too many open files")
        for client in clients:
            allow_files(server, open_files(server) + 1)
            client.open()
        allow_files(server, FILES)
        with RawClient(server.port) as client:
            client.open()
        assert len([line for line in server.said if "can be accepted" in line]) == 1
        assert not failures(server)


def test_where_no_file_can_be_opened_those_that_linger_make_room(tmp_path: Path) -> None:
    with (
        demo_server(tmp_path, streams={"close_seconds": 60}) as server,
        crowd(server.port, ["127.0.0.1"], 3, are_told=True),
    ):
        allow_files(server, open_files(server))
        with RawClient(server.port) as client:
            client.open()


@pytest.mark.parametrize("begins", [b"", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"])
def test_where_no_file_can_be_opened_who_begins_tls_and_goes_no_further_costs_nobody_who_is_here(begins: bytes) -> None:
    with server_with_few_files() as server:
        account = new_account(server.port)
        before = open_files(server)
        with logged_in(server.port, *account) as client:
            with ExitStack() as held:
                for source in CROWD:
                    for number in range(EACH):
                        each = held.enter_context(RawClient(server.tls_port, source=source))
                        with suppress(OSError):  # hung up already
                            each.send(begins)
                        if not number % 30:
                            assert client.comes_before_pong() == []
                assert open_files(server) < FILES
            while open_files(server) > before + 1:
                assert client.comes_before_pong() == []
        with logged_in(server.port, *account):
            assert not failures(server)
        assert len([line for line in server.said if "was refused" in line]) < EACH  # one a minute


@pytest.mark.parametrize(("listening", "reached"), [("::1", "::1"), ("::ffff:127.0.0.1", "127.0.0.1")])
def test_strangers_are_counted_over_ipv6_as_well(tmp_path: Path, listening: str, reached: str) -> None:
    limits = {"addresses": [listening], "strangers_per_address": 3}
    with run_server(tmp_path, listen=limits) as server, ExitStack() as held:
        clients = [held.enter_context(socket.create_connection((reached, server.port), PATIENCE)) for _ in range(5)]
        for client in clients:
            with suppress(OSError):  # hung up already
                client.sendall(stream_header().encode())
        assert [is_served(client) for client in clients] == [True, True, True, False, False]
        server.wait_for(f"a connection from {network(reached)} was refused")


def is_served(client: socket.socket) -> bool:
    try:
        return client.recv(1) != b""
    except ConnectionResetError:
        return False


def allow_files(server: RunningServer, number: int) -> None:
    """From now on this server may have so many files open."""
    _, most = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (number, most))


def test_a_limit_of_files_below_the_limit_of_connections_that_somebody_has_set_is_told(tmp_path: Path) -> None:
    file = configuration_file(tmp_path, {"listen": {"connections": 100_000}})
    with server_with_few_files("--config", str(file)) as server:
        assert any("connections: 100000 do not fit" in line and line.endswith("128") for line in server.said)


def test_where_nobody_has_set_one_there_are_as_many_as_fit() -> None:
    with server_with_few_files() as server:
        assert not any("do not fit" in line for line in server.said)
