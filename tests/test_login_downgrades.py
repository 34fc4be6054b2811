"""What a client is offered is signed together with its login, and so is the version of TLS: who changes either in
between is found out (XEP-0474, XEP-0515)."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import ssl
from lxml import etree

from handlers.login.sasl.downgrades import announced, attributes
from tests.harness.sasl2 import SASL2, Sasl2Stream, secured_server
from tests.harness.scram import BindingClient, attributes_of
from tests.harness.streams import SASL, Stream, outcome
from xmpp.server import Server
from xmpp.stream.tls.exporter import Exporter

# By profile: where the mechanisms stand in the features.
LISTS = {
    "SASL": f"{{{SASL}}}mechanisms/{{{SASL}}}mechanism",
    "SASL2": f"{{{SASL2}}}authentication/{{{SASL2}}}mechanism",
}
TYPES = "{urn:xmpp:sasl-cb:0}sasl-channel-binding/{urn:xmpp:sasl-cb:0}channel-binding"
ALGORITHMS = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path) as server:
        yield server


def test_the_example_of_the_xep() -> None:
    offer = announced(["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"], ["tls-server-end-point", "tls-exporter"])
    assert offer == "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1ftls-exporter\x1etls-server-end-point"
    assert attributes(offer, "TLSv1.3", "sha-1") == ",h=G6k/rBLDqgOhRRaCuuatSDFkJ08=,t=0304"


@pytest.mark.parametrize(
    ("mechanisms", "bindings", "text"),
    [
        (["PLAIN"], [], "PLAIN"),
        (["PLAIN", "ANONYMOUS"], [], "ANONYMOUS\x1ePLAIN"),
        (["SCRAM-SHA-512", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"], [], "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1eSCRAM-SHA-512"),
        (["A-PLUS", "A"], ["tls-unique"], "A\x1eA-PLUS\x1ftls-unique"),
    ],
)
def test_what_is_hashed_is_in_the_order_of_octets(mechanisms: list[str], bindings: list[str], text: str) -> None:
    assert announced(mechanisms, bindings) == text


def signed(features: etree._Element, profile: str, algorithm: str) -> str:
    """The hash, as a client works it out from what it was sent."""
    text = "\x1e".join(sorted(each.text or "" for each in features.findall(LISTS[profile])))
    types = sorted(each.get("type") or "" for each in features.findall(TYPES))
    if types:
        text += "\x1f" + "\x1e".join(types)
    return b64encode(hashlib.new(algorithm, text.encode()).digest()).decode()


def server_first(stream: Stream, profile: str, mechanism: str) -> dict[str, str]:
    first = b"n,,n=juliet,r=abc"
    if isinstance(stream, Sasl2Stream) and profile == "SASL2":
        challenge = stream.authenticates(mechanism, first)
    else:
        challenge = stream.begins(mechanism, first)
    return attributes_of(b64decode(challenge.text or "").decode())


@pytest.mark.parametrize("profile", LISTS)
@pytest.mark.parametrize("mechanism", ALGORITHMS)
def test_a_client_finds_the_list_that_it_was_sent_and_the_version_that_it_uses(
    server: Server, profile: str, mechanism: str
) -> None:
    with Sasl2Stream(server) as stream:
        features = stream.open()
        assert features.findall(TYPES)
        told = server_first(stream, profile, mechanism)
        assert told["h"] == signed(features, profile, ALGORITHMS[mechanism])
        assert told["t"] == "0304"


def test_the_older_version_is_told_as_well(server: Server) -> None:
    with Sasl2Stream(server, newest=ssl.TLSVersion.TLSv1_2) as stream:
        features = stream.open()
        assert "tls-unique" in [each.get("type") for each in features.findall(TYPES)]
        told = server_first(stream, "SASL2", "SCRAM-SHA-256")
        assert told["h"] == signed(features, "SASL2", "sha256")
        assert told["t"] == "0303"


def test_without_tls_there_is_the_list_alone(server: Server) -> None:
    with Stream(server) as stream:
        features = stream.open()
        assert not features.findall(TYPES)
        told = server_first(stream, "SASL", "SCRAM-SHA-256")
        assert told["h"] == signed(features, "SASL", "sha256")
        assert "t" not in told


@pytest.mark.parametrize("settings", [{"guests": {"enabled": True}}, {"sasl": {"channel_binding": False}}], ids=str)
def test_the_list_is_that_of_the_settings(tmp_path: Path, settings: dict[str, dict[str, object]]) -> None:
    with secured_server(tmp_path, **settings) as server, Sasl2Stream(server) as stream:
        features = stream.open()
        assert server_first(stream, "SASL2", "SCRAM-SHA-256")["h"] == signed(features, "SASL2", "sha256")


def test_where_no_mechanism_can_bind_no_type_is_announced(tmp_path: Path) -> None:
    """Clients give up where there is one without the other (XEP-0440)."""
    with secured_server(tmp_path, sasl={"mechanisms": ["PLAIN"]}) as server, Sasl2Stream(server) as stream:
        assert not stream.open().findall(TYPES)


def outcome_with(stream: Sasl2Stream, changed: tuple[str, str]) -> str:
    """Log in, bound to the channel, with a message from the server in which somebody has replaced one text."""
    client = BindingClient(
        "SCRAM-SHA-256-PLUS", "juliet", "secret", ("tls-exporter", Exporter().exported(stream.tls) or b"")
    )
    challenge = stream.authenticates("SCRAM-SHA-256-PLUS", client.get_client_first().encode())
    client.set_server_first(b64decode(challenge.text or "").decode().replace(*changed))
    return outcome(stream.answers(client.get_client_final().encode()))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ((",t=0304", ",t=0304"), "success"),
        ((",t=0304", ",t=0303"), "not-authorized"),
        ((",h=", ",x="), "not-authorized"),
    ],
)
def test_who_changes_what_is_signed_keeps_the_client_out(
    server: Server, changed: tuple[str, str], expected: str
) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        assert outcome_with(stream, changed) == expected
