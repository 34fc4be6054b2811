"""TLS between two of our own transports over loopback: each side sees what the other one shows, whatever that is."""

from __future__ import annotations

import dataclasses
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import gevent
import pytest
from cryptography import x509
from gevent import socket as gevent_socket

from tests.harness.authority import KINDS, Authority, Issued
from xmpp.data.errors import StreamError
from xmpp.stream.pace import Pace
from xmpp.stream.tls import any_certificate
from xmpp.stream.tls import secured as secured_socket
from xmpp.stream.tls.any_certificate import MAX_CERTIFICATES, MAX_CHAIN_BYTES
from xmpp.stream.tls.between_servers import ClientTLS
from xmpp.stream.tls.certificates import CertificateError
from xmpp.stream.tls.client_hello import ClientHello, read_hello
from xmpp.stream.tls.contexts import HTTP, XMPP, XMPP_SERVER
from xmpp.stream.tls.tls import ServerTLS, TLSSettings
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns

CAPULET, MONTAGUE = "capulet.test", "montague.test"
PATIENCE = 30  # seconds, only reached by a test that fails


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def tls_of(folder: Path, certificates: Mapping[str, Issued]) -> ServerTLS:
    """What a server has that shows these certificates."""
    files = {domain: issued.write(folder / domain) for domain, issued in certificates.items()}
    served = {domain: [f"rooms.{domain}"] for domain in certificates}
    return ServerTLS(TLSSettings(certificates=files), served, folder, (XMPP, HTTP), with_servers=True)


def as_client(tls: ServerTLS) -> ClientTLS:
    assert tls.as_client is not None
    return tls.as_client


def layer(end: SocketTransport) -> ssl.SSLObject:
    assert end.tls is not None
    return end.tls


class Ends(NamedTuple):
    """Both ends of a connection between servers."""

    answering: SocketTransport
    dialling: SocketTransport


@contextmanager
def connected() -> Iterator[Ends]:
    """Both ends of a connection without TLS yet."""
    with gevent.Timeout(PATIENCE), gevent_socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        dialling = gevent_socket.create_connection(listener.getsockname())
        answering, _ = listener.accept()
        ends = Ends(SocketTransport(answering, 60), SocketTransport(dialling, 60))
        yield ends
        for end in ends:
            end.close()


def pace() -> Pace:
    return Pace(1_000_000, Turns())


def shake_hands(
    ends: Ends,
    answering: ServerTLS,
    dialling: ClientTLS,
    ours: str = MONTAGUE,
    theirs: str = CAPULET,
    *,
    is_direct: bool = False,
    for_servers: bool = True,
) -> None:
    """Both shake hands. Raises what the end that dials raises, else what the other one does."""
    answer = gevent.spawn(
        ends.answering.start_tls, answering, pace(), is_direct=is_direct, for_servers=for_servers
    )
    try:
        ends.dialling.start_tls_as_client(dialling, ours, theirs, pace(), is_direct=is_direct)
    finally:
        answer.get()


@contextmanager
def secured(
    answering: ServerTLS,
    dialling: ServerTLS,
    ours: str = MONTAGUE,
    theirs: str = CAPULET,
    *,
    is_direct: bool = False,
    for_servers: bool = True,
) -> Iterator[Ends]:
    """Both ends of a connection that has TLS."""
    with connected() as ends:
        shake_hands(ends, answering, as_client(dialling), ours, theirs, is_direct=is_direct, for_servers=for_servers)
        yield ends


def spoken(end: SocketTransport) -> str | None:
    return layer(end).selected_alpn_protocol()


def own_certificates(chain: Sequence[bytes]) -> list[str]:
    """The names in the first of these certificates."""
    leaf = x509.load_der_x509_certificate(chain[0])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", KINDS)
def test_each_side_sees_what_the_other_shows_whatever_it_is(
    kind: str, version: ssl.TLSVersion, authority: Authority, tmp_path: Path
) -> None:
    ours, theirs = authority.case(kind, MONTAGUE), authority.case(kind, CAPULET)
    answering, dialling = tls_of(tmp_path, {CAPULET: theirs}), tls_of(tmp_path, {MONTAGUE: ours})
    as_client(dialling).contexts.towards(MONTAGUE, is_direct=False).maximum_version = version
    with secured(answering, dialling) as ends:
        assert layer(ends.answering).version() == version.name.replace("_", ".")
        assert ends.dialling.peer_chain == theirs.der
        assert ends.answering.peer_chain == ours.der
        ends.dialling.try_send(b"<stream>")
        assert ends.answering.read() == b"<stream>"
        ends.answering.try_send(b"<features/>")
        assert ends.dialling.read() == b"<features/>"


