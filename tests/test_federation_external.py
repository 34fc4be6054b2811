"""Another server that shows who it is by its certificate (SASL EXTERNAL, XEP-0178), played by the test over TLS."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import ssl
from lxml import etree

from tests.harness.authority import Authority
from tests.harness.federated import Directory, federated, next_of, somebody
from tests.harness.peer_servers import PeerStream
from tests.harness.sasl2 import context
from tests.harness.streams import local_name, outcome
from xmpp.server import Server

A, B = "a.example", "b.example"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{}'>{}</auth>"
MESSAGE = "<message from='romeo@b.example/y' to='juliet@a.example/x' type='chat'><body>hi</body></message>"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server(tmp_path: Path, authority: Authority) -> Iterator[Server]:
    settings = {"dialback": ["c.example"]}
    with federated(tmp_path / "a", Directory(), A, authority.issue(A), authority, federation=settings) as one:
        yield one


@pytest.fixture
def certificate(tmp_path: Path, authority: Authority) -> ssl.SSLContext:
    """What the server of b.example shows."""
    chosen, folder = context(), authority.issue(B).write(tmp_path / "b")
    chosen.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    return chosen


@pytest.fixture
def peer(server: Server, certificate: ssl.SSLContext) -> Iterator[PeerStream]:
    with PeerStream.by_tls(server, certificate) as stream:
        yield stream


def asks_to_be_let_in(peer: PeerStream, text: str = "=", mechanism: str = "EXTERNAL") -> etree._Element:
    return peer.asks(AUTH.format(mechanism, text))


def encoded(authzid: str | bytes) -> str:
    return b64encode(authzid.encode() if isinstance(authzid, str) else authzid).decode()


def offered(features: etree._Element) -> list[str | None]:
    return [each.text for each in features.iter("{*}mechanism")]


@pytest.mark.parametrize("text", ["=", "", encoded(B), encoded("B.Example"), f" {encoded(B)}\n"])
def test_who_shows_a_certificate_for_its_domain_is_let_in_as_nobody_else(
    server: Server, peer: PeerStream, text: str
) -> None:
    juliet = somebody(server, f"juliet@{A}/x")
    assert offered(peer.opens(A, B)) == ["EXTERNAL"]
    assert local_name(asks_to_be_let_in(peer, text)) == "success"
    assert not offered(peer.opens(A, B))
    peer.send(MESSAGE)
    assert 'from="romeo@b.example/y"' in next_of(juliet, "message")
    peer.send(MESSAGE.replace("romeo@b", "romeo@c"))
    assert peer.last_words() == ["invalid-from"]


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (encoded("c.example"), "invalid-authzid"),
        (encoded(A), "invalid-authzid"),
        (encoded(f"rooms.{B}"), "invalid-authzid"),
        (encoded(f"romeo@{B}"), "invalid-authzid"),
        (encoded(f"{B}/x"), "invalid-authzid"),
        (encoded("a@@b"), "invalid-authzid"),
        (encoded(" "), "invalid-authzid"),
        (encoded("x" * 2_000), "invalid-authzid"),
        ("!", "incorrect-encoding"),
        ("YQ", "incorrect-encoding"),
        (encoded(B)[:-1], "incorrect-encoding"),
        (encoded(b"\xff"), "malformed-request"),
        ("é", "incorrect-encoding"),
    ],
)
def test_row_13_who_asks_to_be_somebody_else_or_says_nothing_that_can_be_read_is_refused_by_name(
    peer: PeerStream, text: str, condition: str
) -> None:
    peer.opens(A, B)
    assert outcome(asks_to_be_let_in(peer, text)) == condition
    assert peer.last_words() == []


@pytest.mark.parametrize("mechanism", ["PLAIN", "external", "", "SCRAM-SHA-256", "ANONYMOUS"])
def test_there_is_no_other_mechanism_for_servers(peer: PeerStream, mechanism: str) -> None:
    peer.opens(A, B)
    assert outcome(asks_to_be_let_in(peer, mechanism=mechanism)) == "invalid-mechanism"
    assert peer.last_words() == []


@pytest.mark.parametrize("sender", ["", "c.example"])
def test_row_13_nobody_is_let_in_by_a_certificate_that_is_not_for_the_domain_that_it_names(
    peer: PeerStream, sender: str
) -> None:
    """c.example may show who it is by dialback, so that it is not sent away at once."""
    assert not offered(peer.opens(A, sender))
    assert outcome(asks_to_be_let_in(peer)) == "not-authorized"
    assert peer.last_words() == []


def test_nobody_is_let_in_twice(peer: PeerStream) -> None:
    peer.opens(A, B)
    assert local_name(asks_to_be_let_in(peer)) == "success"
    peer.opens(A, B)
    assert outcome(asks_to_be_let_in(peer)) == "not-authorized"
