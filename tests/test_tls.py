"""TLS over loopback, with Python's own ssl as the client: versions, certificates by SNI, bindings, reload, ALPN."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from gevent import socket as gevent_socket

from xmpp.config.configuration import ConfigError, Configuration, Section
from xmpp.stream.admission import Admission
from xmpp.stream.pace import Pace
from xmpp.stream.tls.certificates import CertificateError, self_signed_certificate
from xmpp.stream.tls.client_hello import HANDSHAKE, RECORD_HEADER_BYTES, ClientHello, HelloReader, record_size
from xmpp.stream.tls.exporter import Exporter
from xmpp.stream.tls.tls import ServerTLS, TLSSettings
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns

SERVICES = {"example.org": ["pubsub.example.org"], "münchen.example": ["pubsub.münchen.example"]}
PATIENCE = 30  # seconds, only reached by a test that fails


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "certificates"


@pytest.fixture
def server_tls(folder: Path) -> ServerTLS:
    return ServerTLS(TLSSettings(), SERVICES, folder)


@contextmanager
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), timeout=PATIENCE) as client,
        listener.accept()[0] as server,
    ):
        yield server, client


@contextmanager
def in_background(action: Callable[..., object], *arguments: object) -> Iterator[Future[Any]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(action, *arguments)


def client_context(folder: Path | None = None) -> ssl.SSLContext:
    """A client that trusts the self-signed certificates of the folder, or anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if folder is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        for path in folder.glob("*.pem"):
            context.load_verify_locations(path)
    return context


def transport_over(server: socket.socket) -> SocketTransport:
    return SocketTransport(gevent_socket.socket(fileno=server.detach()), dead_peer_seconds=60)


def secure(transport: SocketTransport, server_tls: ServerTLS, *, is_direct: bool = False) -> None:
    with gevent.Timeout(PATIENCE):
        transport.start_tls(server_tls, Pace(1_000_000, Turns()), is_direct=is_direct)


@contextmanager
def connected(
    server_tls: ServerTLS, context: ssl.SSLContext, name: str | None = None, *, is_direct: bool = False
) -> Iterator[tuple[SocketTransport, ssl.SSLSocket]]:
    """Both ends of a connection, the server's first."""

    def shake_hands() -> ssl.SSLSocket:
        return context.wrap_socket(client, server_hostname=name)

    with tcp_pair() as (server, client), in_background(shake_hands) as shaken:
        transport = transport_over(server)
        secure(transport, server_tls, is_direct=is_direct)
        with shaken.result(PATIENCE) as peer:
            yield transport, peer
        transport.close()


def layer(transport: SocketTransport) -> ssl.SSLObject:
    assert transport.tls is not None
    return transport.tls


def failure(
    server_tls: ServerTLS, context: ssl.SSLContext, *, is_direct: bool = False
) -> tuple[ssl.SSLError, ssl.SSLError]:
    """What a handshake that fails raises on both ends, the server's first."""

    def shake_hands() -> None:
        with context.wrap_socket(client) as peer:
            peer.recv(1)

    with tcp_pair() as (server, client), in_background(shake_hands) as shaken:
        transport = transport_over(server)
        with pytest.raises(ssl.SSLError) as raised:
            secure(transport, server_tls, is_direct=is_direct)
        transport.close()
        with pytest.raises(ssl.SSLError) as told:
            shaken.result(PATIENCE)
    return raised.value, told.value


def shown_certificate(peer: ssl.SSLSocket) -> bytes:
    certificate = peer.getpeercert(binary_form=True)
    assert certificate
    return certificate


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bytes_pass_both_ways_in_either_version(server_tls: ServerTLS, version: ssl.TLSVersion) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = version
    with connected(server_tls, context) as (secured, peer):
        peer.sendall(b"<stream>")
        assert secured.read() == b"<stream>"
        secured.try_send(b"<features/>")
        assert peer.recv(100) == b"<features/>"
        assert peer.version() == version.name.replace("_", ".")


def test_who_has_a_session_is_not_admitted_with_strangers_any_more(server_tls: ServerTLS) -> None:
    pace = Pace(1_000_000, Turns(), Admission())
    with tcp_pair() as (server, client), in_background(partial(client_context().wrap_socket, client)) as shaken:
        transport = transport_over(server)
        transport.start_tls(server_tls, pace, is_direct=True)
        assert pace.admission is not None
        transport.trust()
        assert pace.admission is None
        shaken.result(PATIENCE).close()
        transport.close()


