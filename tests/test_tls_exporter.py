"""The channel binding `tls-exporter` (RFC 9266): what is exported is what the RFCs say, and it is offered only where
that works and means something."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tests.harness.certificates import issue, key_pem, pem
from xmpp.stream.tls import abilities, exporter
from xmpp.stream.tls.client_hello import ClientHello
from xmpp.stream.tls.contexts import context_for_servers
from xmpp.stream.tls.exporter import Exporter
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

LABEL = b"EXPORTER-Channel-Binding"
NO_EXTENDED_MASTER_SECRET = 1 << 0  # SSL_OP_NO_EXTENDED_MASTER_SECRET, which Python has no name for
HASHES: Mapping[str, HashAlgorithm] = {
    "TLS_AES_256_GCM_SHA384": SHA384(),
    "TLS_CHACHA20_POLY1305_SHA256": SHA256(),
}


class Connection:
    """A connection in memory, with what only an onlooker with the client's secrets knows."""

    def __init__(self, server: ServerTLS, context: ssl.SSLContext) -> None:
        to_client, self.answered = ssl.MemoryBIO(), b""
        self.client = context.wrap_bio(to_client, server.incoming)
        self.server = server.layer(ClientHello("example.org", ()))
        for side in (self.client, self.server, self.client, self.server, self.client):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            answer = server.outgoing.read()
            self.answered += answer
            to_client.write(answer)

    @property
    def server_random(self) -> bytes:
        """RFC 5246 section 7.4.1.3: after the headers of record and message, and the version."""
        return self.answered[11:43]


@pytest.fixture
def server_tls(tmp_path: Path) -> ServerTLS:
    return ServerTLS(TLSSettings(), {"example.org": []}, tmp_path)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ssl.SSLContext]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.keylog_filename = str(tmp_path / "secrets")
    yield context


def secrets(context: ssl.SSLContext) -> Mapping[str, tuple[bytes, bytes]]:
    """By the label of each secret: the client's random bytes, and the secret."""
    lines = Path(context.keylog_filename).read_text().splitlines()
    parts = [line.split() for line in lines if not line.startswith("#")]
    return {label: (bytes.fromhex(random), bytes.fromhex(secret)) for label, random, secret in parts}


def expanded(secret: bytes, label: bytes, digest: bytes, hash: HashAlgorithm, size: int) -> bytes:
    """HKDF-Expand-Label, RFC 8446 section 7.1."""
    name = b"tls13 " + label
    info = size.to_bytes(2) + bytes([len(name)]) + name + bytes([len(digest)]) + digest
    return HKDFExpand(hash, size, info).derive(secret)


def prf(secret: bytes, seed: bytes) -> bytes:
    """The first 32 bytes, RFC 5246 section 5, for a cipher suite with SHA-384."""
    return hmac.digest(secret, hmac.digest(secret, seed, "sha384") + seed, "sha384")[:32]


def test_what_is_exported_in_version_1_3_is_what_rfc_8446_says(server_tls: ServerTLS, context: ssl.SSLContext) -> None:
    connection = Connection(server_tls, context)
    assert connection.client.version() == "TLSv1.3"
    cipher = connection.client.cipher()
    assert cipher is not None
    hash = HASHES[cipher[0]]
    nothing = hashlib.new(hash.name).digest()
    _, master = secrets(context)["EXPORTER_SECRET"]
    derived = expanded(master, LABEL, nothing, hash, hash.digest_size)
    expected = expanded(derived, b"exporter", nothing, hash, 32)
    assert server_tls.channel_bindings(connection.server)["tls-exporter"] == expected


def test_what_is_exported_in_version_1_2_is_what_rfc_5705_says(server_tls: ServerTLS, context: ssl.SSLContext) -> None:
    """With a context of no length, which is not the same as no context."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    connection = Connection(server_tls, context)
    client_random, master = secrets(context)["CLIENT_RANDOM"]
    seed = LABEL + client_random + connection.server_random + bytes(2)
    assert server_tls.channel_bindings(connection.server)["tls-exporter"] == prf(master, seed)


def test_without_the_extended_master_secret_version_1_2_has_no_exporter(
    server_tls: ServerTLS, context: ssl.SSLContext
) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= NO_EXTENDED_MASTER_SECRET
    connection = Connection(server_tls, context)
    assert [*server_tls.channel_bindings(connection.server)] == ["tls-unique", "tls-server-end-point"]


def test_each_connection_has_an_exporter_of_its_own(server_tls: ServerTLS, context: ssl.SSLContext) -> None:
    connections = [Connection(server_tls, context) for _ in range(3)]
    assert len({server_tls.channel_bindings(each.server)["tls-exporter"] for each in connections}) == 3


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)],
                         ids=["Ed25519", "RSA"])  # fmt: skip
def test_whatever_key_the_server_has_the_exporter_is_offered(key: Any, tmp_path: Path, context: ssl.SSLContext) -> None:
    path = tmp_path / "whole.pem"
    path.write_bytes(pem(issue(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())) + key_pem(key))
    tls = ServerTLS(TLSSettings(certificates={"example.org": path}), {"example.org": []}, tmp_path)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        connection = Connection(tls, context)
        bindings = tls.channel_bindings(connection.server)
        assert bindings["tls-exporter"] == Exporter().exported(connection.client)
        assert ("tls-server-end-point" in bindings) == isinstance(
            key, rsa.RSAPrivateKey
        )  # Ed25519 has no hash function


def test_where_the_system_allows_one_version_the_exporter_is_offered_in_that(
    tmp_path: Path, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_version(*arguments: Any) -> ssl.SSLContext:
        made = context_for_servers(*arguments)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        return made

    monkeypatch.setattr(abilities, "context_for_servers", one_version)
    tls = ServerTLS(TLSSettings(), {"example.org": []}, tmp_path)
    assert "tls-exporter" in tls.channel_bindings(Connection(tls, context).server)


@pytest.mark.parametrize(
    ("constant", "value", "reason"),
    [
        ("EXPORT", "SSL_no_such_function", "undefined symbol: SSL_no_such_function"),
        ("POINTER_AT", exporter.POINTER_AT + 8, "the trial failed"),
        ("POINTER_AT", -1 << 40, "the trial failed"),
        ("VERSION", "SSL_get_shutdown", "the trial failed"),
        ("GET_EXTENDED_MASTER_SECRET", 33, "the trial failed"),
    ],
    ids=["no such function", "another pointer", "a crash", "another answer", "another control"],
)
def test_where_the_trial_fails_the_exporter_is_not_offered(
    constant: str,
    value: object,
    reason: str,
    tmp_path: Path,
    context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(exporter, constant, value)
    caplog.set_level("WARNING")
    tls = ServerTLS(TLSSettings(), {"example.org": []}, tmp_path)
    [warning] = caplog.messages
    assert warning.startswith("the channel binding tls-exporter is not offered") and reason in warning
    assert [*tls.channel_bindings(Connection(tls, context).server)] == ["tls-server-end-point"]
