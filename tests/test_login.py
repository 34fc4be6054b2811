"""Logging in on a stream: what is offered, how an exchange is conducted, how it fails (RFC 6120 section 6)."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.harness.streams import SASL, Stream, listening_server, local_name, outcome
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with listening_server(tmp_path) as server:
        yield server


@pytest.fixture
def stream(server: Server) -> Iterator[Stream]:
    with Stream(server) as stream:
        stream.open()
        yield stream


def mechanisms(features: etree._Element) -> list[str | None]:
    return [each.text for each in features.findall(f"{{{SASL}}}mechanisms/{{{SASL}}}mechanism")]


def test_mechanisms_are_offered_strongest_first_and_no_longer_after_login(server: Server) -> None:
    with Stream(server) as stream:
        assert mechanisms(stream.open()) == ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
        assert stream.tries_password("juliet", "secret") == "success"
        assert mechanisms(stream.open()) == []


def test_without_channel_bindings_none_are_announced(server: Server) -> None:
    with Stream(server) as stream:
        assert stream.open().find("{urn:xmpp:sasl-cb:0}sasl-channel-binding") is None


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_scram_lets_in_who_knows_the_password(stream: Stream, mechanism: str) -> None:
    assert stream.tries_scram(mechanism, "juliet", "secret") == "success"
    assert stream.open().find("{urn:ietf:params:xml:ns:xmpp-bind}bind") is not None


def test_after_a_failure_one_can_try_again(stream: Stream) -> None:
    assert stream.tries_scram("SCRAM-SHA-256", "juliet", "wrong") == "not-authorized"
    assert stream.tries_password("juliet", "secret") == "success"


def test_the_first_message_may_come_after_an_empty_challenge(stream: Stream) -> None:
    challenge = stream.begins("PLAIN")
    assert (local_name(challenge), challenge.text) == ("challenge", None)
    assert outcome(stream.responds(b"\0juliet\0secret")) == "success"


def test_a_second_exchange_takes_the_place_of_the_first(stream: Stream) -> None:
    assert local_name(stream.begins("SCRAM-SHA-1", b"n,,n=juliet,r=abc")) == "challenge"
    assert stream.tries_scram("SCRAM-SHA-256", "juliet", "secret") == "success"


def auth(mechanism: str, data: bytes | str) -> str:
    content = b64encode(data).decode() if isinstance(data, bytes) else data
    return f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{content}</auth>"


RIGHT = b"\0juliet\0secret"
ENCODED = b64encode(RIGHT).decode()


@pytest.mark.parametrize(
    ("sent", "condition"),
    [
        (f"<abort xmlns='{SASL}'/>", "aborted"),
        (auth("SCRAM-SHA-1-PLUS", ""), "encryption-required"),
        (auth("PLAIN", ENCODED[:-1]), "incorrect-encoding"),
        (auth("PLAIN", f" {ENCODED}"), "incorrect-encoding"),
        (auth("PLAIN", "geh\u00e4im"), "incorrect-encoding"),
        (auth("PLAIN", b"romeo@localhost\0juliet\0secret"), "invalid-authzid"),
        (auth("EXTERNAL", "="), "invalid-mechanism"),
        (f"<auth xmlns='{SASL}'>{ENCODED}</auth>", "invalid-mechanism"),
        (f"<response xmlns='{SASL}'>{ENCODED}</response>", "malformed-request"),
        (auth("PLAIN", "="), "malformed-request"),
        (auth("PLAIN", "<data/>"), "malformed-request"),
        (auth("PLAIN", b"juliet\0secret"), "malformed-request"),
        (auth("PLAIN", b"\0juliet\0wrong"), "not-authorized"),
    ],
)
def test_each_failure_has_its_condition(stream: Stream, sent: str, condition: str) -> None:
    assert outcome(stream.asks(sent)) == condition
    assert stream.tries_password("juliet", "secret") == "success"


def test_an_exchange_that_is_aborted_is_over(stream: Stream) -> None:
    stream.begins("PLAIN")
    assert outcome(stream.asks(f"<abort xmlns='{SASL}'/>")) == "aborted"
    assert outcome(stream.responds(b"\0juliet\0secret")) == "malformed-request"


def test_a_mechanism_that_the_configuration_forbids_is_too_weak(tmp_path: Path) -> None:
    with listening_server(tmp_path, sasl={"mechanisms": ["SCRAM-SHA-256"]}) as server, Stream(server) as stream:
        assert mechanisms(stream.open()) == ["SCRAM-SHA-256"]
        assert stream.tries_password("juliet", "secret") == "mechanism-too-weak"


def test_when_the_database_cannot_be_read_the_failure_is_temporary(server: Server, stream: Stream) -> None:
    server.db.connection.execute("ALTER TABLE credential RENAME TO lost")
    assert stream.tries_password("juliet", "secret") == "temporary-auth-failure"
    server.db.connection.execute("ALTER TABLE lost RENAME TO credential")
    assert stream.tries_password("juliet", "secret") == "success"


@pytest.mark.parametrize("tries", [2, 5])
def test_too_many_failures_end_the_stream(tmp_path: Path, tries: int) -> None:
    with listening_server(tmp_path, sasl={"tries": tries}) as server, Stream(server) as stream:
        stream.open()
        for _ in range(tries):
            assert stream.tries_password("juliet", "wrong") == "not-authorized"
        assert stream.last_words() == ["policy-violation"]


def test_nobody_logs_in_twice(server: Server) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        stream.send(auth("PLAIN", RIGHT))
        assert stream.last_words() == ["unsupported-stanza-type"]
