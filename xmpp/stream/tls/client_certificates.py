"""Certificates that clients log in with (XEP-0178): who may issue them for a domain, whether one that a client shows is
good, and whose it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.asn1 import decode_der
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from xmpp.stream.tls.certificates import ID_ON_XMPP_ADDR, CertificateError
from xmpp.stream.tls.chains import MALFORMED, MOST_ABOVE, plain, usable

MOST_BYTES = 1024 * 1024  # of a file: some 25,000 certificates that are revoked, which take 50 ms to read
MOST_ADDRESSES = 20
REVOCATION_LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


class CertificateRefused(Exception):
    """Why a client's certificate is not good: the certificate `reason`, such as "has expired"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Verified(NamedTuple):
    """A certificate that is good: the addresses that it is for, as they are written there, and when it expires, or one
    of those that it rests on, in seconds since 1970."""

    addresses: tuple[str, ...]
    until: float


class ClientAuthorities:
    """Who may issue certificates for the clients of a domain, and what they have revoked."""

    def __init__(self, certificates: list[x509.Certificate], lists: Iterable[x509.CertificateRevocationList]) -> None:
        self._certificates = certificates
        self._lists = {each.issuer: each for each in lists}
        self._revoked = {(issuer, each.serial_number) for issuer, them in self._lists.items() for each in them}
        # What authorities may issue for some names only is not checked against addresses, so these may issue none.
        self._policy = (
            PolicyBuilder()
            .store(Store(certificates))
            .max_chain_depth(MOST_ABOVE)
            .extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca().require_not_present(x509.NameConstraints),
                ee_policy=ExtensionPolicy.webpki_defaults_ee(),
            )
        )

    def verify(self, chain: Sequence[bytes]) -> Verified:
        """Whom these certificates, in DER, are for: addresses of XMPP, or e-mail where there is none. Raises
        CertificateRefused. Never yields; takes half a millisecond, or some 20 of a chain that was made to take long."""
        now = datetime.now(UTC)
        try:
            leaf, *above = (x509.load_der_x509_certificate(each) for each in chain)
            try:
                verified = self._policy.build_client_verifier().verify(leaf, list(islice(usable(above), MOST_ABOVE)))
            except (VerificationError, *MALFORMED) as error:
                raise CertificateRefused(self._diagnosis(leaf, error, now)) from None
            for each in verified.chain:
                self._refuse_revoked(each, now)
            until = min(each.not_valid_after_utc for each in verified.chain).timestamp()
            return Verified(tuple(islice(_addresses(leaf), MOST_ADDRESSES)), until)
        except MALFORMED as error:
            raise CertificateRefused(f"cannot be read: {plain(str(error))}") from None

    def doubts(self, now: datetime) -> Iterator[str]:
        """Say whose certificates do not count by now, a sentence for each authority."""
        for each in self._certificates:
            if each.not_valid_after_utc < now:
                yield (
                    f"certificates for clients by {plain(each.subject.rfc4514_string())} do not count: its own expired "
                    f"on {each.not_valid_after_utc:%Y-%m-%d}."
                )
        for issuer, known in self._lists.items():
            if known.next_update_utc is not None and known.next_update_utc < now:
                yield (
                    f"certificates for clients by {plain(issuer.rfc4514_string())} do not count: the list of those "
                    f"that it has revoked is no longer current since {known.next_update_utc:%Y-%m-%d}."
                )

    def _refuse_revoked(self, certificate: x509.Certificate, now: datetime) -> None:
        known = self._lists.get(certificate.issuer)
        if known is None:
            return
        if (certificate.issuer, certificate.serial_number) in self._revoked:
            raise CertificateRefused("has been revoked")
        if known.next_update_utc is not None and known.next_update_utc < now:
            raise CertificateRefused(
                "may have been revoked: the list of its authority here is no longer current since "
                f"{known.next_update_utc:%Y-%m-%d}"
            )

    def _diagnosis(self, leaf: x509.Certificate, error: Exception, now: datetime) -> str:
        if leaf.not_valid_after_utc < now:
            return f"has expired, on {leaf.not_valid_after_utc:%Y-%m-%d}"
        if leaf.not_valid_before_utc > now:
            return f"is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}"
        with suppress(x509.ExtensionNotFound):
            purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
                return "is not meant for clients (clientAuth)"
        words = str(error).removeprefix("validation failed: ").partition(" (encountered")[0]
        return f"is not accepted, issued by {plain(leaf.issuer.rfc4514_string())}: {plain(words)}"


def read_authorities(path: Path) -> ClientAuthorities:
    """Read a PEM file with certificates of authorities, and with the lists of what they have revoked (CRL). Raises
    CertificateError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read: {error.strerror}.") from error
    if len(content) > MOST_BYTES:
        raise CertificateError(f"{path}: has {len(content)} bytes, and may have {MOST_BYTES}.")
    try:
        certificates = x509.load_pem_x509_certificates(content)
        lists = [x509.load_pem_x509_crl(each) for each in REVOCATION_LIST.findall(content)]
    except ValueError as error:
        raise CertificateError(f"{path}: holds no certificates in PEM form, or not only what can be read.") from error
    for each in lists:
        if not any(_has_signed(authority, each) for authority in certificates):
            name = plain(each.issuer.rfc4514_string())
            raise CertificateError(f"{path}: the revocation list of {name} is signed by no authority in this file.")
    return ClientAuthorities(certificates, lists)


def _has_signed(authority: x509.Certificate, revocations: x509.CertificateRevocationList) -> bool:
    with suppress(*MALFORMED, TypeError):
        return authority.subject == revocations.issuer and revocations.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    return False


def _addresses(leaf: x509.Certificate) -> Iterator[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    others = [each.value for each in names.get_values_for_type(x509.OtherName) if each.type_id == ID_ON_XMPP_ADDR]
    if not others:
        yield from names.get_values_for_type(x509.RFC822Name)
    for each in others:
        with suppress(ValueError):
            yield decode_der(str, each)
