"""Other servers that come through a proxy, which says first for whom it has connected (PROXY protocol)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import socket

from tests.harness.authority import Authority
from tests.harness.federated import LOOPBACK, Directory, federated, federation_of, next_of, somebody
from tests.harness.peer_servers import PeerServer, PeerStream, agree
from tests.harness.sasl2 import context
from tests.harness.streams import listener_of, local_name
from xmpp.server import Server
from xmpp.stream.listen_settings import PORTS

A, B = "a.example", "b.example"
THEIRS = "203.0.113.9"
LINE = f"PROXY TCP4 {THEIRS} 192.0.2.1 4711 5269\r\n"
IN_BINARY = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("100.64.0.9").decode() + 8 * "\0"
BY_TLS = IN_BINARY.replace("\0\x0c", "\0\x14") + "\x20\0\x05\x01\0\0\0\0"
MESSAGE = "<message from='romeo@b.example/y' to='juliet@a.example/x' type='chat'><body>hi</body></message>"
EXTERNAL = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
ONLY_FOR_PROXIES = {"proxied": ("server_port", "server_tls_port")}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server(tmp_path: Path, directory: Directory, authority: Authority) -> Iterator[Server]:
    """It knows b.example as a domain that may do without TLS."""
    with federated(
        tmp_path / "a", directory, A, authority.issue(A), authority,
        listen=ONLY_FOR_PROXIES, federation={"without_tls": [B]},
    ) as one:  # fmt: skip
        yield one


@pytest.fixture
def theirs(directory: Directory) -> Iterator[PeerServer]:
    """The server that is dialled for b.example."""
    with PeerServer() as peer:
        directory.ports[B] = peer.port
        yield peer


def peers(server: Server) -> list[str]:
    """Where the streams of others come from, as far as the server knows."""
    return [stream.peer for stream in federation_of(server).streams]


@pytest.mark.parametrize(("header", "address"), [(LINE, THEIRS), (IN_BINARY, "100.64.0.9")], ids=["text", "binary"])
def test_a_server_is_from_where_the_header_says(server: Server, header: str, address: str) -> None:
    with PeerStream.to(server) as peer:
        peer.send(header)
        features = peer.opens(A, B)
        assert features.find("{urn:ietf:params:xml:ns:xmpp-tls}starttls") is not None
        assert peers(server) == [address]


def test_it_shows_who_it_is_and_is_heard(server: Server, theirs: PeerServer) -> None:
    juliet = somebody(server, f"juliet@{A}/x")
    with PeerStream.to(server) as peer:
        peer.send(LINE)
        agree(peer, theirs, B)
        peer.send(MESSAGE)
        assert 'from="romeo@b.example/y"' in next_of(juliet, "message")
        assert THEIRS in peers(server)


def test_tls_may_come_right_behind_the_header(tmp_path: Path, server: Server, authority: Authority) -> None:
    juliet, chosen = somebody(server, f"juliet@{A}/x"), context()
    folder = authority.issue(B).write(tmp_path / "b")
    chosen.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    with PeerStream.by_tls(server, chosen, LINE) as peer:
        peer.opens(A, B)
        assert local_name(peer.asks(EXTERNAL)) == "success"
        peer.opens(A, B)
        peer.send(MESSAGE)
        assert 'from="romeo@b.example/y"' in next_of(juliet, "message")
        assert peers(server) == [THEIRS]


def test_whom_a_proxy_has_decrypted_for_is_offered_no_tls_and_shows_who_it_is_by_dialback(server: Server) -> None:
    with PeerStream.to(server) as peer:
        peer.send(BY_TLS)
        features = [local_name(each) for each in peer.opens(A, "c.example")]
        assert not {"starttls", "mechanisms"} & set(features)
        assert "dialback" in features


@pytest.mark.parametrize("key", ONLY_FOR_PROXIES["proxied"])
@pytest.mark.parametrize("sent", ["<?xml version='1.0'?><stream:stream ", "\x16\x03\x01\x02\0\x01\0\x01\x01\x03\x03\0"])
def test_row_150_what_comes_without_a_header_is_refused(
    server: Server, caplog: pytest.LogCaptureFixture, key: str, sent: str
) -> None:
    assert hears(server, key, sent) == b""
    assert caplog.messages == [
        "a connection from 127.0.0.1 was refused: it does not begin with a header of the PROXY protocol "
        "([listen] proxied)"
    ]


def test_row_150_a_stranger_cannot_claim_an_address(
    tmp_path: Path, directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    listen = {**ONLY_FOR_PROXIES, "trusted_proxies": ("192.0.2.1",)}
    with federated(tmp_path / "a", directory, A, listen=listen) as server:
        assert hears(server, "server_port", LINE + "<?xml version='1.0'?>") == b""
    assert [each.partition(": ")[2] for each in caplog.messages] == [
        "this port is for proxies ([listen] proxied), and none is trusted there (trusted_proxies)"
    ]


@pytest.mark.parametrize("key", ["port", "server_port", "server_tls_port"])
def test_only_the_ports_that_are_named_expect_the_header(tmp_path: Path, directory: Directory, key: str) -> None:
    with federated(tmp_path / "a", directory, A, listen={"proxied": (key,)}) as server, PeerStream.to(server) as peer:
        if key == "server_port":
            peer.send(LINE)
        peer.opens(A, B)
        assert peers(server) == [THEIRS if key == "server_port" else LOOPBACK]


def hears(server: Server, key: str, sent: str) -> bytes:
    """What comes back on this port until it is closed, in whatever way."""
    with socket.create_connection((LOOPBACK, listener_of(server).ports[PORTS[key]]), timeout=30) as sock:
        sock.sendall(sent.encode("latin-1"))
        try:
            return bytes(sock.recv(100))
        except ConnectionResetError:
            return b""