def test_before_tls_nobody_has_shown_anything() -> None:
    with connected() as ends:
        assert ends.answering.peer_chain == ends.dialling.peer_chain == ()


def test_a_server_without_a_certificate_is_served_all_the_same(authority: Authority, tmp_path: Path) -> None:
    answering = tls_of(tmp_path, {CAPULET: authority.issue(CAPULET)})
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname, anonymous.verify_mode = False, ssl.CERT_NONE
    with connected() as ends, ThreadPoolExecutor(1) as pool:
        raw = socket.socket(fileno=socket.dup(ends.dialling._sock.fileno()))
        raw.settimeout(PATIENCE)
        peer = pool.submit(anonymous.wrap_socket, raw)
        ends.answering.start_tls(answering, pace(), for_servers=True)
        assert ends.answering.peer_chain == ()
        peer.result().close()


def test_clients_are_asked_for_no_certificate(authority: Authority, tmp_path: Path) -> None:
    answering, dialling = (tls_of(tmp_path, {each: authority.issue(each)}) for each in (CAPULET, MONTAGUE))
    with secured(answering, dialling, for_servers=False) as ends:
        assert ends.answering.peer_chain == ()


# -- which certificate is shown


@pytest.mark.parametrize(
    "asked, shown",
    [
        (CAPULET, CAPULET),
        (f"rooms.{CAPULET}", CAPULET),
        (f"bridge.{CAPULET}", CAPULET),
        ("münchen.test", "xn--mnchen-3ya.test"),
        ("rooms.münchen.test", "xn--mnchen-3ya.test"),
        ("elsewhere.test", MONTAGUE),
        ("127.0.0.1", MONTAGUE),
        ("[::1]", MONTAGUE),
    ],
)
def test_the_certificate_of_a_service_is_that_of_its_domain_in_both_directions(
    asked: str, shown: str, authority: Authority, tmp_path: Path
) -> None:
    several = {each: authority.issue(each) for each in (MONTAGUE, CAPULET, "münchen.test")}
    tls = tls_of(tmp_path, several)
    with secured(tls, tls, ours=asked, theirs=asked) as ends:
        assert own_certificates(ends.dialling.peer_chain) == [shown]
        assert own_certificates(ends.answering.peer_chain) == [shown]


@pytest.mark.parametrize("asked", [CAPULET, f"rooms.{CAPULET}", "münchen.test"])
def test_who_names_no_domain_in_the_handshake_is_shown_the_certificate_of_the_one_that_the_stream_has_named(
    asked: str, authority: Authority, tmp_path: Path
) -> None:
    several = {each: authority.issue(each) for each in (MONTAGUE, CAPULET, "münchen.test")}
    tls = tls_of(tmp_path, several)
    nameless = "127.0.0.1"  # is never named
    with connected() as ends:
        answer = gevent.spawn(ends.answering.start_tls, tls, pace(), for_servers=True, asked_for=asked)
        ends.dialling.start_tls_as_client(as_client(tls), MONTAGUE, nameless, pace(), is_direct=False)
        answer.get()
        assert ends.dialling.peer_chain == several[asked.removeprefix("rooms.")].der


@pytest.mark.parametrize(
    "theirs, named",
    [
        (CAPULET, CAPULET),
        ("münchen.test", "xn--mnchen-3ya.test"),
        ("192.0.2.1", None),
        ("[2001:db8::1]", None),
    ],
)
def test_the_server_of_a_domain_is_asked_for_by_its_name_and_that_of_an_address_by_none(
    theirs: str, named: str | None, authority: Authority, tmp_path: Path
) -> None:
    dialling = as_client(tls_of(tmp_path, {MONTAGUE: authority.issue(MONTAGUE)}))
    with pytest.raises(ssl.SSLWantReadError):
        dialling.layer(MONTAGUE, theirs, is_direct=True).do_handshake()
    hello, _ = read_hello(dialling.outgoing.read)
    assert hello == ClientHello(named, (XMPP_SERVER.encode(),))


