"""docs/security.md rows about the certificates of other servers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.authority import Authority
from xmpp.federation.certificates import CertificateRejected, verify
from xmpp.federation.roots import Roots
from xmpp.stream.tls.chains import usable

CAPULET, MALLORY = "capulet.test", "mallory.test"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def roots(authority: Authority) -> Roots:
    return Roots([authority.root])


def is_good(chain: Sequence[bytes], roots: Roots) -> bool:
    try:
        verify(chain, CAPULET, roots)
    except CertificateRejected:
        return False
    return True


# -- row 14: whose certificate it is


@pytest.mark.parametrize(
    "common_name",
    [CAPULET, f"*.{CAPULET}", f"{CAPULET}, O={CAPULET}", f"mallory CN={CAPULET}", f"a@mallory.test,CN={CAPULET}"],
)
@pytest.mark.parametrize("names", [(MALLORY,), ()])
def test_row_14_the_common_name_names_nobody(
    common_name: str, names: tuple[str, ...], authority: Authority, roots: Roots
) -> None:
    assert not is_good(authority.issue(*names, common_name=common_name).der, roots)


@pytest.mark.parametrize(
    "names",
    [
        {"domains": [f"{CAPULET}.{MALLORY}"]},
        {"domains": [f"{MALLORY}.{CAPULET}"]},
        {"domains": ["*"]},
        {"domains": ["*.*"]},
        {"domains": [f"x{CAPULET}"]},
        {"domains": [MALLORY], "xmpp_addresses": [f"{CAPULET}@{MALLORY}", f"{MALLORY}/{CAPULET}", f"{CAPULET}\0"]},
        {"domains": [MALLORY], "srv_names": [f"_xmpp-server.{CAPULET}.{MALLORY}", f"_xmpp-client.{CAPULET}"]},
    ],
)
def test_row_14_a_name_that_has_the_domain_in_it_is_another_one(
    names: dict[str, list[str]], authority: Authority, roots: Roots
) -> None:
    others = {key: names[key] for key in names if key != "domains"}
    assert not is_good(authority.issue(*names["domains"], **others).der, roots)  # type: ignore[arg-type]


def test_row_14_the_names_of_other_certificates_in_the_chain_count_for_nothing(
    authority: Authority, roots: Roots
) -> None:
    mallorys, capulets = authority.issue(MALLORY), authority.issue(CAPULET)
    assert is_good((*capulets.der, *mallorys.der), roots)
    assert not is_good((*mallorys.der, *capulets.der), roots)


def test_row_14_who_has_a_certificate_can_issue_no_other(authority: Authority, roots: Roots) -> None:
    mallory = authority.issue(MALLORY)
    forged = authority.issue(CAPULET, signed_by=mallory)
    assert not is_good((forged.der[0], *mallory.der), roots)


# -- row 170: what takes long


def test_row_172_of_authorities_with_one_name_and_one_key_one_is_tried(authority: Authority, roots: Roots) -> None:
    alike = [authority.intermediate_again() for _ in range(7)]
    assert list(usable(alike)) == alike[:1]
    issued = authority.issue(CAPULET)
    assert is_good((issued.der[0], *map(der, alike)), roots)


@pytest.mark.parametrize("bits, exponent", [(16_384, 65_537), (3_072, (1 << 3_000) + 1), (2_048, (1 << 33) + 1)])
def test_row_172_keys_that_nobody_has_are_not_tried(bits: int, exponent: int, authority: Authority) -> None:
    key = rsa.RSAPublicNumbers(exponent, secrets.randbits(bits) | 1 << (bits - 1) | 1).public_key()
    assert list(usable([authority.intermediate_again(key), authority.intermediate])) == [authority.intermediate]


def test_row_172_of_a_chain_only_its_first_certificates_are_looked_at(authority: Authority, roots: Roots) -> None:
    issued, others = authority.issue(CAPULET), [der(Authority(f"Other {number}").intermediate) for number in range(8)]
    assert is_good((issued.der[0], *others[:3], issued.der[1]), roots)
    assert not is_good((issued.der[0], *others, issued.der[1]), roots)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
