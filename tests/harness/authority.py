"""A private certificate authority: certificates for servers, good ones and every kind of bad one.

The root signs an intermediate authority, and that the leaves, as public authorities do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.asn1 import encode_der
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xmpp.stream.tls.certificates import a_label

DAY = timedelta(days=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
XMPP_ADDRESS = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
IA5_STRING = 0x16


@dataclass(frozen=True)
class Issued:
    """A certificate, what is sent with it, and its key."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]  # without the leaf
    key: Any

    @property
    def der(self) -> tuple[bytes, ...]:
        """The certificates as a peer shows them, the leaf first."""
        return tuple(each.public_bytes(Encoding.DER) for each in (self.leaf, *self.chain))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf, in hex."""
        return self.leaf.fingerprint(SHA256()).hex()

    def write(self, folder: Path) -> Path:
        """Write fullchain.pem and privkey.pem into the folder, as certbot does and [tls] reads; returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fullchain.pem").write_bytes(
            b"".join(each.public_bytes(Encoding.PEM) for each in (self.leaf, *self.chain))
        )
        key_file = folder / "privkey.pem"
        key_file.touch(mode=0o600)
        key_file.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return folder


class Authority:
    """A root, which nobody but the tests trusts, and an intermediate authority beneath it."""

    def __init__(
        self, name: str = "Root", *, only_beneath: str | None = None, ends: datetime | None = None
    ) -> None:
        """The intermediate may issue for any domain, or `only_beneath` one; until it `ends`, in ten years."""
        self._root_key, self._key = _ecdsa(), _ecdsa()
        self.root = _authority(name, self._root_key, name, self._root_key, path_length=1)
        limits = [x509.NameConstraints([x509.DNSName(only_beneath)], None)] if only_beneath else []
        self.intermediate = _authority(
            f"{name}'s intermediate", self._key, name, self._root_key, path_length=0, limits=limits, ends=ends
        )

    def intermediate_again(self, key: Any = None) -> x509.Certificate:
        """Another certificate of the intermediate's name, and of its own key or this public one."""
        holder = _Holder(key) if key else self._key
        return _authority(_name(self.intermediate), holder, _name(self.root), self._root_key, path_length=0)

    def write_root(self, path: Path) -> Path:
        """Write the root as a PEM file of what is trusted; returns its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.root.public_bytes(Encoding.PEM))
        return path

    def issue(
        self,
        *domains: str,
        purposes: Sequence[x509.ObjectIdentifier] = (SERVER,),
        xmpp_addresses: Iterable[str] = (),
        srv_names: Iterable[str] = (),
        emails: Iterable[str] = (),
        others: Iterable[tuple[x509.ObjectIdentifier, bytes]] = (),
        common_name: str | None = None,
        begins: datetime | None = None,
        ends: datetime | None = None,
        is_rsa: bool = False,
        names_key: bool = True,
        has_chain: bool = True,
        is_self_signed: bool = False,
        signed_by: Issued | None = None,
    ) -> Issued:
        """Issue a certificate for these domains, valid from yesterday until in ninety days.

        `domains`: as people write them, `*.` in front is a wildcard. `srv_names`: with the service, as in
        `_xmpp-server.example.org`. `others`: names of other types, in DER. `names_key`: it says by which key it was
        signed, as it must. `has_chain`: the intermediate is sent with it. `signed_by`: by somebody who is no authority.
        No purposes: for all of them.
        """
        key: Any = rsa.generate_private_key(65537, 2048) if is_rsa else _ecdsa()
        begins = begins or (ends or datetime.now(UTC)) - DAY
        subject = common_name or next(iter(domains), "nobody")
        names = [*_names(domains, xmpp_addresses, srv_names), *(x509.OtherName(*each) for each in others)]
        names += map(x509.RFC822Name, emails)
        issuer, signer = self.intermediate, self._key
        if signed_by:
            issuer, signer = signed_by.leaf, signed_by.key
        elif is_self_signed:
            signer = key
        builder = _builder(subject, key, subject if is_self_signed else _name(issuer))
        builder = builder.not_valid_before(begins).not_valid_after(ends or begins + 91 * DAY)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if names_key:
            builder = builder.add_extension(_authority_key(signer), critical=False)
        leaf = builder.sign(signer, SHA256())
        return Issued(leaf, (self.intermediate,) if has_chain and not is_self_signed else (), key)

    def revoke(self, *certificates: Issued, until: datetime | None = None) -> bytes:
        """The list (CRL) of these, which the intermediate has issued, in PEM; current until tomorrow."""
        until = until or datetime.now(UTC) + DAY
        begins = until - 2 * DAY
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.intermediate.subject)
        builder = builder.last_update(begins).next_update(until)
        for each in certificates:
            entry = x509.RevokedCertificateBuilder().serial_number(each.leaf.serial_number).revocation_date(begins)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def case(self, kind: str, domain: str) -> Issued:
        """A certificate of one of the KINDS that the server of this domain shows."""
        return KINDS[kind](self, domain)


def _past(authority: Authority, domain: str) -> Issued:
    return authority.issue(domain, ends=datetime.now(UTC) - DAY)


def _future(authority: Authority, domain: str) -> Issued:
    return authority.issue(domain, begins=datetime.now(UTC) + DAY)


# The kinds of certificates that there are for a domain; an IDN is a domain like any other.
KINDS: Mapping[str, Callable[[Authority, str], Issued]] = {
    "for servers": lambda authority, domain: authority.issue(domain),
    "for both": lambda authority, domain: authority.issue(domain, purposes=(SERVER, CLIENT)),
    "for clients": lambda authority, domain: authority.issue(domain, purposes=(CLIENT,)),
    "for everything": lambda authority, domain: authority.issue(domain, purposes=()),
    "RSA": lambda authority, domain: authority.issue(domain, is_rsa=True),
    "expired": _past,
    "not yet valid": _future,
    "wrong name": lambda authority, domain: authority.issue(f"not-{domain}"),
    "common name only": lambda authority, domain: authority.issue(f"not-{domain}", common_name=a_label(domain)),
    "wildcard": lambda authority, domain: authority.issue("*." + domain.partition(".")[2]),
    "XMPP address": lambda authority, domain: authority.issue(xmpp_addresses=[domain]),
    "SRV name": lambda authority, domain: authority.issue(srv_names=[f"_xmpp-server.{a_label(domain)}"]),
    "without intermediate": lambda authority, domain: authority.issue(domain, has_chain=False),
    "self-signed": lambda authority, domain: authority.issue(domain, is_self_signed=True),
    "unknown authority": lambda _, domain: Authority("Nobody's root").issue(domain),
}


class _Holder(NamedTuple):
    """A public key in place of a private one, for who signs nothing."""

    public: Any

    def public_key(self) -> Any:
        return self.public


def _authority(
    name: str,
    key: Any,
    issuer: str,
    issuer_key: Any,
    path_length: int,
    limits: Sequence[x509.NameConstraints] = (),
    ends: datetime | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = _builder(name, key, issuer).not_valid_before(now - 365 * DAY).not_valid_after(ends or now + 3650 * DAY)
    for extension, critical in (
        *((each, True) for each in limits),
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_for_signing(), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (_authority_key(issuer_key), False),
    ):
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, SHA256())


def _builder(name: str, key: Any, issuer: str) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(_subject(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
    )


def _names(domains: Iterable[str], xmpp_addresses: Iterable[str], srv_names: Iterable[str]) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(_dns_name(each)) for each in domains),
        *(x509.OtherName(XMPP_ADDRESS, encode_der(each)) for each in xmpp_addresses),  # a UTF8String
        *(x509.OtherName(SRV_NAME, bytes([IA5_STRING, len(each)]) + each.encode()) for each in srv_names),
    ]


def _dns_name(domain: str) -> str:
    return "*." + a_label(domain[2:]) if domain.startswith("*.") else a_label(domain)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _authority_key(key: Any) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _for_signing() -> x509.KeyUsage:
    none = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"),
        False,
    )  # fmt: skip
    return x509.KeyUsage(**none, key_cert_sign=True, crl_sign=True)


def _ecdsa() -> Any:
    return ec.generate_private_key(ec.SECP256R1())