@pytest.mark.parametrize("theirs", ["a" * 64 + ".test", "a..test"])
def test_what_no_handshake_can_name_fails_before_it(theirs: str, authority: Authority, tmp_path: Path) -> None:
    dialling = tls_of(tmp_path, {MONTAGUE: authority.issue(MONTAGUE)})
    with connected() as ends, pytest.raises(ssl.SSLError, match="cannot be named in a TLS handshake"):
        ends.dialling.start_tls_as_client(as_client(dialling), MONTAGUE, theirs, pace(), is_direct=False)


def test_changed_certificates_are_shown_in_both_directions(authority: Authority, tmp_path: Path) -> None:
    before, after = authority.issue(CAPULET), authority.issue(CAPULET)
    tls = tls_of(tmp_path, {CAPULET: before})
    files = {CAPULET: after.write(tmp_path / "renewed")}
    with secured(tls, tls) as old:
        tls.reload(TLSSettings(certificates=files), {CAPULET: []})
        with secured(tls, tls) as new:
            assert new.dialling.peer_chain == new.answering.peer_chain == after.der
        assert old.dialling.peer_chain == old.answering.peer_chain == before.der
        old.dialling.try_send(b"still there")
        assert old.answering.read() == b"still there"


def test_others_have_their_turns_while_the_certificates_of_many_domains_change(
    authority: Authority, tmp_path: Path
) -> None:
    domains = [f"{number}.test" for number in range(5)]
    tls = tls_of(tmp_path, {each: authority.issue(each) for each in domains})
    before, seen = tls.certificates, []

    def look() -> None:
        while tls.certificates is before:
            seen.append(as_client(tls).contexts)
            gevent.sleep(0)

    looking = gevent.spawn(look)
    gevent.sleep(0)
    tls.reload(TLSSettings(certificates={each: tmp_path / each for each in domains}), {each: [] for each in domains})
    with gevent.Timeout(PATIENCE):
        looking.join()
    assert len(seen) > 2 * len(domains)
    assert set(seen) == {seen[0]} != {as_client(tls).contexts}


def test_certificates_that_cannot_be_used_change_nothing(authority: Authority, tmp_path: Path) -> None:
    before = authority.issue(CAPULET)
    tls = tls_of(tmp_path, {CAPULET: before})
    with pytest.raises(CertificateError, match="cannot be read"):
        tls.reload(TLSSettings(certificates={CAPULET: tmp_path / "missing.pem"}), {CAPULET: []})
    with secured(tls, tls) as ends:
        assert ends.dialling.peer_chain == ends.answering.peer_chain == before.der


# -- TLS that comes first


@pytest.mark.parametrize("for_servers", [True, False])
def test_who_starts_with_tls_and_says_that_it_is_a_server_is_asked_on_any_port(
    for_servers: bool, authority: Authority, tmp_path: Path
) -> None:
    answering, dialling = (tls_of(tmp_path, {each: authority.issue(each)}) for each in (CAPULET, MONTAGUE))
    with secured(answering, dialling, is_direct=True, for_servers=for_servers) as ends:
        assert spoken(ends.answering) == spoken(ends.dialling) == XMPP_SERVER
        assert own_certificates(ends.answering.peer_chain) == [MONTAGUE]


def test_with_starttls_no_protocol_is_named(authority: Authority, tmp_path: Path) -> None:
    answering, dialling = (tls_of(tmp_path, {each: authority.issue(each)}) for each in (CAPULET, MONTAGUE))
    with secured(answering, dialling) as ends:
        assert spoken(ends.answering) is spoken(ends.dialling) is None


@pytest.mark.parametrize(
    "protocols, for_servers, with_servers, is_taken",
    [
        ((), True, True, True),
        ((XMPP_SERVER,), True, True, True),
        ((XMPP,), True, True, False),
        ((HTTP,), True, True, False),
        ((XMPP_SERVER,), False, False, False),
        ((XMPP,), False, True, True),
        ((XMPP, XMPP_SERVER), False, True, True),
    ],
)
def test_a_port_takes_the_protocols_that_are_spoken_there(
    protocols: tuple[str, ...],
    for_servers: bool,
    with_servers: bool,
    is_taken: bool,
    authority: Authority,
    tmp_path: Path,
) -> None:
    files = {CAPULET: authority.issue(CAPULET).write(tmp_path / CAPULET)}
    tls = ServerTLS(TLSSettings(certificates=files), {CAPULET: []}, tmp_path, (XMPP, HTTP), with_servers=with_servers)
    assert tls.speaks_with(ClientHello(CAPULET, tuple(map(str.encode, protocols))), for_servers=for_servers) is is_taken


