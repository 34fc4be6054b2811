"""Signals to a running server, beyond what test_cli.py has: who is told of the end, what is kept, which certificate."""

import signal
import ssl
import sys
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path

import gevent
import pytest

from tests.harness.configured import PASSWORDS, configuration_file, run_server
from tests.harness.rawclient import RawClient, logged_in, new_account, somebody
from tests.harness.servers import DEMO, PATIENCE, RunningServer
from tests.harness.streams import Stream, listening_server
from xmpp.data import names

MAX_BYTES = "{urn:xmpp:stream-limits:0}limits/{urn:xmpp:stream-limits:0}max-bytes"
AUTH = f"<auth xmlns='{names.SASL}' mechanism='SCRAM-SHA-256'>bixuPWEscj1i</auth>"

# -- SIGTERM


def just_connected(server: RunningServer) -> RawClient:
    return RawClient(server.port)


def in_the_middle_of_its_header(server: RunningServer) -> RawClient:
    client = RawClient(server.port)
    client.send("<?xml version='1.0'?><stream:stream")
    return client


def in_the_middle_of_an_exchange(server: RunningServer) -> RawClient:
    client = RawClient(server.port)
    client.open()
    client.send(AUTH)
    client.receive()
    return client


def without_a_resource(server: RunningServer) -> RawClient:
    client = RawClient(server.port)
    client.open()
    client.authenticate(*new_account(server.port))
    return client


def over_tls(server: RunningServer) -> RawClient:
    client = RawClient(server.port)
    client.start_tls()
    return client


def in_the_middle_of_a_stanza(server: RunningServer) -> RawClient:
    client = somebody(server.port)
    client.comes_before_pong()
    client.send("<message><body>It is the east, and")
    return client


KINDS: list[Callable[[RunningServer], RawClient]] = [
    just_connected,
    in_the_middle_of_its_header,
    in_the_middle_of_an_exchange,
    without_a_resource,
    over_tls,
    in_the_middle_of_a_stanza,
]


@pytest.mark.parametrize("told_to_end", [signal.SIGTERM, signal.SIGINT])
def test_whoever_is_connected_is_told_that_the_server_ends(told_to_end: signal.Signals) -> None:
    with RunningServer.demo() as server:
        clients = [connect(server) for connect in KINDS]
        with somebody(server.port) as last:
            last.comes_before_pong()  # so the server has taken up those that came before
        server.process.send_signal(told_to_end)
        for connect, client in zip(KINDS, clients, strict=True):
            ending = client.ending()
            assert (connect.__name__, ending.condition, ending.has_closing_tag) == (
                connect.__name__,
                "system-shutdown",
                True,
            )
            client.close()
        assert server.process.wait(PATIENCE) == 0
        assert not [line for line in server.said if "Traceback" in line]


def test_a_client_that_reads_nothing_does_not_keep_the_server_from_ending() -> None:
    with RunningServer.demo() as server:
        account = new_account(server.port)
        with logged_in(server.port, *account, "deaf") as deaf, logged_in(server.port, *account) as client:
            for _ in range(50):
                client.send(f"<message to='{deaf.jid}'><body>{'x' * 200_000}</body></message>")
            client.comes_before_pong()
            assert server.terminate() == 0


def test_the_time_that_it_takes_to_store_what_is_kept_is_not_added_to_the_time_for_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = chain([0.0], repeat(1000.0))  # when stopping begins, and when all is stored
    monkeypatch.setattr("xmpp.server.monotonic", lambda: next(clock))
    monkeypatch.setattr("xmpp.server.SHUTDOWN_SECONDS", 1000.0)
    more_than_the_kernel_takes = b"<message><body>%b</body></message>" % (b"x" * 40_000_000)
    patience = {"unsent_bytes": 50_000_000, "close_seconds": 60}
    with listening_server(tmp_path, streams=patience) as server, Stream(server) as deaf:
        deaf.logs_in()
        deaf.binds("deaf")
        [session] = server.online
        session.write(more_than_the_kernel_takes)
        with gevent.Timeout(PATIENCE / 2):
            server.stop()


def test_what_was_answered_is_in_the_database_file_when_the_server_has_ended(tmp_path: Path) -> None:
    with RunningServer.demo("--data", str(tmp_path)) as server:
        account = new_account(server.port)
        with logged_in(server.port, *account) as client:
            for number in range(20):
                item = f"<item jid='contact-{number}@localhost'/>"
                client.ask("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")
            assert server.terminate() == 0
    assert {path.name for path in tmp_path.glob("xserv.db*")} - {"xserv.db.lock"} == {"xserv.db"}
    with RunningServer.demo("--data", str(tmp_path)) as server, logged_in(server.port, *account) as client:
        roster = client.ask("get", "<query xmlns='jabber:iq:roster'/>")
        assert len(roster[0]) == 20


# -- what a server does once it listens


def test_the_garbage_collector_passes_over_what_a_server_is_made_of() -> None:
    """It keeps the loop while it looks at everything: for tens of milliseconds, with all of this."""
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import gc\nfrom cli.commands import main\n"
        "main(standalone_mode=False)\nprint('passed over:', gc.get_freeze_count())"
    )
    with RunningServer(*DEMO, command=(sys.executable, "-c", program)) as server:
        assert server.terminate() == 0
        assert int(server.wait_for("passed over:").rpartition(" ")[2]) > 20_000


# -- SIGHUP


def reload(server: RunningServer) -> None:
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("configuration and certificates reloaded")


def test_a_certificate_that_was_replaced_is_shown_to_new_connections_while_old_ones_go_on(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, RawClient(server.port) as client:
        client.start_tls()
        client.authenticate("juliet", PASSWORDS["juliet"])
        client.bind()
        before = certificate(server.port)
        for file in (tmp_path / "data" / "certificates").iterdir():
            file.unlink()  # so that another one is made
        assert certificate(server.port) == before
        reload(server)
        assert certificate(server.port) != before
        assert client.comes_before_pong() == []


def certificate(port: int) -> bytes | None:
    with RawClient(port) as client:
        client.start_tls()
        assert isinstance(client.socket, ssl.SSLSocket)
        return client.socket.getpeercert(binary_form=True)


def test_other_limits_hold_for_new_streams_while_old_ones_go_on(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, RawClient(server.port) as older:
        assert older.open().findtext(MAX_BYTES) == "10000"
        configuration_file(tmp_path, {"streams": {"login_stanza_bytes": 20_000}})
        reload(server)
        with RawClient(server.port) as newer:
            assert newer.open().findtext(MAX_BYTES) == "20000"
        older.send("</stream:stream>")
        ending = older.ending()
        assert (ending.condition, ending.has_closing_tag) == (None, True)
