"""SECURITY rows about what must not be seen by others: in logs (55) and on the disk (59)."""

import json
import os
import stat
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commandline import configured, running, succeeds
from tests.rawclient import LoginFailed, RawClient, StreamEnded, logged_in
from tests.servers import RunningServer
from xmpp.logs import redacted

SECRET = "correct-horse-battery"
STORED_SECRET = "staple-of-the-stable"


@contextmanager
def permissive_umask() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


# -- row 55: secrets in logs


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_row_55_no_password_and_no_sasl_message_is_logged(tmp_path: Path, log_format: str) -> None:
    with RunningServer.demo("--data", str(tmp_path), "--log-level", "debug", "--log-format", log_format) as server:
        printed = [server.wait_for("Account ").split()[-1] for _ in range(2)]
        succeeds("user", "add", "nurse@localhost", "--data", tmp_path, typed=f"{SECRET}\n")
        log_in_in_every_way(server)
        succeeds("user", "passwd", "nurse@localhost", "--data", tmp_path, typed=f"{STORED_SECRET}\n")
        assert server.terminate() == 0
    logged = [line for line in server.said if not line.startswith(("Account ", "Listening ", "Next: "))]
    assert logged
    for secret in (SECRET, STORED_SECRET, *printed, b64encode(f"\0nurse\0{SECRET}".encode()).decode()):
        assert not [line for line in logged if secret in line]


def log_in_in_every_way(server: RunningServer) -> None:
    with logged_in(server.port, "nurse", SECRET) as client:
        change = f"<username>nurse</username><password>{SECRET}</password>"
        client.ask("set", f"<query xmlns='jabber:iq:register'>{change}</query>", to="localhost")
        client.send(f"<message to='nowhere@localhost'><password>{SECRET}</password></message>")
        client.comes_before_pong()
    with RawClient(server.port) as client, pytest.raises(LoginFailed):
        client.open()
        client.authenticate("nurse", SECRET, authzid="romeo@localhost")
    with RawClient(server.port) as client, pytest.raises(StreamEnded):
        client.open()
        client.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{SECRET}<!-- --></auth>")
        client.receive()


@pytest.mark.parametrize(
    "line",
    [
        f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{SECRET}</auth>",
        f"<sasl:response xmlns:sasl='urn:ietf:params:xml:ns:xmpp-sasl'>{SECRET}</sasl:response>",
        f"<query xmlns='jabber:iq:register'><password>{SECRET}</password></query>",
        f"{{'command': 'add', 'password': '{SECRET} and \\' more'}}",
        f'{{"password": "{SECRET} and more"}}',
        f"add(account='nurse@localhost', new_password='{SECRET}')",
        f"token={SECRET}",
    ],
)
def test_row_55_what_is_logged_all_the_same_is_taken_out(line: str) -> None:
    assert SECRET not in redacted(line)
    assert "more" not in redacted(line)


def test_row_55_the_rest_of_a_line_stays() -> None:
    line = "localhost: <message><body>the password is under the mat</body></message>"
    assert redacted(line) == line


def test_row_55_a_log_for_machines_has_an_object_on_every_line(tmp_path: Path) -> None:
    configured(tmp_path)
    with running(tmp_path, "--log-format", "json", "--log-level", "debug") as server:
        with RawClient(server.port) as client:
            client.send("<nonsense>")
            client.ending()
        assert server.terminate() == 0
    for line in server.said:
        if not line.startswith(("Listening ", "Next: ")):
            assert {"time", "level", "logger", "message"} <= json.loads(line).keys()


# -- row 59: default credentials, files that others can read


def test_row_59_there_is_no_account_until_somebody_makes_one(tmp_path: Path) -> None:
    with running(tmp_path):
        assert succeeds("user", "list", "--data", tmp_path) == ""


def test_row_59_a_demo_has_other_passwords_each_time() -> None:
    passwords = set()
    for _ in range(2):
        with RunningServer.demo() as server:
            passwords |= {server.wait_for("Account ").split()[-1] for _ in range(2)}
    assert len(passwords) == 4


def test_row_59_only_the_owner_can_read_what_the_server_writes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with permissive_umask(), RunningServer.demo("--data", str(data)):
        files = [data, *data.rglob("*")]
        assert {"xserv.db", "xserv.db-wal", "xserv.db-shm", "control.sock", "localhost.pem"} <= {f.name for f in files}
        assert not [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077]


def test_row_59_without_tls_nobody_can_log_in_to_a_real_server(tmp_path: Path) -> None:
    succeeds("user", "add", "nurse@localhost", "--data", tmp_path, typed=f"{SECRET}\n")
    with running(tmp_path) as server, RawClient(server.port) as client:
        client.open()
        with pytest.raises(StreamEnded):
            client.authenticate("nurse", SECRET)
