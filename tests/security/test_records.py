"""Records of TLS 1.3 that carry no data: they hold up nobody, and are read no faster than data."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.configured import demo_server
from tests.rawclient import RawClient, StreamEnded, anything_goes, new_account, somebody
from tests.servers import RunningServer
from tests.tlsrecords import KEY_UPDATE, KEY_UPDATE_REQUESTED, RecordWriter

FLOOD = 20_000  # key updates, which take the server about half a second
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


@pytest.mark.parametrize("has_logged_in", [False, True])
@pytest.mark.parametrize("message", [KEY_UPDATE, KEY_UPDATE_REQUESTED])
def test_key_updates_without_end_keep_nobody_waiting(
    server: RunningServer, tmp_path: Path, message: bytes, has_logged_in: bool
) -> None:
    flooding, writer = writing_records(server, tmp_path)
    account = new_account(server.port)
    if has_logged_in:
        flooding.open()
        flooding.authenticate(*account)
    flood = b"".join(writer.key_update(message) for _ in range(FLOOD))
    has_begun, is_over = threading.Event(), threading.Event()

    def send() -> None:
        try:
            writer.send_raw(flood)
            has_begun.set()
            if has_logged_in:
                flooding.bind()
            else:
                flooding.open()
        finally:
            has_begun.set()
            is_over.set()

    with flooding, somebody(server.port) as juliet:
        assert answers_while(juliet, send, has_begun, is_over) > OFTEN


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
        client, writer = writing_records(server, tmp_path)
        with client:
            flood = b"".join(writer.key_update() for _ in range(2 * BYTES_PER_SECOND // 27))
            begun = time.monotonic()
            writer.send_raw(flood)
            client.open()
            assert time.monotonic() - begun > 0.9  # one second's worth is free


def test_records_without_content_end_the_connection(server: RunningServer, tmp_path: Path) -> None:
    client, writer = writing_records(server, tmp_path)
    with client, pytest.raises((OSError, StreamEnded)):
        writer.send_raw(b"".join(writer.record(b"") for _ in range(1_000)))
        client.open()