def test_a_client_that_claims_to_be_a_server_after_starttls_gets_what_clients_get(
    authority: Authority, tmp_path: Path
) -> None:
    answering, dialling = (tls_of(tmp_path, {each: authority.issue(each)}) for each in (CAPULET, MONTAGUE))
    as_client(dialling).contexts.towards(MONTAGUE, is_direct=False).set_alpn_protocols([XMPP_SERVER])
    with secured(answering, dialling, for_servers=False) as ends:
        assert ends.answering.peer_chain == ()
        assert answering.requested_domain(layer(ends.answering)) == CAPULET
        assert "tls-server-end-point" in answering.channel_bindings(layer(ends.answering))


# -- where OpenSSL cannot be made to take any certificate


@pytest.mark.parametrize(
    "constant, value, reason",
    [
        ("SET_CALLBACK", "SSL_CTX_no_such_function", "undefined symbol: SSL_CTX_no_such_function"),
        ("POINTER_AT", any_certificate.POINTER_AT + 2 * any_certificate.POINTER_AT, "the trial failed"),
        ("POINTER_AT", -1 << 40, "the trial failed"),
        ("GET_MODE", "SSL_CTX_get_options", "the trial failed"),
    ],
    ids=["no such function", "another pointer", "a crash", "another answer"],
)
def test_servers_are_asked_for_no_certificate_where_that_cannot_be_done(
    constant: str,
    value: object,
    reason: str,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(any_certificate, constant, value)
    theirs = authority.issue(CAPULET)
    tls = tls_of(tmp_path, {CAPULET: theirs})
    assert not tls.asks_servers
    [warning] = caplog.messages
    assert warning.startswith("other servers cannot be asked for their certificates") and reason in warning
    with secured(tls, tls) as ends:
        assert ends.answering.peer_chain == ()
        assert ends.dialling.peer_chain == theirs.der


def test_the_trial_succeeds_here_and_leaves_nobody_behind(authority: Authority, tmp_path: Path) -> None:
    before = children()
    assert tls_of(tmp_path, {CAPULET: authority.issue(CAPULET)}).asks_servers
    assert children() == before


def children() -> list[str]:
    """The processes that this one has started and not waited for."""
    return [each for path in Path("/proc/self/task").glob("*/children") for each in path.read_text().split()]


# -- limits


@pytest.mark.parametrize("certificates, names, seen", [(20, 1, MAX_CERTIFICATES), (7, 300, 3)])
def test_of_a_chain_that_is_far_too_long_the_end_is_left_out(
    certificates: int, names: int, seen: int, authority: Authority, tmp_path: Path
) -> None:
    own = authority.issue(CAPULET)
    domains = [f"{number}.{'x' * 20}.{CAPULET}" for number in range(names)]
    long = dataclasses.replace(own, chain=tuple(authority.issue(*domains).leaf for _ in range(certificates)))
    assert sum(map(len, long.der[: seen + 1])) > MAX_CHAIN_BYTES or seen == MAX_CERTIFICATES
    tls = tls_of(tmp_path, {CAPULET: long})
    with secured(tls, tls) as ends:
        assert ends.dialling.peer_chain == ends.answering.peer_chain == long.der[:seen]


def test_a_server_that_we_dial_is_a_stranger_until_it_is_trusted(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secured_socket, "STRANGERS_RECORDS", 10)
    tls = tls_of(tmp_path, {CAPULET: authority.issue(CAPULET)})
    for is_trusted in (True, False):
        with secured(tls, tls) as ends:
            if is_trusted:
                ends.dialling.trust()
            for _ in range(11):
                ends.answering.try_send(b" ")
            if is_trusted:
                assert len(all_of(ends.dialling, 11)) == 11
            else:
                with pytest.raises(StreamError, match="too many TLS records"):
                    all_of(ends.dialling, 11)


def all_of(end: SocketTransport, size: int) -> bytes:
    read = b""
    while len(read) < size:
        read += end.read()
    return read
