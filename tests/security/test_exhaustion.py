"""docs/security.md rows about memory: what strangers and clients can make a server keep."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.configured import demo_server
from tests.harness.rawclient import RawClient, logged_in, new_account, somebody, stream_header
from tests.harness.servers import RunningServer
from tests.harness.streams import Stream, listening_server
from xmpp.data import names

# What all of the 2,000 below may leave behind together. An idle connection takes 23 KiB, so were they all kept, it
# would be more than 40 MB; the pages of the allocator are no exact measure of anything below that.
FLAT = 8 << 20
CONNECTIONS = 2_000
WARM_UP = 500


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with RunningServer.demo() as server:
        yield server


def memory(server: RunningServer) -> int:
    """The bytes that the process has in memory."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def open_files(server: RunningServer) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def growth(server: RunningServer, act: Callable[[], object], warm_up: int, times: int) -> int:
    """By how much the memory grows while something is done again and again."""
    for _ in range(warm_up):
        act()
    before = memory(server)
    for _ in range(times):
        act()
    return memory(server) - before


# -- row 7


def hang_up(client: RawClient) -> None:
    pass


def hang_up_after_the_header(client: RawClient) -> None:
    client.open()


def hang_up_in_a_stanza(client: RawClient) -> None:
    client.send(stream_header() + "<iq type='set' id='a'><query xmlns='jabber:iq:register'>" + "x" * 4_000)
    client.receive()


def close(client: RawClient) -> None:
    client.send(stream_header() + "</stream:stream>")
    assert client.ending().has_closing_tag


def make_a_mistake(client: RawClient) -> None:
    client.send(stream_header() + "<iq></b>")
    assert client.ending().condition == "not-well-formed"


def hang_up_in_an_exchange(client: RawClient) -> None:
    client.open()
    client.send(f"<auth xmlns='{names.SASL}' mechanism='SCRAM-SHA-256'>bixuPWEscj1i</auth>")
    client.receive()


WAYS_TO_GO = [hang_up, hang_up_after_the_header, hang_up_in_a_stanza, close, make_a_mistake, hang_up_in_an_exchange]


def test_row_07_strangers_who_come_and_go_leave_nothing_behind(server: RunningServer) -> None:
    ways = itertools.cycle(WAYS_TO_GO)
    files = open_files(server)

    def come_and_go() -> None:
        with RawClient(server.port) as client:
            next(ways)(client)

    assert growth(server, come_and_go, WARM_UP, CONNECTIONS) < FLAT
    with RawClient(server.port) as client:
        while open_files(server) > files + 1:  # at the latest when the server gives up waiting for them
            client.open()


def test_row_07_a_stranger_that_begins_nothing_is_sent_away(tmp_path: Path) -> None:
    with demo_server(tmp_path, streams={"login_seconds": 1}) as server, RawClient(server.port) as client:
        assert client.ending().condition == "connection-timeout"


def test_row_07_one_address_cannot_take_all_connections(tmp_path: Path) -> None:
    with (
        demo_server(tmp_path, listen={"strangers_per_address": 2}) as server,
        RawClient(server.port) as one,
        RawClient(server.port) as two,
    ):
        one.open()
        two.open()
        for port in (server.port, server.tls_port):
            with RawClient(port) as refused:
                assert refused.socket.recv(1) == b""


# -- row 30


def test_row_30_a_client_that_does_not_read_is_dropped_and_stalls_nobody(tmp_path: Path) -> None:
    with demo_server(tmp_path, streams={"unsent_bytes": 65_536}) as server:
        account = new_account(server.port)
        with logged_in(server.port, *account, "deaf") as deaf, logged_in(server.port, *account, "well") as client:
            deaf.send("<presence/>")
            client.send("<presence/>")
            message = f"<message to='{deaf.jid}'><body>{'x' * 50_000}</body></message>"
            while not any(has_left(element, deaf) for element in client.comes_before_pong()):
                client.send(message)


def test_row_30_dropping_a_client_is_no_mistake_of_the_server(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    streams = {"unsent_bytes": 65_536, "bytes_per_second": 1_000_000_000}
    with listening_server(tmp_path, streams=streams) as server, Stream(server) as deaf:
        deaf.logs_in()
        message = f"<message to='{deaf.binds()}'><body>{'x' * 100_000}</body></message>"
        with pytest.raises(ConnectionError):
            while True:
                deaf.send(message)
        assert not list(server.online)
    assert "Traceback" not in capfd.readouterr().err
    assert not caplog.records


def has_left(element: object, client: RawClient) -> bool:
    get = element.get  # type: ignore[attr-defined]
    return bool((get("from"), get("type")) == (client.jid, "unavailable"))


# -- row 60


def test_row_60_made_up_addresses_are_not_kept(server: RunningServer) -> None:
    numbers = itertools.count()
    with somebody(server.port) as client:

        def write_to_a_thousand() -> None:
            chosen = itertools.islice(numbers, 1_000)
            client.send("".join(f"<message type='error' to='nobody{n}@localhost/{n}'/>" for n in chosen))
            client.comes_before_pong()

        assert growth(server, write_to_a_thousand, 150, 50) < FLAT  # it levels out a while after the caches are full


# -- row 61

NAMES_EACH = 100


def test_row_61_ever_new_names_leave_the_memory_flat(server: RunningServer) -> None:
    numbers = itertools.count()
    kinds = itertools.cycle(
        [
            "<iq><new{n:050}/></iq>",
            "<iq new{n:050}=''/>",
            "<iq><new{n:050}:a xmlns:new{n:050}='u:{n:050}'/></iq>",
            "<iq xmlns='new:{n:050}'/>",
            "<iq><a xmlns = 'new:{n:050}'/></iq>",
        ]
    )

    def send_new_names() -> None:
        kind = next(kinds)
        with RawClient(server.port) as client:
            client.send(stream_header() + "".join(kind.format(n=next(numbers)) for _ in range(NAMES_EACH)))
            assert client.ending().condition in {"not-authorized", "unsupported-stanza-type", "policy-violation"}

    assert growth(server, send_new_names, WARM_UP, CONNECTIONS) < FLAT
    assert next(numbers) >= 200_000


def test_row_61_one_stanza_may_not_bring_many_new_names(server: RunningServer) -> None:
    with somebody(server.port) as client:
        client.send("<message type='error'>" + "".join(f"<at-once{n} xmlns='u:{n}'/>" for n in range(200)))
        assert client.ending().condition == "policy-violation"


def test_row_61_whatever_names_others_bring_the_next_one_may_bring_some(server: RunningServer) -> None:
    numbers = itertools.count()
    account = new_account(server.port)

    def send_new_names() -> None:
        with logged_in(server.port, *account) as client:
            for _ in range(100):
                new = (f"<of-account{n} xmlns='u:of:{n}'/>" for n in itertools.islice(numbers, 140))
                client.send(f"<message type='error'>{''.join(new)}</message>")
            client.comes_before_pong()

    assert growth(server, send_new_names, 10, 20) < FLAT  # by 560,000 of them
    with somebody(server.port) as other:
        honest = "".join(f"<honest{n} xmlns='urn:honest:{n}'/>" for n in range(50))
        other.send(f"<message to='{other.jid}' type='headline'>{honest}</message>")
        (received,) = other.comes_before_pong()
        assert len(received) == 50
