"""Certificates: self-signed ones made at the first start, the administrator's own, and their channel binding."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
)

from tests.harness.certificates import DAY, NOW, RSA_KEY, issue, key_pem, pem, write
from xmpp.stream.tls.certificates import (
    CertificateError,
    a_label,
    a_labels,
    doubts,
    end_point_hash,
    notes,
    read_certificate,
    self_signed_certificate,
)

ED25519_KEY = ed25519.Ed25519PrivateKey.generate()












def test_a_self_signed_certificate_names_its_domain_for_tls_and_for_xmpp(tmp_path: Path) -> None:
    leaf = self_signed_certificate(tmp_path, "münchen.example").x509
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["xn--mnchen-3ya.example"]
    [other] = names.get_values_for_type(x509.OtherName)
    assert other.type_id.dotted_string == "1.3.6.1.5.5.7.8.5"
    assert other.value == b"\x0c\x10" + "münchen.example".encode()
    assert leaf.not_valid_after_utc - NOW > 3000 * DAY


def test_a_self_signed_certificate_names_the_services_of_its_domain(tmp_path: Path) -> None:
    services = ["pubsub.münchen.example", "rooms.münchen.example"]
    certificate = self_signed_certificate(tmp_path, "münchen.example", services)
    names = certificate.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "xn--mnchen-3ya.example",
        "pubsub.xn--mnchen-3ya.example",
        "rooms.xn--mnchen-3ya.example",
    ]
    assert not any("does not name" in note for note in notes(certificate, "münchen.example", NOW, services))


def test_services_that_dns_cannot_have_are_not_named() -> None:
    assert list(a_labels(["pubsub.[::1]", f"pubsub.ü{'.example' * 30}", "pubsub.ü.example"])) == [
        "pubsub.xn--tda.example"
    ]


def test_a_certificate_that_names_no_service_is_fine_and_noted(tmp_path: Path) -> None:
    certificate = read_certificate(write(tmp_path / "both.pem", pem(issue()) + key_pem()))
    found = [note for note in notes(certificate, "example.org", NOW, ["pubsub.example.org"]) if "does not name" in note]
    assert found == [
        f"{tmp_path}/both.pem: the certificate for example.org does not name pubsub.example.org, where a service of it "
        "answers; clients that log in do not ask for that."
    ]


def test_a_self_signed_certificate_of_an_address_names_the_address(tmp_path: Path) -> None:
    certificate = self_signed_certificate(tmp_path, "[::1]")
    assert list(doubts(certificate, "[::1]", NOW)) == []


def test_a_domain_longer_than_a_common_name_can_be_gets_a_certificate(tmp_path: Path) -> None:
    domain = ".".join(["a" * 60] * 3)
    assert list(doubts(self_signed_certificate(tmp_path, domain), domain, NOW)) == []


def test_a_self_signed_certificate_is_made_once(tmp_path: Path) -> None:
    first = self_signed_certificate(tmp_path, "localhost")
    assert self_signed_certificate(tmp_path, "localhost").x509 == first.x509
    assert list(doubts(first, "localhost", NOW)) == []


def test_what_a_stop_half_way_left_behind_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path / ".localhost.pem.unfinished", b"-----BEGIN PRIV").chmod(0o644)
    certificate = self_signed_certificate(tmp_path, "localhost")
    assert [path.name for path in tmp_path.iterdir()] == ["localhost.pem"]
    assert certificate.key_file.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "certificates", b"a file where the folder should be")
    with pytest.raises(CertificateError, match=r"certificates/localhost\.pem: cannot be written: "):
        self_signed_certificate(folder, "localhost")


@pytest.mark.parametrize("content", [pem(issue()) + key_pem(), key_pem() + pem(issue())], ids=["first", "last"])
def test_certificate_and_key_may_share_a_file(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "both.pem", content)
    assert read_certificate(path).key_file == path


def test_a_key_may_have_its_own_file(tmp_path: Path) -> None:
    chain, key = write(tmp_path / "chain.pem", pem(issue())), write(tmp_path / "key.pem", key_pem())
    assert read_certificate(chain, key).key_file == key


def test_a_folder_is_read_as_certbot_makes_it(tmp_path: Path) -> None:
    write(tmp_path / "fullchain.pem", pem(issue()))
    write(tmp_path / "privkey.pem", key_pem())
    assert read_certificate(tmp_path).chain_file == tmp_path / "fullchain.pem"


@pytest.mark.parametrize(
    "chain, key, message",
    [
        (None, key_pem(), r"chain\.pem: cannot be read: No such file or directory\.$"),
        (pem(issue()), None, r"key\.pem: cannot be read: No such file or directory\.$"),
        (b"hello", key_pem(), r"chain\.pem: holds no certificate in PEM form\.$"),
        (pem(issue()), b"hello", r"key\.pem: holds no private key in PEM form that can be used\.$"),
        (pem(issue()), key_pem(RSA_KEY), r"key\.pem: the key does not belong to the certificate in .*chain\.pem\.$"),
        (
            pem(issue()),
            key_pem(encryption=BestAvailableEncryption(b"secret")),
            r"key\.pem: the key is protected by a password; the server needs one without\.$",
        ),
    ],
)
def test_files_that_cannot_serve_are_named_in_one_sentence(
    tmp_path: Path, chain: bytes | None, key: bytes | None, message: str
) -> None:
    for name, content in (("chain.pem", chain), ("key.pem", key)):
        if content is not None:
            write(tmp_path / name, content)
    with pytest.raises(CertificateError, match=message):
        read_certificate(tmp_path / "chain.pem", tmp_path / "key.pem")


@pytest.mark.parametrize(
    "leaf, doubt",
    [
        (issue(), None),
        (issue(names=["*.org", "other.example"]), None),
        (issue(names=["EXAMPLE.org"]), None),
        (issue(ends=NOW - DAY), "expired on"),
        (issue(ends=NOW + 5 * DAY), "is not valid before"),
        (issue(names=["other.example"]), "does not name example.org"),
        (issue(names=["*.example.org"]), "does not name example.org"),
        (issue(names=[]), "does not name example.org"),  # its common name does, and does not count
    ],
)
def test_doubts_about_a_certificate_are_told(tmp_path: Path, leaf: x509.Certificate, doubt: str | None) -> None:
    certificate = read_certificate(write(tmp_path / "both.pem", pem(leaf) + key_pem()))
    found = list(doubts(certificate, "example.org", NOW))
    assert [doubt in each for each in found if doubt] == ([True] if doubt else [])
    assert len(found) == (1 if doubt else 0)


@pytest.mark.parametrize(
    "leaf, digest",
    [
        (issue(), "sha256"),
        (issue(algorithm=hashes.SHA384()), "sha384"),
        (issue(RSA_KEY, hashes.SHA512()), "sha512"),
        (issue(RSA_KEY, hashes.SHA384(), rsa_padding=padding.PSS(padding.MGF1(hashes.SHA384()), 48)), "sha384"),
    ],
    ids=["ecdsa-sha256", "ecdsa-sha384", "rsa-sha512", "rsa-pss-sha384"],
)
def test_the_end_point_is_hashed_as_the_signature_is(leaf: x509.Certificate, digest: str) -> None:
    assert end_point_hash(leaf) == hashlib.new(digest, leaf.public_bytes(Encoding.DER)).digest()


SHA1_SIGNED = """\
-----BEGIN CERTIFICATE-----
MIIBbjCCARagAwIBAgIUbkP+8aukERyc+jAniWHNUiGrKxowCQYHKoZIzj0EATAO
MQwwCgYDVQQDDANvbGQwHhcNMjYxMTIyMjE0ODAxWhcNMjYxMTIzMjE0ODAxWjAO
MQwwCgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASWoq6DMxBA
22GJJX8J0p8COJ+GNG10A/QxtT95bxBKhTDZ1uO8r9gPf43gLG8Zlzgf6V48ZfVa
rzDcDw0xyhdZo1MwUTAdBgNVHQ4EFgQUjLphbOznKX/vCfBHRDKAWC8Rg54wHwYD
VR0jBBgwFoAUjLphbOznKX/vCfBHRDKAWC8Rg54wDwYDVR0TAQH/BAUwAwEB/zAJ
BgcqhkjOPQQBA0cAMEQCIHAp457rLRff8/upVoMMHUe+EWIaDBWa44YRu/vUj1Mf
AiBQ+zpf9A9nlvvI/WhSE8iG4kC2z6DSMDv+YHDbrZScWQ==
-----END CERTIFICATE-----
"""


def test_the_end_point_of_an_old_signature_is_hashed_by_sha_256() -> None:
    leaf = x509.load_pem_x509_certificate(SHA1_SIGNED.encode())
    assert end_point_hash(leaf) == hashlib.sha256(ssl.PEM_cert_to_DER_cert(SHA1_SIGNED)).digest()


def test_a_signature_without_a_hash_function_has_no_end_point_binding() -> None:
    assert end_point_hash(issue(ED25519_KEY, None)) is None


@pytest.mark.parametrize(
    "domain, label",
    [("Example.ORG", "example.org"), ("münchen.example", "xn--mnchen-3ya.example"), ("a_b.example", "a_b.example")],
)
def test_domains_are_named_in_ascii(domain: str, label: str) -> None:
    assert a_label(domain) == label
