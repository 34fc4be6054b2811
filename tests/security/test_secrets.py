"""docs/security.md rows about secrets at rest: in logs, and in the files of a server."""

import os
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.commandline import running, succeeds
from tests.harness.configured import run_server
from tests.harness.rawclient import LoginFailed, RawClient, StreamEnded, logged_in
from tests.harness.servers import RunningServer
from xmpp.data import names

FIRST, SECOND, WRONG = "first-Passw0rd", "second-Passw0rd", "wrong-Passw0rd"
CLIENT_FIRST = b64encode(b"n,,n=mercutio,r=abc").decode()
PROOF = b64encode(b"c=biws,r=abc,p=c29tZSBwcm9vZg==").decode()


@pytest.mark.parametrize("style", ["text", "json"])
def test_row_55_no_secret_is_logged_even_where_everything_is(style: str) -> None:
    with RunningServer.demo("--log-level", "debug", "--log-format", style) as server:
        use_passwords(server.port)
        assert server.terminate() == 0
    log = "\n".join(server.said)
    assert "DEBUG" in log or '"debug"' in log
    assert "127.0.0.1: " in log  # failures of streams are in there, so what follows says something
    secrets = [FIRST, SECOND, WRONG, PROOF, "c29tZSBwcm9vZg"] + [plain(each) for each in (FIRST, SECOND, WRONG)]
    assert [secret for secret in secrets if secret in log] == []


def plain(password: str) -> str:
    return b64encode(f"\0mercutio\0{password}".encode()).decode()


def use_passwords(port: int) -> None:
    """Make an account, log in, fail to, change the password, and make mistakes with each of them."""
    with RawClient(port) as client:
        client.open()
        client.register("mercutio", FIRST)
    with logged_in(port, "mercutio", FIRST) as client:
        client.register("mercutio", SECOND)
        client.send(f"<iq type='set' id='a'><query xmlns='jabber:iq:register'><password>{FIRST}</wrong>")
        assert client.ending().condition == "not-well-formed"
    with RawClient(port) as client:
        client.open()
        with pytest.raises(LoginFailed):
            client.authenticate("mercutio", WRONG)
        with pytest.raises(LoginFailed):
            client.authenticate("mercutio", SECOND, authzid="romeo@localhost")
        client.send(f"<auth xmlns='{names.SASL}' mechanism='SCRAM-SHA-256'>{CLIENT_FIRST}</auth>")
        client.receive()
        client.send(f"<response xmlns='{names.SASL}'>{PROOF}</response>")
        with pytest.raises(StreamEnded):
            while True:
                client.receive()
    unfinished = f"<auth xmlns='{names.SASL}' mechanism='PLAIN'>{plain(SECOND)}"
    for mistake in (f"{unfinished}</wrong>", f"<{SECOND} <", plain(FIRST)):
        with RawClient(port) as client:
            client.open()
            client.send(mistake)
            assert client.ending().condition


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_row_59_all_files_of_a_server_are_for_their_owner_only(tmp_path: Path, no_umask: None) -> None:
    with run_server(tmp_path):
        data = tmp_path / "data"
        modes = {path.relative_to(data).as_posix(): path.lstat().st_mode & 0o777 for path in [data, *data.rglob("*")]}
    assert {"xserv.db", "xserv.db-wal", "xserv.db-shm", "control.sock"} <= modes.keys()
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_row_59_no_account_is_there_from_the_start(tmp_path: Path) -> None:
    with running(tmp_path):
        assert "@" not in succeeds("user", "list", "--data", tmp_path)


def test_row_59_the_passwords_of_each_demo_are_its_own() -> None:
    said = set[str]()
    for _ in range(2):
        with RunningServer.demo() as server:
            said.update(server.wait_for(f"Account {name}").split()[-1] for name in ("juliet", "romeo"))
    assert len(said) == 4
