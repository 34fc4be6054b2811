"""The server's certificates: read from the administrator's files, or self-signed and made at the first start."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import idna
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.asn1 import encode_der
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

log = logging.getLogger(__name__)

SELF_SIGNED_LIFETIME = timedelta(days=3650)
COMMON_NAME_LIMIT = 64  # RFC 5280, ub-common-name
ID_ON_XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")  # RFC 6120 section 13.7.1.4


class CertificateError(Exception):
    """One sentence for the administrator: which file, and what is wrong with it."""


@dataclass(frozen=True)
class Certificate:
    """A certificate, and the PEM files of its chain and of its key; the key has been checked to belong to it."""

    x509: x509.Certificate
    chain_file: Path
    key_file: Path

    def chain(self) -> list[bytes]:
        """All certificates in the chain's file, as a peer is shown them, in DER. Raises CertificateError."""
        try:
            return [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(_read(self.chain_file))]
        except ValueError as error:
            raise CertificateError(f"{self.chain_file}: not all that it holds is a certificate.") from error


def read_certificate(chain_file: Path, key_file: Path | None = None) -> Certificate:
    """Read a certificate with its chain, and its key from the same file unless another is named.

    A folder in place of the chain's file holds fullchain.pem and privkey.pem, as certbot makes it.
    Raises CertificateError.
    """
    if chain_file.is_dir():
        key_file = key_file or chain_file / "privkey.pem"
        chain_file = chain_file / "fullchain.pem"
    key_file = key_file or chain_file
    leaf = _read_leaf(chain_file)
    if _public_half(key_file) != leaf.public_key():
        raise CertificateError(f"{key_file}: the key does not belong to the certificate in {chain_file}.")
    return Certificate(leaf, chain_file, key_file)


def self_signed_certificate(folder: Path, domain: str, services: Sequence[str] = ()) -> Certificate:
    """Return the domain's self-signed certificate from the folder; it is made there if it is missing.

    It names the domain's services, too. Certificate and key are one file, which only its owner can read. Raises
    CertificateError.
    """
    path = folder / f"{a_label(domain)}.pem"
    if not path.exists():
        try:
            _make_self_signed(path, domain, services)
        except OSError as error:
            raise CertificateError(f"{path}: cannot be written: {error.strerror}.") from error
    return read_certificate(path)


def doubts(certificate: Certificate, domain: str, now: datetime) -> Iterator[str]:
    """Say why clients will not trust the certificate, a sentence for each reason. It can be used all the same."""
    leaf, path = certificate.x509, certificate.chain_file
    if now > leaf.not_valid_after_utc:
        yield f"{path}: the certificate for {domain} expired on {leaf.not_valid_after_utc:%Y-%m-%d}."
    if now < leaf.not_valid_before_utc:
        yield f"{path}: the certificate for {domain} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}."
    if not _is_for(leaf, domain):
        yield f"{path}: the certificate does not name {domain}."


def notes(certificate: Certificate, domain: str, now: datetime, services: Iterable[str] = ()) -> Iterator[str]:
    """Say what else the administrator should know of the certificate, a sentence for each thing."""
    leaf, path = certificate.x509, certificate.chain_file
    yield f"{path}: valid until {leaf.not_valid_after_utc:%Y-%m-%d}, {(leaf.not_valid_after_utc - now).days} days left."
    if leaf.issuer == leaf.subject:
        yield f"{path}: the certificate for {domain} is self-signed, so clients ask their people whether to trust it."
    for service in a_labels(services):
        if not _is_for(leaf, service):
            yield (
                f"{path}: the certificate for {domain} does not name {service}, where a service of it answers; "
                "clients that log in do not ask for that."
            )
    if _is_open_to_all(certificate.key_file):
        yield f"{certificate.key_file}: everybody on this machine can read the key; chmod 600 closes it."


def end_point_hash(certificate: x509.Certificate) -> bytes | None:
    """Return the `tls-server-end-point` channel binding (RFC 5929 section 4.1).

    It uses the hash function of the certificate's signature, or SHA-256 if that is MD5 or SHA-1. None if the signature
    has no hash function, as with Ed25519: the binding is undefined then.
    """
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if algorithm is None:
        return None
    return certificate.fingerprint(SHA256() if isinstance(algorithm, (MD5, SHA1)) else algorithm)


def a_label(domain: str) -> str:
    """Return the domain as certificates and TLS name it: lower-case ASCII (RFC 5890)."""
    return domain.lower() if domain.isascii() else idna.encode(domain).decode("ascii")


def a_labels(services: Iterable[str]) -> Iterator[str]:
    """The same for the addresses of services, without those that cannot exist in DNS: beneath an IP address, or too
    long."""
    for service in services:
        with suppress(idna.IDNAError):
            if not service.endswith("]"):
                yield a_label(service)


def _read_leaf(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise CertificateError(f"{path}: holds no certificate in PEM form.") from error


def _public_half(path: Path) -> PublicKeyTypes:
    try:
        return load_pem_private_key(_read(path), password=None).public_key()
    except TypeError as error:
        raise CertificateError(f"{path}: the key is protected by a password; the server needs one without.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{path}: holds no private key in PEM form that can be used.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read: {error.strerror}.") from error


def _is_open_to_all(path: Path) -> bool:
    """True if the modes of the file and of all folders above it let everybody read it."""
    real = path.resolve()
    try:
        return bool(real.stat().st_mode & 0o004) and all(each.stat().st_mode & 0o001 for each in real.parents)
    except OSError:
        return False


def _is_for(certificate: x509.Certificate, domain: str) -> bool:
    """True if its subjectAltName has the domain; the common name never counts (RFC 9525 section 2)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    name = _network_name(domain)
    if isinstance(name, x509.IPAddress):
        return name in names
    wildcard = "*." + name.value.partition(".")[2]
    return any(dns.lower() in (name.value, wildcard) for dns in names.get_values_for_type(x509.DNSName))


def _make_self_signed(path: Path, domain: str, services: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key, domain, services, datetime.now(UTC))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_privately(path, secret + certificate.public_bytes(Encoding.PEM))
    log.info("made a self-signed certificate for %s, SHA-256 %s", domain, certificate.fingerprint(SHA256()).hex(":"))


def _self_signed(
    key: ec.EllipticCurvePrivateKey, domain: str, services: Sequence[str], now: datetime
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, a_label(domain)[:COMMON_NAME_LIMIT])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clients' clocks differ
        .not_valid_after(now + SELF_SIGNED_LIFETIME)
    )
    for extension, critical in _extensions(key.public_key(), domain, services):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, SHA256())


def _extensions(
    key: ec.EllipticCurvePublicKey, domain: str, services: Sequence[str]
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    xmpp_address = x509.OtherName(ID_ON_XMPP_ADDR, encode_der(domain))  # a UTF8String
    names = [_network_name(domain), *map(x509.DNSName, a_labels(services)), xmpp_address]
    yield x509.SubjectAlternativeName(names), False
    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False
    yield x509.SubjectKeyIdentifier.from_public_key(key), False
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False


def _network_name(domain: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(domain.strip("[]")))
    except ValueError:
        return x509.DNSName(a_label(domain))


def _write_privately(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 that is complete or absent whenever the machine stops."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