def test_versions_before_1_2_are_refused(server_tls: ServerTLS) -> None:
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    raised, told = failure(server_tls, context)
    assert raised.reason == "UNSUPPORTED_PROTOCOL"
    assert told.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_version_1_2_is_refused_where_1_3_is_asked_for(folder: Path) -> None:
    server_tls = ServerTLS(TLSSettings(minimum_version="1.3"), SERVICES, folder)
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    raised, _ = failure(server_tls, context)
    assert raised.reason == "UNSUPPORTED_PROTOCOL"


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(server_tls: ServerTLS, cipher: str) -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    raised, _ = failure(server_tls, context)
    assert raised.reason == "NO_SHARED_CIPHER"


@pytest.mark.parametrize(
    "name, domain",
    [
        ("example.org", "example.org"),
        ("xn--mnchen-3ya.example", "münchen.example"),
        ("pubsub.xn--mnchen-3ya.example", "münchen.example"),
    ],
)
def test_a_client_gets_the_certificate_of_the_domain_that_it_or_whose_service_it_names(
    server_tls: ServerTLS, folder: Path, name: str, domain: str
) -> None:
    with connected(server_tls, client_context(folder), name) as (secured, _):
        assert server_tls.requested_domain(layer(secured)) == domain


def test_the_name_of_a_domain_may_come_in_capitals(server_tls: ServerTLS) -> None:
    with connected(server_tls, client_context(), "XN--MNCHEN-3YA.example") as (secured, _):
        assert server_tls.requested_domain(layer(secured)) == "münchen.example"


@pytest.mark.parametrize("name", [None, "xmpp.hosting.example"])
def test_a_client_that_names_no_domain_of_ours_gets_the_first_certificate(
    server_tls: ServerTLS, folder: Path, name: str | None
) -> None:
    first = self_signed_certificate(folder, "example.org").x509.public_bytes(Encoding.DER)
    with connected(server_tls, client_context(), name) as (secured, peer):
        assert server_tls.requested_domain(layer(secured)) is None
        assert shown_certificate(peer) == first


@pytest.mark.skipif(shutil.which("openssl") is None, reason="Python's ssl does not show what a server answers to SNI")
@pytest.mark.parametrize(("name", "times"), [("example.org", 1), ("xmpp.hosting.example", 0)])
def test_a_client_is_told_that_the_name_was_understood(server_tls: ServerTLS, name: str, times: int) -> None:
    def ask() -> str:
        command = ["openssl", "s_client", "-tlsextdebug", "-servername", name, "-connect", f"127.0.0.1:{port}"]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with in_background(ask) as shown:
            transport = transport_over(listener.accept()[0])
            secure(transport, server_tls)
            transport.shutdown_write()
            assert shown.result(PATIENCE).count('TLS server extension "server name"') == times
            transport.close()


@pytest.mark.parametrize("name", [None, "example.org", "xn--mnchen-3ya.example"])
def test_both_ends_agree_on_the_bindings_in_version_1_2(server_tls: ServerTLS, name: str | None) -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with connected(server_tls, context, name) as (secured, peer):
        assert server_tls.channel_bindings(layer(secured)) == {
            "tls-exporter": Exporter().exported(peer),
            "tls-unique": peer.get_channel_binding("tls-unique"),
            "tls-server-end-point": hashlib.sha256(shown_certificate(peer)).digest(),
        }


def test_version_1_3_has_no_unique_binding(server_tls: ServerTLS) -> None:
    with connected(server_tls, client_context(), "xn--mnchen-3ya.example") as (secured, peer):
        assert server_tls.channel_bindings(layer(secured)) == {
            "tls-exporter": Exporter().exported(peer),
            "tls-server-end-point": hashlib.sha256(shown_certificate(peer)).digest(),
        }


def test_no_session_can_be_resumed_in_version_1_3(server_tls: ServerTLS) -> None:
    with connected(server_tls, client_context()) as (secured, peer):
        secured.try_send(b"a ticket would come before this")
        peer.recv(100)
        assert peer.session is None or not peer.session.has_ticket


def test_a_reload_serves_new_certificates_and_leaves_connections_alone(server_tls: ServerTLS, folder: Path) -> None:
    with connected(server_tls, client_context(), "example.org") as (old, old_peer):
        before = server_tls.channel_bindings(layer(old))
        for path in folder.iterdir():
            path.unlink()
        server_tls.reload(TLSSettings(), {"example.org": [], "new.example": []})
        with connected(server_tls, client_context(folder), "example.org") as (new, _):
            end_point = server_tls.channel_bindings(layer(new))["tls-server-end-point"]
            assert end_point != before["tls-server-end-point"]
        with connected(server_tls, client_context(folder), "new.example") as (new, _):
            assert server_tls.requested_domain(layer(new)) == "new.example"
        old_peer.sendall(b"still here")
        assert old.read() == b"still here"
        assert server_tls.channel_bindings(layer(old)) == before


