"""The socket under a stream: what reading gives, and what it raises once the connection is closed here."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket, ssl

from xmpp.stream.certificates import self_signed_certificate
from xmpp.stream.pace import Pace
from xmpp.stream.secured import PORTION_BYTES, STRANGERS_BYTES, SecuredSocket
from xmpp.stream.tls import ServerTLS, TLSSettings
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
    tls, theirs = ServerTLS(TLSSettings(), ["localhost"], folder), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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


def test_tls_of_who_has_no_session_is_read_in_smaller_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portions, read = list[int](), SecuredSocket._read

    def noting(self: SecuredSocket, portion: bytes) -> bytes:
        portions.append(len(portion))
        return read(self, portion)

    monkeypatch.setattr(SecuredSocket, "_read", noting)
    with secured(tmp_path) as (transport, peer):
        for is_trusted in (False, True):
            if is_trusted:
                transport.trust()
            portions.clear()
            peer.sendall(b"x" * 2_000)
            data = b""
            while len(data) < 2_000:
                data += transport.read()
            assert portions[0] == (PORTION_BYTES if is_trusted else STRANGERS_BYTES)
