"""Streams of clients (RFC 6120 section 4), byte by byte against `xserv demo`: their headers, features, and ends."""

from collections.abc import Iterator

import pytest
from lxml import etree

from tests.harness.rawclient import RawClient, StreamEnded, assert_ends, new_account, somebody, stream_header
from tests.harness.servers import RunningServer
from xmpp.data import names

PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
OFFER_TLS, REQUIRED, MECHANISMS = f"{{{names.TLS}}}starttls", f"{{{names.TLS}}}required", f"{{{names.SASL}}}mechanisms"
REGISTER = "{http://jabber.org/features/iq-register}register"
INVITED = "{urn:xmpp:ibr-token:0}register"
BIND, SESSION = f"{{{names.BIND}}}bind", f"{{{names.SESSION}}}session"
LIMITS = "{urn:xmpp:stream-limits:0}limits"
MAX_BYTES = f"{LIMITS}/{{urn:xmpp:stream-limits:0}}max-bytes"


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
    assert offered(features) == {OFFER_TLS, MECHANISMS, REGISTER, INVITED, LIMITS}
    assert features.find(f"{OFFER_TLS}/{REQUIRED}") is None
    assert features.findtext(MAX_BYTES) == "10000"


def test_after_login_binding_is_offered_and_the_limits_are_larger(demo: RunningServer) -> None:
    with RawClient(demo.port) as client:
        client.open()
        features = client.authenticate(*new_account(demo.port))
    assert {BIND, SESSION, LIMITS} <= offered(features)
    assert not {OFFER_TLS, MECHANISMS, REGISTER} & offered(features)
    assert features.findtext(MAX_BYTES) == "262144"


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
