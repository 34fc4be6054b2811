"""Logging in without waiting for what is offered (XEP-0509)."""

import hmac
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import ssl
from lxml import etree

from tests.harness.fast import FAST, NONE, given
from tests.harness.sasl2 import PHONE, SASL2, Sasl2Stream, bind, bound, identifier, secured_server
from tests.harness.streams import Stream, local_name, outcome
from xmpp.server import Server

IAP = "urn:xmpp:iap:0"
VERSION = f"{{{IAP}}}config-version"
PLAIN = b64encode(b"\0juliet\0secret").decode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path) as server:
        yield server


def version(features: etree._Element) -> str:
    element = features.find(VERSION)
    assert element is not None and element.get("scheme") == "opaque", etree.tostring(features)
    return element.get("value") or ""


def version_on(server: Server, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> str:
    with Sasl2Stream(server, newest=newest) as stream:
        return version(stream.open())


def authenticate(value: str, inline: str = "", password: str = PLAIN) -> str:
    return (
        f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>{password}</initial-response>{inline}"
        f"<config-version xmlns='{IAP}' scheme='opaque' value='{value}'/></authenticate>"
    )


def test_a_client_that_has_been_here_needs_one_round_trip_for_a_session(server: Server) -> None:
    known = version_on(server)
    with Sasl2Stream(server) as stream:
        features = stream.opens_together_with(authenticate(known, bind(tag="phone")))
        assert version(features) == known
        success = stream.receives()
        assert identifier(success).startswith("juliet@localhost/")
        bound(success)


def test_so_does_one_with_a_token(server: Server) -> None:
    known, token = version_on(server), given(server)
    first = b64encode(b"juliet\0" + hmac.digest(token.encode(), b"Initiator", "sha256")).decode()
    with Sasl2Stream(server) as stream:
        stream.opens_together_with(
            f"<authenticate xmlns='{SASL2}' mechanism='{NONE}'><initial-response>{first}</initial-response>"
            f"<user-agent id='{PHONE}'/><fast xmlns='{FAST}'/>{bind()}"
            f"<config-version xmlns='{IAP}' scheme='opaque' value='{known}'/></authenticate>"
        )
        assert identifier(stream.receives()).startswith("juliet@localhost/")


def test_what_is_offered_to_everybody_has_one_version_also_after_a_restart(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        with secured_server(tmp_path) as server:
            seen |= {version_on(server) for _ in range(2)}
    assert len(seen) == 1


def test_the_version_is_that_of_what_this_connection_is_offered(server: Server, tmp_path: Path) -> None:
    """Below TLS 1.3 there is another channel binding."""
    assert version_on(server) != version_on(server, newest=ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize(
    "settings",
    [{"sasl": {"mechanisms": ["PLAIN"]}}, {"sasl": {"channel_binding": False}}, {"carbons": {"enabled": False}},
     {"guests": {"enabled": True}}],
    ids=str,
)  # fmt: skip
def test_whatever_is_offered_otherwise_has_another_version(
    server: Server, tmp_path: Path, settings: dict[str, dict[str, object]]
) -> None:
    with secured_server(tmp_path / "another", **settings) as another:
        assert version_on(another) != version_on(server)


def test_a_client_that_goes_by_another_version_is_told_and_tries_again(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        features = stream.opens_together_with(authenticate("c29tZSBvdGhlciB0aW1l"))
        failure = stream.receives()
        assert [each.tag for each in failure][:2] == [
            "{urn:ietf:params:xml:ns:xmpp-sasl}aborted",
            f"{{{IAP}}}config-version-mismatch",
        ]
        success = stream.asks(authenticate(version(features)))
        assert identifier(success) == "juliet@localhost"


def test_that_is_no_failed_login(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    attempt = authenticate("other", password=b64encode(b"\0juliet\0wrong").decode())
    with Sasl2Stream(server) as stream:
        stream.open()
        for _ in range(5):  # three failed attempts would end the stream
            assert outcome(stream.asks(attempt)) == "aborted"
        assert not [each for each in caplog.messages if "failed login" in each]
        assert identifier(stream.tries_plain()) == "juliet@localhost"


def test_it_cannot_be_tried_for_ever(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        for _ in range(9):
            stream.send(authenticate("other"))
        stream.send(authenticate("other"))
        assert [local_name(each) for each in [stream.receives() for _ in range(10)]] == ["failure"] * 10
        assert stream.last_words()[-1] == "policy-violation"


def test_without_tls_and_after_the_login_there_is_no_version(server: Server) -> None:
    with Stream(server) as stream:
        assert stream.open().find(VERSION) is None
    with Sasl2Stream(server) as stream:
        stream.open()
        stream.tries_plain()
        assert stream.receives().find(VERSION) is None


def test_where_it_is_switched_off_whoever_still_knows_a_version_is_told(tmp_path: Path) -> None:
    with secured_server(tmp_path, pipelining={"enabled": False}) as server, Sasl2Stream(server) as stream:
        assert stream.open().find(VERSION) is None
        assert outcome(stream.asks(authenticate("known"))) == "aborted"
        assert identifier(stream.tries_plain()) == "juliet@localhost"
