"""Streams of clients (RFC 6120 sections 4 and 5), byte by byte: against `xserv demo`, and `xserv run` where TLS is."""

import ssl
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest
from lxml import etree

from tests.configured import PASSWORDS, demo_server, run_server
from tests.rawclient import (
    RawClient,
    StreamEnded,
    anything_goes,
    condition_of,
    logged_in,
    new_account,
    somebody,
    stream_header,
)
from tests.servers import RunningServer
from xmpp import names

STARTTLS = f"<starttls xmlns='{names.TLS}'/>"
PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
MAX_BYTES = "{urn:xmpp:stream-limits:0}limits/{urn:xmpp:stream-limits:0}max-bytes"
LIMITS, REGISTER, BIND, SESSION = (
    "{urn:xmpp:stream-limits:0}limits",
    "{http://jabber.org/features/iq-register}register",
    f"{{{names.BIND}}}bind",
    f"{{{names.SESSION}}}session",
)
OFFER_TLS, REQUIRED, MECHANISMS = f"{{{names.TLS}}}starttls", f"{{{names.TLS}}}required", f"{{{names.SASL}}}mechanisms"
CHANNEL_BINDING = "{urn:xmpp:sasl-cb:0}sasl-channel-binding"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running `xserv run`, with the accounts of PASSWORDS."""
    with run_server(tmp_path_factory.mktemp("secured")) as server:
        yield server


@pytest.fixture
def client(demo: RunningServer) -> Iterator[RawClient]:
    """A client that has just connected to the demo."""
    with RawClient(demo.port) as client:
        yield client


@pytest.fixture
def juliet(demo: RunningServer) -> Iterator[RawClient]:
    """A client of the demo with a session."""
    with somebody(demo.port) as client:
        yield client


def assert_ends(client: RawClient, condition: str) -> None:
    """The stream ends with this error, after a header of the server's and before the closing tag; nothing else comes."""
    ending = client.ending()
    assert (ending.condition, ending.has_closing_tag) == (condition, True)
    assert client.header is not None
    assert not ending.elements


# -- headers (section 4.7)


@pytest.mark.parametrize(
    "header",
    [
        stream_header(),
        "<?xml version='1.0'?>" + stream_header(),
        '<?xml version="1.0" encoding="utf-8"?>\r\n\r\n' + stream_header(),
        stream_header().replace("stream:", "s:").replace("xmlns:stream", "xmlns:s"),
        stream_header(version="1.1"),
        stream_header(**{"from": "juliet@localhost", "xml:lang": "de", "unknown": "a > b"}),
        stream_header("LOCALHOST"),
        stream_header().replace("'", '"').replace(" to", "\n\tto"),
    ],
)
def test_a_header_that_is_right_is_answered_with_features(client: RawClient, header: str) -> None:
    client.send(header)
    assert client.receive().tag == f"{{{names.STREAM}}}features"
    assert client.header is not None
    assert client.header["from"] == "localhost"
    assert client.header["version"] == "1.0"
    assert client.header[f"{{{names.XML}}}lang"]


def test_a_header_may_come_byte_by_byte(client: RawClient) -> None:
    for character in "<?xml version='1.0'?>" + stream_header():
        client.send(character)
    assert client.receive().tag == f"{{{names.STREAM}}}features"


def test_the_header_is_addressed_to_whom_the_client_says_it_is(client: RawClient) -> None:
    client.open(**{"from": "juliet@localhost"})
    assert client.header is not None
    assert client.header["to"] == "juliet@localhost"


def test_each_stream_has_an_id_of_its_own(demo: RunningServer) -> None:
    ids = set()
    name, password = new_account(demo.port)
    for _ in range(3):
        with RawClient(demo.port) as client:
            for begin in (client.open, lambda client=client: client.authenticate(name, password)):
                begin()
                assert client.header is not None
                ids.add(client.header["id"])
    assert len(ids) == 6
    assert all(len(id) >= 22 for id in ids)  # 128 bits, even in base64