def test_a_reload_that_fails_changes_nothing(server_tls: ServerTLS, folder: Path) -> None:
    broken = TLSSettings(certificates={"example.org": folder / "missing.pem"})
    with pytest.raises(CertificateError, match=r"missing\.pem: cannot be read"):
        server_tls.reload(broken, SERVICES)
    with connected(server_tls, client_context(folder), "example.org") as (secured, _):
        assert server_tls.requested_domain(layer(secured)) == "example.org"


def test_the_administrators_own_certificate_is_used(tmp_path: Path, folder: Path) -> None:
    own = self_signed_certificate(tmp_path / "own", "example.org")
    settings = TLSSettings(certificates={"EXAMPLE.org": own.chain_file}, keys={"example.org": own.key_file})
    server_tls = ServerTLS(settings, SERVICES, folder)
    with connected(server_tls, client_context(tmp_path / "own"), "example.org"):
        assert [path.name for path in folder.iterdir()] == ["xn--mnchen-3ya.example.pem"]


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            TLSSettings(certificates={"exmaple.org": Path("x.pem")}),
            "[tls] certificates: exmaple.org is not known here; expected one of example.org, münchen.example.",
        ),
        (
            TLSSettings(keys={"example.org": Path("x.pem")}),
            "[tls] keys: example.org is not known here; there is no certificate to go with it.",
        ),
    ],
)
def test_files_for_a_domain_that_is_not_served_are_refused(folder: Path, settings: TLSSettings, message: str) -> None:
    with pytest.raises(CertificateError) as caught:
        ServerTLS(settings, SERVICES, folder)
    assert str(caught.value) == message


def test_what_cannot_be_a_domain_is_refused_when_the_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "xserv.toml"
    path.write_text('[tls]\nkeys = {"é..example" = "key.pem"}')
    with pytest.raises(ConfigError, match=r"\[tls\] keys: expected the names of domains in front of the paths, found"):
        Configuration.load(path, [Section("tls", TLSSettings)])


def test_a_doubtful_certificate_is_used_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = self_signed_certificate(tmp_path, "other.example")
    ServerTLS(TLSSettings(certificates={"example.org": own.chain_file}), {"example.org": []}, tmp_path)
    assert caplog.messages == [f"{own.chain_file}: the certificate does not name example.org."]


@pytest.mark.parametrize("is_direct", [False, True])
def test_plain_text_where_a_handshake_should_be_is_refused(server_tls: ServerTLS, is_direct: bool) -> None:
    with tcp_pair() as (server, client):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            secure(transport_over(server), server_tls, is_direct=is_direct)


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
def test_a_client_that_leaves_during_its_hello_is_not_waited_for(server_tls: ServerTLS, sent: bytes) -> None:
    with tcp_pair() as (server, client):
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError):
            secure(transport_over(server), server_tls)


@pytest.mark.parametrize("act", [SocketTransport.close, SocketTransport.shutdown_write])
def test_nothing_is_sent_in_the_middle_of_a_handshake(
    server_tls: ServerTLS, act: Callable[[SocketTransport], None]
) -> None:
    with tcp_pair() as (server, client):
        transport = transport_over(server)
        shaking = gevent.spawn(secure, transport, server_tls)
        gevent.idle()
        act(transport)
        with pytest.raises(OSError):
            transport.try_send(b"<stream:error>")
        transport.close()
        with pytest.raises(OSError):
            shaking.get(timeout=PATIENCE)
        assert client.recv(100) == b""


@pytest.mark.parametrize("offered", [[], ["xmpp-client"], ["h2", "xmpp-client"]])
def test_direct_tls_takes_clients_that_offer_our_protocol_or_none(server_tls: ServerTLS, offered: list[str]) -> None:
    context = client_context()
    if offered:
        context.set_alpn_protocols(offered)
    with connected(server_tls, context, "example.org", is_direct=True) as (secured, peer):
        assert peer.selected_alpn_protocol() == ("xmpp-client" if offered else None)
        peer.sendall(b"x")
        assert secured.read() == b"x"


@pytest.mark.parametrize("offered", [["h2", "http/1.1"], ["xmpp-server"], ["xmpp-clients"]])
def test_direct_tls_refuses_clients_that_want_another_protocol(server_tls: ServerTLS, offered: list[str]) -> None:
    context = client_context()
    context.set_alpn_protocols(offered)
    raised, told = failure(server_tls, context, is_direct=True)
    assert "offers other application protocols only" in str(raised)
    assert "alert no application protocol" in str(told)


def test_direct_tls_reads_a_hello_that_arrives_byte_by_byte(server_tls: ServerTLS) -> None:
    def say_hello() -> bytes:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client_hello(["h2"]):
            client.sendall(bytes([byte]))
        return client.recv(100)

    with tcp_pair() as (server, client), in_background(say_hello) as said:
        with pytest.raises(ssl.SSLError, match="offers other application protocols only"):
            secure(transport_over(server), server_tls, is_direct=True)
        assert said.result(PATIENCE) == bytes.fromhex("15030300020278")


