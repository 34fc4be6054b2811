"""The control socket: the command line acts on the server that runs, at once."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.commandline import complaint, running, succeeds
from tests.harness.rawclient import LoginFailed, RawClient, logged_in
from tests.harness.servers import RunningServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer.demo("--data", str(tmp_path)) as server:
        succeeds("user", "add", "nurse@localhost", "--data", tmp_path, typed="swordfish\n")
        yield server


@pytest.fixture
def nurse(server: RunningServer) -> Iterator[RawClient]:
    with logged_in(server.port, "nurse", "swordfish") as client:
        yield client


def test_another_password_ends_the_sessions_of_the_account(
    tmp_path: Path, server: RunningServer, nurse: RawClient
) -> None:
    succeeds("user", "passwd", "nurse@localhost", "--data", tmp_path, typed="other\n")
    assert nurse.ending().condition == "reset"
    logged_in(server.port, "nurse", "other").close()
    with pytest.raises(LoginFailed):
        logged_in(server.port, "nurse", "swordfish")


def test_removing_an_account_ends_its_sessions(tmp_path: Path, server: RunningServer, nurse: RawClient) -> None:
    succeeds("user", "remove", "nurse@localhost", "--data", tmp_path)
    assert nurse.ending().condition == "not-authorized"
    with pytest.raises(LoginFailed):
        logged_in(server.port, "nurse", "swordfish")


def test_who_is_logged_in_can_be_seen(tmp_path: Path, nurse: RawClient) -> None:
    lines = [line.split("\t") for line in succeeds("user", "list", "--data", tmp_path).splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        ("juliet@localhost", "0"),
        ("nurse@localhost", "1"),
        ("romeo@localhost", "0"),
    ]


def test_accounts_are_imported_into_a_server_that_runs(tmp_path: Path, server: RunningServer) -> None:
    listed = "".join(f"guest{number}@localhost swordfish\n" for number in range(60))
    succeeds("user", "import", "-", "--data", tmp_path, typed=listed)
    logged_in(server.port, "guest59", "swordfish").close()


def test_what_the_server_refuses_is_told_in_a_sentence(tmp_path: Path, server: RunningServer) -> None:
    told = complaint("user", "add", "nurse@localhost", "--data", tmp_path, typed="other\n")
    assert told == "nurse@localhost exists."
    logged_in(server.port, "nurse", "swordfish").close()


def test_only_its_owner_can_use_the_socket(tmp_path: Path, server: RunningServer) -> None:
    assert stat.S_IMODE((tmp_path / "control.sock").stat().st_mode) == 0o600


@pytest.mark.parametrize("line", [b"no JSON\n", b"[]\n", b'{"command": "explode"}\n', b'{"command": "add"}\n'])
def test_a_command_that_makes_no_sense_is_refused_and_the_next_one_carried_out(
    tmp_path: Path, server: RunningServer, line: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / "control.sock"))
        with connection.makefile("rwb") as lines:
            lines.write(line + b'{"command": "list"}\n')
            lines.flush()
            assert lines.readline().startswith(b'{"refused": ')
            assert b"nurse@localhost" in lines.readline()


def test_the_socket_goes_with_the_server(tmp_path: Path, server: RunningServer) -> None:
    assert server.terminate() == 0
    assert not (tmp_path / "control.sock").exists()


def test_the_socket_of_a_killed_server_is_in_nobodys_way(tmp_path: Path, server: RunningServer) -> None:
    server.kill()
    succeeds("user", "add", "peter@localhost", "--data", tmp_path, typed="swordfish\n")
    with running(tmp_path):
        assert "peter@localhost" in succeeds("user", "list", "--data", tmp_path)
