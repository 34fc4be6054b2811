"""Streams over TLS (RFC 6120 section 5, XEP-0368), against `xserv run`, which requires it."""

import ssl
import warnings
from collections.abc import Iterator

import pytest
from lxml import etree

from tests.harness.configured import PASSWORDS, run_server
from tests.harness.rawclient import RawClient, anything_goes, assert_ends, stream_header
from tests.harness.servers import RunningServer
from xmpp.data import names

STARTTLS = f"<starttls xmlns='{names.TLS}'/>"
PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
OFFER_TLS, REQUIRED, MECHANISMS = f"{{{names.TLS}}}starttls", f"{{{names.TLS}}}required", f"{{{names.SASL}}}mechanisms"
CHANNEL_BINDING = "{urn:xmpp:sasl-cb:0}sasl-channel-binding"
AUTHENTICATION, VERSION = "{urn:xmpp:sasl:2}authentication", "{urn:xmpp:iap:0}config-version"
WITH_INVITATION = "{urn:xmpp:ibr-token:0}register", "{http://jabber.org/features/iq-register}register"
LIMITS = "{urn:xmpp:stream-limits:0}limits"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running `xserv run`, with the accounts of PASSWORDS."""
    with run_server(tmp_path_factory.mktemp("secured")) as server:
        yield server


# -- features


def offered(features: etree._Element) -> set[str]:
    return {str(feature.tag) for feature in features}


def test_before_tls_nothing_but_tls_is_offered(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        features = client.open()
    assert offered(features) == {OFFER_TLS, LIMITS}
    assert features.find(f"{OFFER_TLS}/{REQUIRED}") is not None


def test_over_tls_login_is_offered_with_channel_binding(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        features = client.start_tls()
    assert offered(features) == {MECHANISMS, AUTHENTICATION, CHANNEL_BINDING, VERSION, LIMITS, *WITH_INVITATION}
    mechanisms = [mechanism.text for mechanism in features.find(MECHANISMS)]  # type: ignore[union-attr]
    assert {"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"} <= set(mechanisms)


def test_before_tls_nothing_is_answered(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        client.open()
        client.send(PING)
        assert_ends(client, "not-authorized")


# -- handshakes


def tls_client(version: ssl.TLSVersion | None = None, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
    context = anything_goes()
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if version is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")  # otherwise OpenSSL itself refuses the old ones
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_logs_in_after_starttls(secured: RunningServer, version: ssl.TLSVersion) -> None:
    with RawClient(secured.port) as client:
        client.start_tls(tls_client(version))
        client.authenticate("juliet", PASSWORDS["juliet"])
        client.bind("balcony")
        assert client.jid == "juliet@localhost/balcony"
        assert client.comes_before_pong() == []


@pytest.mark.parametrize("protocols", [(), ("xmpp-client",), ("http/1.1", "xmpp-client")])
def test_a_client_logs_in_over_direct_tls(secured: RunningServer, protocols: tuple[str, ...]) -> None:
    with RawClient(secured.tls_port, tls=tls_client(protocols=protocols)) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() == ("xmpp-client" if protocols else None)
        assert OFFER_TLS not in offered(client.open())
        client.authenticate("juliet", PASSWORDS["juliet"])
        client.bind()


def test_who_speaks_another_protocol_only_is_refused(secured: RunningServer) -> None:
    with pytest.raises(ssl.SSLError), RawClient(secured.tls_port, tls=tls_client(protocols=("h2", "imap"))) as client:
        client.open()


def test_tls_1_1_is_refused_after_starttls(secured: RunningServer) -> None:
    with RawClient(secured.port) as client, pytest.raises(ssl.SSLError):
        client.start_tls(tls_client(ssl.TLSVersion.TLSv1_1))


def test_tls_1_1_is_refused_from_the_first_byte(secured: RunningServer) -> None:
    with pytest.raises(ssl.SSLError):
        RawClient(secured.tls_port, tls=tls_client(ssl.TLSVersion.TLSv1_1))


def test_no_stream_comes_through_a_handshake_that_fails(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        client.open()
        client.send(STARTTLS)
        client.receive()
        client.send(stream_header())  # in place of a handshake
        assert b"<" not in everything_from(client)


def everything_from(client: RawClient) -> bytes:
    """All bytes up to the end of the connection, in whichever way it ends."""
    received = b""
    try:
        while data := client.socket.recv(4096):
            received += data
    except ConnectionResetError:
        pass  # what the server has not read
    return received


def test_tls_is_not_begun_twice(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        client.start_tls()
        client.send(STARTTLS)
        ending = client.ending()
    assert [element.tag for element in ending.elements] == [f"{{{names.TLS}}}failure"]
    assert ending.has_closing_tag


def test_a_stream_over_tls_ends_with_a_close_notify(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        context = anything_goes()
        client.start_tls(context)
        assert isinstance(client.socket, ssl.SSLSocket)
        # Python then raises an error where the connection just breaks off.
        client.socket.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        client.send("</stream:stream>")
        assert client.ending().has_closing_tag


def test_who_ends_the_stream_and_tls_at_once_is_told_goodbye(secured: RunningServer) -> None:
    context = anything_goes()
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # where what comes can still be read after one's own end
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with RawClient(secured.tls_port) as client:
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        while not is_shaken(tls, client, outgoing):
            incoming.write(client.socket.recv(4096))
        tls.write(stream_header().encode() + b"</stream:stream>")
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        client.send(outgoing.read())
        incoming.write(everything_from(client))
        assert tls.read(65536).endswith(b"</stream:stream>")


def is_shaken(tls: ssl.SSLObject, client: RawClient, outgoing: ssl.MemoryBIO) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    else:
        return True
    finally:
        client.send(outgoing.read())
