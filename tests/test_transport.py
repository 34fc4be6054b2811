"""The socket under a stream: what reading gives, and what it raises once the connection is closed here."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from ssl import MemoryBIO
from typing import Any

import gevent
import pytest
from gevent import socket, ssl

from xmpp.stream.pace import Pace
from xmpp.stream.tls.certificates import self_signed_certificate
from xmpp.stream.tls.records import Records
from xmpp.stream.tls.secured import RECORD_BYTES, STRANGERS_RECORDS_AT_ONCE
from xmpp.stream.tls.tls import ServerTLS, TLSSettings
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns

PATIENCE = 30  # seconds, only reached by a test that fails
LARGE = bytes(range(256)) * 1000  # several records of TLS

Connected = Callable[[Path], AbstractContextManager[tuple[SocketTransport, Any]]]


@contextmanager
def plain(_: Path) -> Iterator[tuple[SocketTransport, Any]]:
    """A transport, and the socket at its other end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        peer = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
        transport = SocketTransport(listener.accept()[0], dead_peer_seconds=60)
    with peer:
        yield transport, peer
    transport.close()


@contextmanager
def secured(folder: Path) -> Iterator[tuple[SocketTransport, Any]]:
    """The same over TLS."""
    tls, theirs = ServerTLS(TLSSettings(), {"localhost": []}, folder), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.load_verify_locations(self_signed_certificate(folder, "localhost").chain_file)
    with plain(folder) as (transport, peer):
        handshake = gevent.spawn(transport.start_tls, tls, Pace(1 << 30, Turns()))
        with theirs.wrap_socket(peer, server_hostname="localhost") as secured_peer:
            handshake.get(timeout=PATIENCE)
            yield transport, secured_peer


both = pytest.mark.parametrize("connected", [plain, secured])


@both
def test_what_is_sent_at_once_is_read_in_several_pieces(connected: Connected, tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, peer):
        sending = gevent.spawn(peer.sendall, LARGE)
        data = b""
        while len(data) < len(LARGE):
            data += transport.read()
        sending.get(timeout=PATIENCE)
    assert data == LARGE


@both
def test_what_the_socket_does_not_take_at_once_is_sent_later(connected: Connected, tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, peer):
        data, sent = LARGE * 40, 0
        while (taken := transport.try_send(data[sent:])) == len(data) - sent:
            sent, data = sent + taken, data + LARGE * 40  # as much as the kernel takes, and more

        def send_the_rest() -> None:
            left = data[sent + taken :]
            while left:
                transport.wait_writable()
                left = left[transport.try_send(left) :]

        sending, received = gevent.spawn(send_the_rest), bytearray()
        while len(received) < len(data):
            received += peer.recv(1 << 20)
        sending.get(timeout=PATIENCE)
    assert received == data


@both
def test_the_end_is_read_as_nothing(connected: Connected, tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, peer):
        peer.close()
        assert transport.read() == b""


@both
def test_reading_fails_after_closing(connected: Connected, tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, _):
        transport.close()
        with pytest.raises(OSError):
            transport.read()


@both
def test_reading_fails_when_it_is_closed_meanwhile(connected: Connected, tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, _):
        reading = gevent.spawn(transport.read)
        gevent.idle()
        transport.close()
        with pytest.raises(OSError):
            reading.get(timeout=PATIENCE)


@both
def test_reading_fails_when_it_is_closed_after_our_last_words(connected: Connected, tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, _):
        transport.shutdown_write()
        transport.close()
        with pytest.raises(OSError):
            transport.read()


@both
@pytest.mark.parametrize("leave", ["shutdown_write", "close"])
def test_writing_fails_after_our_last_words(connected: Connected, leave: str, tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, _):
        getattr(transport, leave)()
        with pytest.raises(OSError):
            transport.try_send(b"x")
        with pytest.raises(OSError):
            transport.wait_writable()
        transport.shutdown_write()  # once more is as good as once


@both
def test_waiting_to_write_fails_when_it_is_closed_meanwhile(connected: Connected, tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, _):
        while transport.try_send(LARGE):
            pass
        waiting = gevent.spawn(transport.wait_writable)
        gevent.idle()
        transport.close()
        with pytest.raises(OSError):
            waiting.get(timeout=PATIENCE)


