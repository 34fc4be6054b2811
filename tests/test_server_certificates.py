"""Whether certificates are good for another server's domain, and what is said of those that are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.authority import CLIENT, DAY, KINDS, SERVER, SRV_NAME, XMPP_ADDRESS, Authority
from xmpp.federation.certificates import CertificateRejected, covers, verify
from xmpp.federation.roots import Roots, read_roots
from xmpp.stream.tls.certificates import CertificateError

GOOD = ("for servers", "for both", "for everything", "RSA", "wildcard", "XMPP address", "SRV name")
DATE = r"20\d\d-\d\d-\d\d"
BAD = {
    "for clients": (r"is not meant for servers \(serverAuth\)",) * 2,
    "expired": (rf"has expired, on {DATE}",) * 2,
    "not yet valid": (rf"is not valid before {DATE}",) * 2,
    "wrong name": (r"is not valid for the name {}; it has not-capulet\.test", "is not valid for its name"),
    "common name only": (r"is not valid for the name {}; it has not-capulet\.test", "is not valid for its name"),
    "without intermediate": (
        "comes without that of its issuer, or from an authority that is not trusted here: Root's intermediate",
        "comes without that of its issuer, or from an authority that is not trusted here",
    ),
    "self-signed": ("is self-signed",) * 2,
    "unknown authority": (
        "is from an authority that is not trusted here: Nobody's root",
        "is from an authority that is not trusted here",
    ),
}  # what is told to the other side's administrator, and to people here


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def roots(authority: Authority) -> Roots:
    return Roots([authority.root])


def rejection(chain: Sequence[bytes], domain: str, roots: Roots, pinned: str | None = None) -> CertificateRejected:
    with pytest.raises(CertificateRejected) as caught:
        verify(chain, domain, roots, pinned=pinned)
    return caught.value


def test_every_kind_of_certificate_is_tried() -> None:
    assert {*GOOD, *BAD} == KINDS.keys()


@pytest.mark.parametrize("domain", ["capulet.test", "rooms.capulet.test", "münchen.test", "xn--mnchen-3ya.test"])
@pytest.mark.parametrize("kind", GOOD)
def test_good_certificates_are_good(kind: str, domain: str, authority: Authority, roots: Roots) -> None:
    verify(authority.case(kind, domain).der, domain, roots)


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_is_told_to_who_can_mend_it_and_without_names_to_people_here(
    kind: str, authority: Authority, roots: Roots
) -> None:
    issued = authority.case(kind, "capulet.test")
    rejected = rejection(issued.der, "capulet.test", roots)
    told, in_public = BAD[kind]
    assert re.fullmatch("Your server's certificate " + told.replace("{}", r"capulet\.test"), rejected.told)
    assert re.fullmatch("the certificate of the other server " + in_public, rejected.sender_told)
    assert "capulet" not in rejected.sender_told
    fingerprint = re.search(r"fingerprint is ([0-9a-f:]+)\)$", str(rejected))
    assert fingerprint is not None and fingerprint[1].replace(":", "") == issued.fingerprint


@pytest.mark.parametrize("kind", BAD)
def test_a_pinned_certificate_is_good_whatever_it_says(kind: str, authority: Authority, roots: Roots) -> None:
    issued = authority.case(kind, "capulet.test")
    verify(issued.der, "capulet.test", roots, pinned=issued.fingerprint)


@pytest.mark.parametrize("kind", GOOD)
def test_where_one_is_pinned_no_other_is_good(kind: str, authority: Authority, roots: Roots) -> None:
    pinned, other = (authority.case(kind, "capulet.test") for _ in range(2))
    rejected = rejection(other.der, "capulet.test", roots, pinned.fingerprint)
    assert rejected.told == "Your server's certificate is not the one that is pinned for your domain here"
    rejection((other.der[0], pinned.der[0]), "capulet.test", roots, pinned.fingerprint)


def test_nothing_shown_is_said_to_be_missing(roots: Roots) -> None:
    assert rejection((), "capulet.test", roots).told == "Your server's certificate is missing: it showed none"
    assert rejection((), "capulet.test", roots, "0" * 64).told.endswith("it showed none")


# -- names


@pytest.mark.parametrize(
    "named, domain, is_covered",
    [
        ("capulet.test", "CAPULET.test", True),
        ("CAPULET.test", "capulet.test", True),
        ("capulet.test", "rooms.capulet.test", False),
        ("*.capulet.test", "rooms.capulet.test", True),
        ("*.capulet.test", "capulet.test", False),
        ("*.capulet.test", "a.rooms.capulet.test", False),
        ("*.test", "capulet.test", True),
        ("*.münchen.test", "rooms.münchen.test", True),
        ("capulet.test", "capulet.test.", False),
        ("capulet.test", "capulet.tes", False),
        ("capulet.test", "apulet.test", False),
    ],
)
def test_a_wildcard_is_the_whole_left_most_label(
    named: str, domain: str, is_covered: bool, authority: Authority, roots: Roots
) -> None:
    issued = authority.issue(named)
    assert covers(issued.leaf, domain) is is_covered
    if is_covered:
        verify(issued.der, domain, roots)
    else:
        assert "is not valid for the name" in rejection(issued.der, domain, roots).told


@pytest.mark.parametrize("named", ["ca*.capulet.test", "*pulet.test", "rooms.*.test"])
def test_a_wildcard_elsewhere_is_none(named: str, authority: Authority, roots: Roots) -> None:
    rejection(authority.issue(named).der, "capulet.test", roots)
    rejection(authority.issue(named).der, "rooms.capulet.test", roots)


@pytest.mark.parametrize(
    "names",
    [
        {"xmpp_addresses": ["*.test"]},
        {"xmpp_addresses": ["juliet@capulet.test"]},
        {"xmpp_addresses": ["rooms.capulet.test"]},
        {"srv_names": ["_xmpp-client.capulet.test"]},
        {"srv_names": ["_xmpp-server.*.test"]},
        {"srv_names": ["_xmpp-server.rooms.capulet.test"]},
        {"srv_names": ["capulet.test"]},
        {"xmpp_addresses": [""]},
        {},
    ],
)
def test_other_names_have_to_be_exact(names: dict[str, list[str]], authority: Authority, roots: Roots) -> None:
    issued = authority.issue(**names)  # type: ignore[arg-type]
    assert "is not valid for the name capulet.test; it has no name of a host" in rejection(
        issued.der, "capulet.test", roots
    ).told


@pytest.mark.parametrize(
    "names", [{"xmpp_addresses": ["München.TEST"]}, {"srv_names": ["_XMPP-server.xn--MNCHEN-3ya.test"]}]
)
def test_capital_letters_in_other_names_are_small_ones(
    names: dict[str, list[str]], authority: Authority, roots: Roots
) -> None:
    verify(authority.issue(**names).der, "münchen.test", roots)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [XMPP_ADDRESS, SRV_NAME])
@pytest.mark.parametrize("der", ["0c00", "1600", "0c02c328", "1601ff", "3000", "0500", "020100", "04020102"])
def test_other_names_that_are_malformed_name_nothing(
    kind: x509.ObjectIdentifier, der: str, authority: Authority, roots: Roots
) -> None:
    issued = authority.issue("montague.test", others=[(kind, bytes.fromhex(der))])
    rejection(issued.der, "capulet.test", roots)


@pytest.mark.parametrize("names", [{"xmpp_addresses": ["capulet.test"]}, {"srv_names": ["_xmpp-server.capulet.test"]}])
def test_other_names_need_a_certificate_for_servers_and_a_chain_like_any(
    names: dict[str, list[str]], authority: Authority, roots: Roots
) -> None:
    def refused(by: Authority = authority, **how: object) -> str:
        return rejection(by.issue(**names, **how).der, "capulet.test", roots).told  # type: ignore[arg-type]

    verify(authority.issue(**names, purposes=(CLIENT, SERVER)).der, "capulet.test", roots)  # type: ignore[arg-type]
    assert "not meant for servers" in refused(purposes=(CLIENT,))
    assert "comes without" in refused(has_chain=False)
    assert "self-signed" in refused(is_self_signed=True)
    assert "not trusted here" in refused(Authority("Nobody"))


def test_an_authority_for_some_names_may_issue_no_other_names(roots: Roots) -> None:
    limited = Authority("Limited", only_beneath="montague.test")
    trusted = Roots([limited.root])
    verify(limited.issue("www.montague.test").der, "www.montague.test", trusted)
    rejection(limited.issue("capulet.test").der, "capulet.test", trusted)
    rejection(limited.issue("www.montague.test", xmpp_addresses=["capulet.test"]).der, "capulet.test", trusted)


@pytest.mark.parametrize("domain", ["192.0.2.1", "[2001:db8::1]", "a..test", "a" * 64 + ".test", "_x.test", "ü..test"])
def test_what_no_certificate_can_name_is_refused(domain: str, authority: Authority, roots: Roots) -> None:
    issued = authority.issue("capulet.test", "*.test")
    rejection(issued.der, domain, roots)
    verify(issued.der, domain, roots, pinned=issued.fingerprint)


def test_of_many_names_some_are_told_and_none_that_a_stream_cannot_have(authority: Authority, roots: Roots) -> None:
    many = authority.issue(*(f"{number}.test" for number in range(1_000)))
    assert rejection(many.der, "capulet.test", roots).told.endswith(
        "it has 0.test, 1.test, 2.test, 3.test, 4.test and 995 more"
    )
    odd = Authority("\x00\x1b[31m\ufffe\u202e" + "x" * 30)
    told = rejection(odd.issue("capulet.test").der, "capulet.test", roots).told
    assert told.endswith(f": ??[31m??{'x' * 30}")


# -- chains


def test_the_order_of_a_chain_does_not_matter_nor_what_is_needless_in_it(authority: Authority, roots: Roots) -> None:
    issued, needless = authority.issue("capulet.test"), Authority("Needless")
    above = [needless.root, needless.intermediate, authority.root, authority.intermediate]
    verify((issued.der[0], *map(der, above)), "capulet.test", roots)


def test_an_issuer_that_has_expired_is_told(roots: Roots) -> None:
    old = Authority("Old", ends=datetime.now(UTC) - DAY)
    rejected = rejection(old.issue("capulet.test").der, "capulet.test", Roots([old.root]))
    assert rejected.told.endswith("has an issuer whose own certificate has expired, or is not valid yet")


def test_what_the_verifier_alone_refuses_is_told_in_its_words(authority: Authority, roots: Roots) -> None:
    careless = authority.issue("capulet.test", names_key=False)
    rejected = rejection(careless.der, "capulet.test", roots)
    words = "invalid extension: 2.5.29.35: Certificate is missing required extension"
    assert rejected.told == f"Your server's certificate is not accepted: {words}"
    assert rejected.sender_told == "the certificate of the other server is not accepted"


def of_another_version(der: bytes) -> bytes:
    return der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020101"), 1)


@pytest.mark.parametrize(
    "spoil",
    [lambda der: b"", lambda der: b"x", lambda der: der[:-1], lambda der: der + b"\0", of_another_version],
)
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_no_certificate_cannot_be_read(
    spoil: Callable[[bytes], bytes], which: int, authority: Authority, roots: Roots
) -> None:
    chain = list(authority.issue("capulet.test").der)
    chain[which] = spoil(chain[which])
    rejected = rejection(chain, "capulet.test", roots)
    assert rejected.told.startswith("Your server's certificate cannot be read")
    assert rejected.sender_told == "the certificate of the other server cannot be read"


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from([*KINDS]),
    which=st.integers(0, 1),
    at=st.floats(0, 1, exclude_max=True),
    taken=st.integers(0, 4),
    put=st.binary(max_size=4),
)
def test_whatever_is_changed_in_a_certificate_it_is_refused_in_words(
    kind: str, which: int, at: float, taken: int, put: bytes, issued_once: dict[str, Sequence[bytes]], roots: Roots
) -> None:
    chain = list(issued_once[kind])
    which = min(which, len(chain) - 1)
    begin = int(at * len(chain[which]))
    chain[which] = chain[which][:begin] + put + chain[which][begin + taken :]
    try:
        verify(chain, "capulet.test", roots)
    except CertificateRejected as rejected:
        assert rejected.told.isprintable() and rejected.sender_told.isprintable()


@pytest.fixture(scope="module")
def issued_once(authority: Authority) -> dict[str, Sequence[bytes]]:
    return {kind: authority.case(kind, "capulet.test").der for kind in KINDS}


def test_a_certificate_whose_bytes_were_changed_is_refused(authority: Authority, roots: Roots) -> None:
    issued = authority.issue("mapulet.test")
    changed = issued.der[0].replace(b"mapulet.test", b"capulet.test")
    assert "is not accepted" in rejection((changed, *issued.der[1:]), "capulet.test", roots).told


# -- who is trusted


def test_who_trusts_nobody_refuses_all(authority: Authority) -> None:
    issued = authority.issue("capulet.test")
    assert "is not trusted here" in rejection(issued.der, "capulet.test", Roots(())).told


def test_a_file_of_authorities_is_trusted(authority: Authority, tmp_path: Path) -> None:
    file = authority.write_root(tmp_path / "roots.pem")
    broken = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    file.write_bytes("# für uns\n".encode() + broken + file.read_bytes())
    verify(authority.issue("capulet.test").der, "capulet.test", read_roots(file))


@pytest.mark.parametrize(
    "content, message", [(None, "cannot be read"), (b"", "holds no certificate"), (b"\xff", "holds no")]
)
def test_a_file_without_authorities_is_named(content: bytes | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CertificateError, match=rf"roots\.pem: {message}"):
        read_roots(file)


def test_the_systems_authorities_are_trusted_by_default(authority: Authority) -> None:
    roots = read_roots()
    assert len(roots.subjects) > 50
    assert "is not trusted here" in rejection(authority.issue("capulet.test").der, "capulet.test", roots).told


def test_where_the_system_has_no_file_those_that_came_with_the_program_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.setattr("xmpp.federation.roots.SYSTEM_FILES", (str(tmp_path / "none.pem"),))
    assert len(read_roots().subjects) > 50


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
