"""Records of TLS 1.3 with little or no data in them: they hold up nobody, and who has no session cannot send many."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.configured import demo_server
from tests.harness.rawclient import RawClient, StreamEnded, anything_goes, assert_ends, new_account, somebody
from tests.harness.servers import RunningServer
from tests.harness.tlsrecords import KEY_UPDATE_REQUESTED, RecordWriter
from xmpp.stream.tls.secured import RECORDS_PER_SECOND, STRANGERS_RECORDS

TOO_MANY = STRANGERS_RECORDS + 50  # some may come together with the end of the handshake, and do not count
FLOOD = 3 * RECORDS_PER_SECOND
OFTEN = 10  # a fraction of the turns that others have meanwhile
BYTES_PER_SECOND = 10_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer.demo() as server:
        yield server


def writing_records(server: RunningServer, folder: Path) -> tuple[RawClient, RecordWriter]:
    """A client over TLS whose records are written by hand."""
    context = anything_goes()
    context.keylog_filename = str(folder / "keys")
    client = RawClient(server.tls_port, tls=context)
    writer = RecordWriter(client.socket, folder / "keys")  # type: ignore[arg-type]
    client.socket = writer  # type: ignore[assignment]
    return client, writer


Flood = Callable[[RecordWriter, int], bytes]


def key_updates(writer: RecordWriter, count: int) -> bytes:
    return b"".join(writer.key_update() for _ in range(count))


def key_updates_to_answer(writer: RecordWriter, count: int) -> bytes:
    return b"".join(writer.key_update(KEY_UPDATE_REQUESTED) for _ in range(count))


def blanks(writer: RecordWriter, count: int) -> bytes:
    return b"".join(writer.record(b" ") for _ in range(count))


floods = pytest.mark.parametrize("flood", [key_updates, key_updates_to_answer, blanks])


@floods
def test_who_has_no_session_cannot_send_many_records(server: RunningServer, tmp_path: Path, flood: Flood) -> None:
    client, writer = writing_records(server, tmp_path)
    with client:
        client.open()
        writer.send_raw(flood(writer, TOO_MANY))
        assert client.ending().condition == "policy-violation"


@floods
def test_who_has_no_session_cannot_send_many_records_before_the_stream(
    server: RunningServer, tmp_path: Path, flood: Flood
) -> None:
    client, writer = writing_records(server, tmp_path)
    with client:
        writer.send_raw(flood(writer, TOO_MANY))
        assert_ends(client, "policy-violation")


def test_who_logs_in_by_many_small_records_is_let_in(server: RunningServer, tmp_path: Path) -> None:
    account = new_account(server.port)
    client, writer = writing_records(server, tmp_path)

    def send_in_pieces(data: bytes) -> None:
        for begin in range(0, len(data), 10):
            writer.send_raw(writer.record(data[begin : begin + 10]) + writer.key_update())

    with client:
        writer.sendall = send_in_pieces  # type: ignore[method-assign]
        client.open()
        client.authenticate(*account)
        client.bind()


@floods
def test_who_has_a_session_sends_as_many_records_as_it_likes_and_is_slowed_down(
    server: RunningServer, tmp_path: Path, flood: Flood
) -> None:
    account = new_account(server.port)
    flooding, writer = writing_records(server, tmp_path)
    flooding.open()
    flooding.authenticate(*account)
    flooding.bind()
    records = flood(writer, FLOOD)
    has_begun, is_over = threading.Event(), threading.Event()
    begun = time.monotonic()

    def send() -> None:
        try:
            has_begun.set()
            writer.send_raw(records)
            flooding.comes_before_pong()
        finally:
            is_over.set()

    with flooding, somebody(server.port) as juliet:
        assert answers_while(juliet, send, has_begun, is_over) > OFTEN
    assert time.monotonic() - begun > 0.9 * (FLOOD / RECORDS_PER_SECOND - 1)  # one second's worth is free


def answers_while(
    client: RawClient, act: Callable[[], None], has_begun: threading.Event, is_over: threading.Event
) -> int:
    """How often a client is answered between two moments of what another thread does."""
    thread = threading.Thread(target=act)
    thread.start()
    has_begun.wait()
    times = 0
    while not is_over.is_set():
        client.comes_before_pong()
        times += 1
    thread.join()
    return times


def test_bytes_that_carry_no_data_are_read_no_faster_than_data(tmp_path: Path) -> None:
    with demo_server(tmp_path, streams={"bytes_per_second": BYTES_PER_SECOND}) as server:
        account = new_account(server.port)
        client, writer = writing_records(server, tmp_path)
        with client:
            client.open()
            client.authenticate(*account)
            client.bind()
            flood = key_updates(writer, 3 * BYTES_PER_SECOND // 27)
            begun = time.monotonic()
            writer.send_raw(flood)
            client.comes_before_pong()
            assert time.monotonic() - begun > 0.9  # one second's worth is free


def test_records_without_content_end_the_connection(server: RunningServer, tmp_path: Path) -> None:
    client, writer = writing_records(server, tmp_path)
    with client, pytest.raises((OSError, StreamEnded)):
        writer.send_raw(b"".join(writer.record(b"") for _ in range(STRANGERS_RECORDS)))
        client.open()