class CountedTurns(Turns):
    """Says how often somebody has waited for all others."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def wait(self) -> None:
        self.times += 1
        super().wait()


class PeerByHand:
    """A client over TLS that can cut and hold back its bytes."""

    def __init__(self, sock: Any, tls: ServerTLS, folder: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self_signed_certificate(folder, "localhost").chain_file)
        self.sock = sock
        self._incoming, self._outgoing = MemoryBIO(), MemoryBIO()
        self.layer = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        while not self._is_shaken():
            self._incoming.write(sock.recv(4096))

    def _is_shaken(self) -> bool:
        try:
            self.layer.do_handshake()
        except ssl.SSLWantReadError:
            return False
        else:
            return True
        finally:
            self.sock.sendall(self._outgoing.read())

    def records(self, *contents: bytes) -> bytes:
        """A record of each."""
        for content in contents:
            self.layer.write(content)
        return self._outgoing.read()

    def alert(self) -> bytes:
        """The record that ends TLS."""
        with pytest.raises(ssl.SSLWantReadError):
            self.layer.unwrap()
        return self._outgoing.read()


@contextmanager
def secured_by_hand(folder: Path, tls: ServerTLS, turns: Turns) -> Iterator[tuple[SocketTransport, PeerByHand]]:
    with plain(folder) as (transport, sock):
        handshake = gevent.spawn(transport.start_tls, tls, Pace(1 << 30, turns))
        peer = PeerByHand(sock, tls, folder)
        handshake.get(timeout=PATIENCE)
        yield transport, peer


@pytest.fixture
def tls(tmp_path: Path) -> ServerTLS:
    return ServerTLS(TLSSettings(), {"localhost": []}, tmp_path)


FEW_RECORDS = 20
OVERHEAD_BYTES = 22  # of a record of TLS 1.3


def test_who_has_no_session_gives_way_every_few_records(tmp_path: Path, tls: ServerTLS) -> None:
    turns = CountedTurns()
    with secured_by_hand(tmp_path, tls, turns) as (transport, peer):
        peer.sock.sendall(peer.records(*[b"x"] * FEW_RECORDS))
        assert transport.read() == b"x" * FEW_RECORDS
        assert turns.times >= FEW_RECORDS / STRANGERS_RECORDS_AT_ONCE - 1


def test_records_that_come_one_by_one_in_a_session_wait_for_nobody(tmp_path: Path, tls: ServerTLS) -> None:
    turns = CountedTurns()
    with secured_by_hand(tmp_path, tls, turns) as (transport, peer):
        transport.trust()
        for _ in range(10 * FEW_RECORDS):
            peer.sock.sendall(peer.records(b"x"))
            assert transport.read() == b"x"
    assert turns.times == 0


@pytest.mark.parametrize("is_trusted", [False, True])
def test_records_are_read_wherever_they_are_cut_and_whoever_else_is_read(
    tmp_path: Path, tls: ServerTLS, is_trusted: bool
) -> None:
    def assert_nothing_is_left() -> None:
        assert (tls.incoming.pending, tls.outgoing.pending) == (0, 0)

    with (
        secured_by_hand(tmp_path, tls, Turns()) as (one, hers),
        secured_by_hand(tmp_path, tls, Turns()) as (other, his),
    ):
        if is_trusted:
            one.trust()
            other.trust()
        contents = [b"north", b"north-west", b"handsaw" * 3]
        size = sum(map(len, contents))
        for at in range(1, size + len(contents) * OVERHEAD_BYTES, 1 if is_trusted else 11):
            records = hers.records(*contents)
            hers.sock.sendall(records[:at])
            reading = gevent.spawn(read_all, one, size)
            gevent.idle()
            assert_nothing_is_left()
            his.sock.sendall(his.records(b"hawk"))
            assert other.read() == b"hawk"
            assert_nothing_is_left()
            hers.sock.sendall(records[at:])
            assert reading.get(timeout=PATIENCE) == b"".join(contents)
            assert_nothing_is_left()


def read_all(transport: SocketTransport, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += transport.read()
    return data


@pytest.mark.parametrize("is_trusted", [False, True])
@pytest.mark.parametrize("rest", ["garbage", "alert", "alert and garbage"])
def test_what_one_peer_ends_with_reaches_no_other(
    tmp_path: Path, tls: ServerTLS, rest: str, is_trusted: bool
) -> None:
    with (
        secured_by_hand(tmp_path, tls, Turns()) as (ending, bad),
        secured_by_hand(tmp_path, tls, Turns()) as (other, good),
    ):
        if is_trusted:
            ending.trust()
        garbage = b"\x17\x03\x03\x00\x20" + b"x" * 32
        bad.sock.sendall((bad.alert() if "alert" in rest else b"") + (garbage * 3 if "garbage" in rest else b""))
        if "alert" in rest:
            assert [ending.read(), ending.read()] == [b"", b""]
        else:
            with pytest.raises(ssl.SSLError):
                ending.read()
        assert (tls.incoming.pending, tls.outgoing.pending) == (0, 0)
        with suppress(OSError):
            ending.try_send(b"handsaw")
        assert (tls.incoming.pending, tls.outgoing.pending) == (0, 0)
        good.sock.sendall(good.records(b"hawk"))
        assert other.read() == b"hawk"


def test_much_goes_out_in_records_as_large_as_they_may_be(tmp_path: Path, tls: ServerTLS) -> None:
    with secured_by_hand(tmp_path, tls, Turns()) as (transport, peer):
        data = LARGE[: 4 * RECORD_BYTES]
        assert transport.try_send(data) == len(data)
        assert transport.try_send(data[: RECORD_BYTES + 1]) == RECORD_BYTES + 1
        transport.shutdown_write()
        received = b""
        while piece := peer.sock.recv(1 << 20):
            received += piece
    [(_, records)] = Records().portions(received, len(received))
    assert records == 4 + 2 + 1  # and the alert
