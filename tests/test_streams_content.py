"""What may stand in a stream, how much of it, and who may say it (RFC 6120 sections 4.9, 8.1 and 11)."""

from collections.abc import Iterator

import pytest

from tests.harness.rawclient import (
    RawClient,
    assert_ends,
    condition_of,
    logged_in,
    new_account,
    somebody,
    stream_header,
)
from tests.harness.servers import RunningServer
from xmpp.data import names

PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"


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


# -- between stanzas, and what has no place in a stream (section 11)


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
    "a second header": (stream_header(), "unsupported-stanza-type"),
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
    ping = b"<ping\txmlns='urn:xmpp:ping'><![CDATA[<]]>&#xe4;\xc3\xa4</ping >"
    for byte in b"<iq type='get' \n id = \"a>'b\">" + ping + b"</iq >":
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