WRONG_HEADERS = {
    "no to": (stream_header().replace(" to='localhost'", ""), "improper-addressing"),
    "another host": (stream_header("example.org"), "host-unknown"),
    "no host at all": (stream_header("@@"), "host-unknown"),
    "content of servers": (stream_header().replace("jabber:client", "jabber:server"), "invalid-namespace"),
    "no content namespace": (stream_header().replace(" xmlns='jabber:client'", ""), "invalid-namespace"),
    "another stream namespace": (stream_header().replace("etherx", "example"), "invalid-namespace"),
    "unbound prefix": (stream_header().replace("xmlns:stream", "xmlns:other"), "bad-namespace-prefix"),
    "no version": (stream_header().replace(" version='1.0'", ""), "unsupported-version"),
    "old version": (stream_header(version="0.9"), "unsupported-version"),
    "no number": (stream_header(version="new"), "unsupported-version"),
    "another root": (stream_header().replace("stream:stream", "stream:river"), "bad-format"),
    "another encoding": ("<?xml version='1.0' encoding='ISO-8859-1'?>" + stream_header(), "unsupported-encoding"),
    "comment": ("<!-- hello -->" + stream_header(), "restricted-xml"),
    "document type": ("<!DOCTYPE stream>" + stream_header(), "restricted-xml"),
    "instruction": ("<?php ?>" + stream_header(), "restricted-xml"),
    "no quotes": (stream_header().replace("'1.0'", "1.0"), "not-well-formed"),
    "another protocol": ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "not-well-formed"),
    "too long": (stream_header(x="y" * 20_000), "policy-violation"),
    "never finished": ("<stream:stream " + "x" * 20_000, "policy-violation"),
}


@pytest.mark.parametrize("what", WRONG_HEADERS)
def test_an_error_in_the_header_is_told_inside_of_a_stream_of_ours(client: RawClient, what: str) -> None:
    header, condition = WRONG_HEADERS[what]
    client.send(header)
    assert_ends(client, condition)
    assert client.header is not None
    assert client.header["from"] == "localhost"
    assert client.header["id"]


def test_bytes_that_are_not_utf_8_are_another_encoding(client: RawClient) -> None:
    client.send(stream_header().encode("utf-16"))
    assert_ends(client, "unsupported-encoding")


# -- features of each state (section 4.3)


def offered(features: etree._Element) -> set[str]:
    return {str(feature.tag) for feature in features}


def test_a_demo_offers_login_with_tls_and_without(client: RawClient) -> None:
    features = client.open()
    assert offered(features) == {OFFER_TLS, MECHANISMS, REGISTER, LIMITS}
    assert features.find(f"{OFFER_TLS}/{REQUIRED}") is None
    assert features.findtext(MAX_BYTES) == "10000"


def test_after_login_binding_is_offered_and_the_limits_are_larger(demo: RunningServer) -> None:
    with RawClient(demo.port) as client:
        client.open()
        features = client.authenticate(*new_account(demo.port))
    assert {BIND, SESSION, LIMITS} <= offered(features)
    assert not {OFFER_TLS, MECHANISMS, REGISTER} & offered(features)
    assert features.findtext(MAX_BYTES) == "262144"


