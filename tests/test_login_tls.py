"""Logging in over TLS: channel bindings are announced, and hold (RFC 5929, RFC 9266, XEP-0440)."""

import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from lxml import etree
from scramp import ScramClient

from tests.harness.configured import demo_server
from tests.harness.rawclient import SUCCESS, RawClient, StreamEnded, anything_goes, condition_of, new_account
from tests.harness.scram import BindingClient
from tests.harness.servers import RunningServer
from xmpp.data import names
from xmpp.stream.tls.exporter import Exporter

PLUS = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"]
BINDINGS = {
    ssl.TLSVersion.TLSv1_2: ["tls-exporter", "tls-unique", "tls-server-end-point"],
    ssl.TLSVersion.TLSv1_3: ["tls-exporter", "tls-server-end-point"],
}
VERSION_AND_BINDING = [(version, binding) for version, bindings in BINDINGS.items() for binding in bindings]


@pytest.fixture(scope="module")
def account(demo: RunningServer) -> tuple[str, str]:
    return new_account(demo.port)


@pytest.fixture
def client(demo: RunningServer, version: ssl.TLSVersion) -> Iterator[RawClient]:
    context = anything_goes()
    context.minimum_version = context.maximum_version = version
    with RawClient(demo.tls_port, tls=context) as client:
        yield client


def binding_data(client: RawClient, binding: str) -> bytes:
    """The client's view of the channel."""
    assert isinstance(client.socket, ssl.SSLSocket)
    if binding == "tls-exporter":
        return Exporter().exported(client.socket) or b""
    if binding == "tls-unique":
        return client.socket.get_channel_binding(binding) or b""
    certificate = client.socket.getpeercert(binary_form=True)
    assert certificate is not None
    function = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    assert function is not None
    return x509.load_der_x509_certificate(certificate).fingerprint(function)


def begin(client: RawClient, mechanism: str, first: str) -> etree._Element:
    encoded = b64encode(first.encode()).decode()
    client.send(f"<auth xmlns='{names.SASL}' mechanism='{mechanism}'>{encoded}</auth>")
    return client.receive()


def log_in(
    client: RawClient, mechanism: str, account: tuple[str, str], channel: tuple[str, bytes] | None
) -> etree._Element:
    scram: Any
    if channel and channel[0] == "tls-exporter":  # scramp's does not know it
        scram = BindingClient(mechanism, *account, channel)
    else:
        scram = ScramClient([mechanism], *account, channel)
    challenge = begin(client, mechanism, scram.get_client_first())
    if str(challenge.tag).endswith("failure"):
        return challenge
    scram.set_server_first(b64decode(challenge.text or "").decode())
    final = b64encode(scram.get_client_final().encode()).decode()
    client.send(f"<response xmlns='{names.SASL}'>{final}</response>")
    answer = client.receive()
    if answer.tag == SUCCESS:
        scram.set_server_final(b64decode(answer.text or "").decode())  # raises if the server does not know the password
    return answer


@pytest.mark.parametrize("version", BINDINGS)
def test_the_bindings_of_the_channel_are_announced(client: RawClient, version: ssl.TLSVersion) -> None:
    features = client.open()
    announced = features.findall("{urn:xmpp:sasl-cb:0}sasl-channel-binding/*")
    assert [each.get("type") for each in announced] == BINDINGS[version]
    offered = [each.text for each in features.findall(f"{{{names.SASL}}}mechanisms/*")]
    assert offered[:3] == PLUS[::-1]


@pytest.mark.parametrize("mechanism", PLUS)
@pytest.mark.parametrize(("version", "binding"), VERSION_AND_BINDING)
def test_a_client_binds_its_login_to_the_channel(
    client: RawClient, account: tuple[str, str], mechanism: str, binding: str
) -> None:
    client.open()
    assert log_in(client, mechanism, account, (binding, binding_data(client, binding))).tag == SUCCESS
    client.open()
    client.bind()


@pytest.mark.parametrize(("version", "binding"), VERSION_AND_BINDING)
def test_a_login_that_is_bound_to_another_channel_fails(
    client: RawClient, account: tuple[str, str], binding: str
) -> None:
    client.open()
    answer = log_in(client, "SCRAM-SHA-256-PLUS", account, (binding, b"the channel to somebody in between"))
    assert condition_of(answer) == "not-authorized"


@pytest.mark.parametrize("version", BINDINGS)
def test_a_client_that_could_bind_but_was_shown_no_way_to_is_refused(
    client: RawClient, account: tuple[str, str]
) -> None:
    client.open()
    answer = log_in(client, "SCRAM-SHA-256", account, ("tls-server-end-point", b"anything"))  # its flag is "y"
    assert condition_of(answer) == "not-authorized"


@pytest.mark.parametrize(
    ("version", "missing"), [(ssl.TLSVersion.TLSv1_3, "tls-unique"), (ssl.TLSVersion.TLSv1_2, "tls-another")]
)
def test_a_binding_that_the_channel_does_not_have_is_no_failed_attempt(
    client: RawClient, account: tuple[str, str], missing: str
) -> None:
    client.open()
    for mechanism in (*PLUS, *PLUS):
        answer = begin(client, mechanism, f"p={missing},,n={account[0]},r=abc")
        assert condition_of(answer) == "malformed-request"
    assert log_in(client, "SCRAM-SHA-256", account, None).tag == SUCCESS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3])
def test_not_even_that_can_be_tried_for_ever(client: RawClient, account: tuple[str, str]) -> None:
    client.open()
    with pytest.raises(StreamEnded, match="policy-violation"):
        for _ in range(100):
            begin(client, PLUS[0], f"p=tls-unique,,n={account[0]},r=abc")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3])
def test_who_could_have_bound_is_refused_after_that_too(client: RawClient, account: tuple[str, str]) -> None:
    """Whoever sits in between could have made it fail."""
    client.open()
    begin(client, PLUS[0], f"p=tls-unique,,n={account[0]},r=abc")
    answer = begin(client, "SCRAM-SHA-256", f"y,,n={account[0]},r=abc")
    assert condition_of(answer) == "not-authorized"


def test_where_binding_is_switched_off_nobody_is_offered_it_and_those_who_could_log_in(tmp_path: Path) -> None:
    with (
        demo_server(tmp_path, sasl={"channel_binding": False}) as server,
        RawClient(server.tls_port, tls=anything_goes()) as client,
    ):
        account = new_account(server.port)
        features = client.open()
        assert features.find("{urn:xmpp:sasl-cb:0}sasl-channel-binding") is None
        offered = [each.text for each in features.findall(f"{{{names.SASL}}}mechanisms/*")]
        assert offered == ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
        answer = begin(client, "SCRAM-SHA-256-PLUS", f"p=tls-server-end-point,,n={account[0]},r=abc")
        assert condition_of(answer) == "invalid-mechanism"
        assert log_in(client, "SCRAM-SHA-256", account, ("tls-unique", b"anything")).tag == SUCCESS  # its flag is "y"