def test_a_hello_may_be_cut_into_many_records(server_tls: ServerTLS) -> None:
    with tcp_pair() as (server, client):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = client_context().wrap_bio(incoming, outgoing, server_hostname="xn--mnchen-3ya.example")
        with pytest.raises(ssl.SSLWantReadError):
            peer.do_handshake()
        client.sendall(b"".join(records(outgoing.read(), 1)))

        def go_on() -> None:
            while True:
                incoming.write(client.recv(4096))
                try:
                    peer.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    pass
            peer.write(b"together with the end of the handshake")
            client.sendall(outgoing.read())

        with in_background(go_on) as done:
            transport = transport_over(server)
            secure(transport, server_tls)
            done.result(PATIENCE)
        assert server_tls.requested_domain(layer(transport)) == "münchen.example"
        assert transport.read() == b"together with the end of the handshake"


def test_the_bytes_of_a_handshake_are_paid_for(server_tls: ServerTLS) -> None:
    cut_small = b"".join(records(client_hello(["h2"]), 1))
    with tcp_pair() as (server, client):
        client.sendall(cut_small)
        begun = time.monotonic()
        with pytest.raises(ssl.SSLError, match="offers other application protocols only"):
            transport_over(server).start_tls(server_tls, Pace(len(cut_small) // 2, Turns()), is_direct=True)
        assert time.monotonic() - begun > 0.9  # one second's worth is free


def records(record: bytes, size: int) -> Iterator[bytes]:
    """What is in a record, in records of this size."""
    header, content = record[:3], record[RECORD_HEADER_BYTES:]
    for begin in range(0, len(content), size):
        piece = content[begin : begin + size]
        yield header + len(piece).to_bytes(2) + piece


NOT_ASCII = ["b\u00fccher.example".encode(), "b\u00fccher.example!".encode("latin-1"), b"\xff" * 15]


@pytest.mark.parametrize("name", NOT_ASCII)
def test_a_name_that_is_not_ascii_is_an_unknown_one(
    server_tls: ServerTLS, name: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    placeholder = "x" * len(name)
    hello = client_hello([], placeholder).replace(placeholder.encode(), name)

    def say_hello() -> bytes:
        client.sendall(hello)
        answer = client.recv(4096)
        client.close()  # the hello is not quite its own
        return answer

    with tcp_pair() as (server, client), in_background(say_hello) as answered:
        with pytest.raises(OSError):
            secure(transport_over(server), server_tls)
        assert answered.result(PATIENCE)[0] == HANDSHAKE  # and no alert
    assert capfd.readouterr().err == ""


def client_hello(protocols: list[str], name: str = "example.org") -> bytes:
    context = client_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def read_hello(*pieces: bytes) -> ClientHello | None:
    reader = HelloReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.hello


def test_name_and_protocols_are_read_from_a_client_hello() -> None:
    assert read_hello(client_hello(["h2", "xmpp-client"])) == ClientHello("example.org", (b"h2", b"xmpp-client"))
    assert read_hello(client_hello([], "EXAMPLE.org")) == ClientHello("example.org")


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_client_hello_is_read_from_many_records_and_pieces(size: int) -> None:
    hello = b"".join(records(client_hello(["h2"]), size))
    assert read_hello(hello) == ClientHello("example.org", (b"h2",))
    assert read_hello(*(bytes([byte]) for byte in hello)) == ClientHello("example.org", (b"h2",))
    assert read_hello(hello[:-1]) is None


def test_a_client_hello_whose_length_is_wrong_is_read_without_an_error() -> None:
    message = client_hello(["h2", "xmpp-client"])[RECORD_HEADER_BYTES:]
    for size in range(4, len(message)):
        cut = message[:1] + (size - 4).to_bytes(3) + message[4:size]
        hello = read_hello(*records(b"\x16\x03\x01__" + cut, 1 << 14))
        assert hello is not None
        assert len(hello.protocols) <= 2


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1", bytes.fromhex("15030100020228"), b"\x16\x03\x01\x00\x01\x02"])
def test_what_is_no_client_hello_is_left_to_openssl(begin: bytes) -> None:
    assert read_hello(begin) == ClientHello()


def test_no_client_hello_is_waited_for_without_end() -> None:
    endless = b"\x01\xff\xff\xff" + bytes(1 << 16)
    assert read_hello(*records(b"\x16\x03\x01__" + endless, 1 << 10)) == ClientHello()


def test_the_size_of_a_record_is_known_from_its_header() -> None:
    hello = client_hello([])
    assert record_size(hello[:5]) == len(hello)


@pytest.mark.parametrize("header", ["", "16030102", "4745542047", "1603014001", "1503010002"])
def test_what_begins_no_handshake_has_no_size(header: str) -> None:
    assert record_size(bytes.fromhex(header)) == 0