def test_before_tls_nothing_but_tls_is_offered(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        features = client.open()
    assert offered(features) == {OFFER_TLS, LIMITS}
    assert features.find(f"{OFFER_TLS}/{REQUIRED}") is not None


def test_over_tls_login_is_offered_with_channel_binding(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        features = client.start_tls()
    assert offered(features) == {MECHANISMS, CHANNEL_BINDING, LIMITS}
    mechanisms = [mechanism.text for mechanism in features.find(MECHANISMS)]  # type: ignore[union-attr]
    assert {"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"} <= set(mechanisms)


@pytest.mark.parametrize("element", [f"<auth xmlns='{names.SASL}' mechanism='PLAIN'>AGEAYg==</auth>", PING])
def test_before_tls_nobody_logs_in(secured: RunningServer, element: str) -> None:
    with RawClient(secured.port) as client:
        client.open()
        client.send(element)
        assert_ends(client, "not-authorized")


# -- TLS (section 5)


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
    with pytest.raises(ssl.SSLError), RawClient(secured.tls_port, tls=tls_client(protocols=("http/1.1",))) as client:
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


# -- closing (section 4.4)


@pytest.mark.parametrize("is_logged_in", [False, True])
def test_a_stream_that_is_closed_is_closed_in_return_and_nothing_comes_before(
    demo: RunningServer, is_logged_in: bool
) -> None:
    with somebody(demo.port) if is_logged_in else RawClient(demo.port) as client:
        if is_logged_in:
            client.send("<presence/>")
            client.comes_before_pong()
        else:
            client.open()
        client.send("</stream:stream>")
        ending = client.ending()
    assert ending.has_closing_tag
    assert ending.condition is None
    assert ending.elements == []


def test_a_stream_may_be_opened_and_closed_at_once(client: RawClient) -> None:
    client.send(stream_header() + "</stream:stream>")
    ending = client.ending()
    assert [element.tag for element in ending.elements] == [f"{{{names.STREAM}}}features"]
    assert ending.has_closing_tag


def test_what_comes_after_the_closing_tag_is_not_handled(juliet: RawClient) -> None:
    juliet.send("</stream:stream>" + PING)
    assert juliet.ending().elements == []


def test_what_was_asked_before_the_closing_tag_is_answered(juliet: RawClient) -> None:
    juliet.send(PING + "</stream:stream>")
    assert [element.get("id") for element in juliet.ending().elements] == ["p"]


def test_a_client_may_close_its_side_after_an_error_too(juliet: RawClient) -> None:
    juliet.send("<unknown xmlns='urn:example'/>")
    with pytest.raises(StreamEnded) as ended:
        juliet.receive()
    assert ended.value.condition == "unsupported-stanza-type"
    juliet.send("</stream:stream>")
    assert juliet.ending().has_closing_tag


def test_a_stream_over_tls_ends_with_a_close_notify(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        context = anything_goes()
        client.start_tls(context)
        assert isinstance(client.socket, ssl.SSLSocket)
        client.socket.suppress_ragged_eofs = False  # raises where the connection just breaks off
        client.send("</stream:stream>")
        assert client.ending().has_closing_tag


# -- what stands between stanzas, and what does not stand in a stream (section 11)


def test_blanks_between_stanzas_are_nothing(client: RawClient) -> None:
    client.open()
    client.send(" \n\t\r\n" * 50_000)
    client.send(f"</stream:stream>{' ' * 1000}")
    ending = client.ending()
    assert ending.elements == []
    assert ending.has_closing_tag


def test_blanks_between_stanzas_of_a_session_are_nothing(juliet: RawClient) -> None:
    for _ in range(100):
        juliet.send(" ")
    juliet.send("\n" * 1_000_000)
    assert juliet.comes_before_pong() == []


WRONG_XML = {
    "comment": ("<!-- -->", "restricted-xml"),
    "instruction": ("<?a b?>", "restricted-xml"),
    "document type": ("<!DOCTYPE a [<!ENTITY b 'c'>]>", "restricted-xml"),
    "comment in a stanza": ("<message><!-- -->", "restricted-xml"),
    "instruction in a stanza": ("<message><body>a<?a?>", "restricted-xml"),
    "undeclared entity": ("<message><body>&foo;", "not-well-formed"),
    "undeclared entity in an attribute": ("<message id='&foo;'>", "not-well-formed"),
    "undeclared entity and a good stanza": ("<message><body>&foo;</body></message>" + PING, "not-well-formed"),
    "no quotes": ("<message to=a>", "not-well-formed"),
    "no space": ("<message to='a'id='b'>", "not-well-formed"),
    "an attribute twice": ("<message id='a' id='b'/>", "not-well-formed"),
    "crossed tags": ("<message><body></message>", "not-well-formed"),
    "an end without a start": ("</message>", "not-well-formed"),
    "forbidden character": ("<message><body>&#x1;</body></message>", "not-well-formed"),
    "unbound prefix": ("<message><a:b/></message>", "not-well-formed"),
    "text": ("hello", "bad-format"),
}


@pytest.mark.parametrize("what", WRONG_XML)
def test_a_client_that_has_not_logged_in_is_told_at_once_what_is_wrong(client: RawClient, what: str) -> None:
    xml, condition = WRONG_XML[what]
    client.open()
    client.send(xml)
    assert_ends(client, condition)


@pytest.mark.parametrize("what", WRONG_XML)
def test_a_session_is_told_at_once_what_is_wrong(juliet: RawClient, what: str) -> None:
    xml, condition = WRONG_XML[what]
    juliet.send(xml)
    assert_ends(juliet, condition)


def test_a_stanza_may_come_byte_by_byte(juliet: RawClient) -> None:
    for byte in b"<iq type='get' \n id = \"a>'b\"><ping\txmlns='urn:xmpp:ping'><![CDATA[<]]>&#xe4;\xc3\xa4</ping ></iq >":
        juliet.send(bytes([byte]))
    assert juliet.receive().get("id") == "a>'b"


# -- limits


def message_of(size: int) -> str:
    """A message to oneself of that many bytes."""
    start, end = "<message type='headline'><body>", "</body></message>"
    return start + "x" * (size - len(start) - len(end)) + end


def test_a_stanza_as_long_as_the_limit_passes_and_a_longer_one_does_not(juliet: RawClient) -> None:
    juliet.send("<presence/>")
    juliet.comes_before_pong()
    juliet.send(message_of(262_144))
    assert juliet.receive().get("type") == "headline"
    juliet.send(message_of(262_145))
    assert_ends(juliet, "policy-violation")


def test_before_login_a_stanza_is_refused_as_soon_as_it_is_too_long(client: RawClient) -> None:
    client.open()
    client.send("<iq type='get' id='a'><query xmlns='jabber:iq:register'>" + "x" * 10_000)
    assert_ends(client, "policy-violation")


def test_before_login_an_account_is_made_below_the_limit(client: RawClient) -> None:
    client.open()
    answer = client.ask("get", f"<query xmlns='jabber:iq:register'>{'x' * 9_000}</query>")
    assert answer.get("type") == "result"


def test_who_breaks_a_limit_ends_nobodys_stream_but_its_own(demo: RunningServer, juliet: RawClient) -> None:
    with RawClient(demo.port) as other:
        other.open()
        other.send("<iq>" * 100)
        assert_ends(other, "policy-violation")
    assert juliet.comes_before_pong() == []


# -- who may say what


def test_a_stanza_in_somebody_elses_name_ends_the_stream(juliet: RawClient) -> None:
    juliet.send("<message from='romeo@localhost' to='romeo@localhost'/>")
    assert_ends(juliet, "invalid-from")


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='juliet@localhost'><body>hi</body></message>",
        "<presence/>",
        PING,
        "<iq type='result' id='a'/>",
        "<iq type='get' id='a'><query xmlns='jabber:iq:roster'/></iq>",
    ],
)
@pytest.mark.parametrize("is_authenticated", [False, True])
def test_no_stanza_before_there_is_a_session(demo: RunningServer, stanza: str, is_authenticated: bool) -> None:
    with RawClient(demo.port) as client:
        client.open()
        if is_authenticated:
            client.authenticate(*new_account(demo.port))
        client.send(stanza)
        assert_ends(client, "not-authorized")


@pytest.mark.parametrize(
    "element",
    ["<unknown/>", "<message xmlns='jabber:server'/>", "<ping xmlns='urn:xmpp:ping'/>", "<stream:features/>"],
)
def test_what_is_no_stanza_ends_the_stream(juliet: RawClient, element: str) -> None:
    juliet.send(element)
    assert_ends(juliet, "unsupported-stanza-type")


def test_a_login_over_another_login_ends_the_stream(juliet: RawClient) -> None:
    juliet.send(f"<auth xmlns='{names.SASL}' mechanism='PLAIN'>AGEAYg==</auth>")
    assert_ends(juliet, "unsupported-stanza-type")


def test_a_resource_that_is_taken_over_ends_the_older_stream(demo: RunningServer) -> None:
    account = new_account(demo.port)
    with logged_in(demo.port, *account, "balcony") as older, logged_in(demo.port, *account, "balcony") as newer:
        assert older.jid == newer.jid
        assert_ends(older, "conflict")
        assert newer.comes_before_pong() == []


def test_an_account_has_ten_resources_at_most(demo: RunningServer) -> None:
    account = new_account(demo.port)
    clients = [logged_in(demo.port, *account) for _ in range(10)]
    with RawClient(demo.port) as another:
        another.open()
        another.authenticate(*account)
        answer = another.ask("set", f"<bind xmlns='{names.BIND}'/>")
        assert condition_of(answer.find(names.ERROR)) == "resource-constraint"  # type: ignore[arg-type]
        clients[0].send("</stream:stream>")
        clients[0].ending()
        another.bind()
    for client in clients:
        client.close()


# -- nobody waits for another


def test_a_flood_from_one_client_starves_nobody(demo: RunningServer, juliet: RawClient) -> None:
    over = threading.Event()
    with somebody(demo.port) as flooding:
        flood = threading.Thread(target=send_without_pause, args=(flooding, over.is_set))
        flood.start()
        try:
            for _ in range(100):  # each is answered while more of the flood waits to be read
                assert juliet.comes_before_pong() == []
        finally:
            over.set()
            flood.join()
        assert flooding.comes_before_pong() == []


def send_without_pause(client: RawClient, is_over: Callable[[], bool]) -> None:
    chunk = "<message type='error' to='nobody@localhost'><body>an error is not answered</body></message>" * 1000
    while not is_over():
        client.send(chunk)


# -- how long, and how many


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that gives a client one second to log in."""
    with run_server(tmp_path_factory.mktemp("hasty"), streams={"login_seconds": 1}) as server:
        yield server


def test_who_says_nothing_is_told_that_it_took_too_long(hasty: RunningServer) -> None:
    with RawClient(hasty.port) as client:
        assert_ends(client, "connection-timeout")


def test_who_opens_a_stream_and_no_more_is_told_that_it_took_too_long(hasty: RunningServer) -> None:
    with RawClient(hasty.port) as client:
        client.open()
        assert_ends(client, "connection-timeout")


def test_who_logs_in_but_binds_nothing_is_told_that_it_took_too_long(hasty: RunningServer) -> None:
    with RawClient(hasty.port) as client, pytest.raises(StreamEnded) as ended:
        client.start_tls()
        client.authenticate("juliet", PASSWORDS["juliet"])
        client.receive()
    assert ended.value.condition == "connection-timeout"


def test_nobody_waits_for_a_handshake_after_starttls_that_never_begins(hasty: RunningServer) -> None:
    with RawClient(hasty.port) as client:
        client.open()
        client.send(STARTTLS)
        client.receive()
        assert client.socket.recv(1) == b""


def test_nobody_waits_for_a_handshake_that_never_begins(hasty: RunningServer) -> None:
    with RawClient(hasty.tls_port) as client:
        assert client.socket.recv(1) == b""


def test_a_session_outlives_the_time_for_its_login(hasty: RunningServer) -> None:
    with logged_in_within_a_second(hasty) as client, RawClient(hasty.port) as silent:
        assert_ends(silent, "connection-timeout")
        assert client.comes_before_pong() == []


def logged_in_within_a_second(server: RunningServer) -> RawClient:
    """On a machine that is busy it may take more than one attempt."""
    while True:
        client = RawClient(server.port)
        try:
            client.start_tls()
            client.authenticate("juliet", PASSWORDS["juliet"])
            client.bind()
            return client
        except (StreamEnded, OSError):
            client.close()


def test_one_address_has_a_limited_number_of_strangers(tmp_path_factory: pytest.TempPathFactory) -> None:
    with demo_server(tmp_path_factory.mktemp("shy"), listen={"strangers_per_address": 3}) as server:
        account = new_account(server.port)
        strangers = [RawClient(server.port) for _ in range(3)]
        for stranger in strangers:
            stranger.open()
        with RawClient(server.port) as refused:
            assert refused.socket.recv(1) == b""
        strangers[0].authenticate(*account)  # known from now on
        with RawClient(server.port) as client:
            client.open()
            strangers[1].send("</stream:stream>")
            strangers[1].ending()
            with RawClient(server.port) as another:
                another.open()
        for stranger in strangers:
            stranger.close()
