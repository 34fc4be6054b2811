"""Whether the certificates that another server shows are good for its domain (RFC 6120 section 13.7, RFC 9525).

What counts is what servers are for: a certificate has to be good for a TLS server, whoever has connected, since public
authorities issue no others any more. One for clients is not asked for. Names stand in the subjectAltName alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hmac import compare_digest
from itertools import islice

from cryptography import x509
from cryptography.hazmat.asn1 import IA5String, decode_der
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, VerificationError

from xmpp.federation.roots import Roots
from xmpp.stream.tls.certificates import ID_ON_XMPP_ADDR, a_label
from xmpp.stream.tls.chains import MALFORMED, MOST_ABOVE, plain, usable

ID_ON_DNS_SRV = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")  # RFC 4985
SRV_NAME = "_xmpp-server."
SHOWN_NAMES = 5


class CertificateRejected(Exception):
    """Why they are not: the certificate `reason`, such as "has expired". `told` is for the other side's administrator;
    `sender_told`, without names, for people here, as the domain could be half of somebody's address; the text itself is
    for our administrator."""

    def __init__(self, reason: str, *, in_public: str | None = None, leaf: x509.Certificate | None = None) -> None:
        """`reason` and `in_public` go on after "the certificate"."""
        shown = f" (its SHA-256 fingerprint is {leaf.fingerprint(SHA256()).hex(':')})" if leaf else ""
        super().__init__(f"it {reason}{shown}")
        self.reason = reason
        self.told = f"Your server's certificate {reason}"
        self.sender_told = f"the certificate of the other server {in_public or reason}"


def verify(chain: Sequence[bytes], domain: str, roots: Roots, *, pinned: str | None = None) -> None:
    """Raise CertificateRejected if these certificates, in DER, do not show that a server is this domain's.

    `pinned`: the SHA-256 fingerprint in lower-case hex of the one that it has to show, whoever has issued it, and
    whatever it says; nothing else counts then. Never yields; takes half a millisecond, or some 20 of a chain that was
    made to take long.
    """
    if not chain:
        raise CertificateRejected("is missing: it showed none")
    try:
        leaf, *above = (x509.load_der_x509_certificate(each) for each in chain)
        if pinned is not None:
            _check_pin(leaf, pinned)
        else:
            _verify(leaf, list(islice(usable(above), MOST_ABOVE)), domain, roots)
    except MALFORMED as error:
        raise CertificateRejected(f"cannot be read: {plain(str(error))}", in_public="cannot be read") from None


def covers(leaf: x509.Certificate, domain: str) -> bool:
    """True if the certificate names the domain, as one for servers has to. Raises ValueError if it is malformed."""
    return _is_among(_dns_names(leaf), domain) or _has_other_name(leaf, domain)


def shown_names(chain: Sequence[bytes]) -> frozenset[str] | None:
    """The names in DNS of the first of these certificates, as `is_among_shown` takes them; None if it has others."""
    try:
        leaf = x509.load_der_x509_certificate(chain[0])
        is_plain = not _names(leaf).get_values_for_type(x509.OtherName)
        return frozenset(_dns_names(leaf)) if is_plain else None
    except (IndexError, *MALFORMED):
        return None


def is_among_shown(names: frozenset[str] | None, domain: str) -> bool:
    """False if a certificate of these names is not good for the domain; costs next to nothing."""
    label = _label(domain)
    return names is None or label in names or "*." + label.partition(".")[2] in names


def _check_pin(leaf: x509.Certificate, pinned: str) -> None:
    if not compare_digest(leaf.fingerprint(SHA256()).hex(), pinned):
        raise CertificateRejected("is not the one that is pinned for your domain here",
                                  in_public="is not the one that is pinned here", leaf=leaf)  # fmt: skip


def _verify(leaf: x509.Certificate, above: list[x509.Certificate], domain: str, roots: Roots) -> None:
    if roots.store is None:
        raise _diagnosis(leaf, above, domain, roots, ValueError("no authority is trusted here"))
    policy = PolicyBuilder().store(roots.store).max_chain_depth(MOST_ABOVE)
    try:
        if _has_other_name(leaf, domain) and not _is_among(_dns_names(leaf), domain):
            _without_names(policy).build_client_verifier().verify(leaf, above)
        else:
            policy.build_server_verifier(x509.DNSName(a_label(domain))).verify(leaf, above)
    except (VerificationError, *MALFORMED) as error:
        raise _diagnosis(leaf, above, domain, roots, error) from None


def _without_names(policy: PolicyBuilder) -> PolicyBuilder:
    """For names that cryptography does not know: as for clients, but for their purpose. An authority that may issue
    for some names only may issue none of these."""
    return policy.extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca().require_not_present(x509.NameConstraints),
        ee_policy=ExtensionPolicy.webpki_defaults_ee().may_be_present(
            x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_purpose
        ),
    )


def _check_purpose(_policy: Policy, _certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage | None) -> None:
    if purposes is not None and ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
        raise ValueError("not for servers")


# -- names


def _dns_names(leaf: x509.Certificate) -> list[str]:
    return [name.lower() for name in _names(leaf).get_values_for_type(x509.DNSName)]


def _is_among(names: Iterable[str], domain: str) -> bool:
    """A wildcard stands for the whole left-most label, and for one only (RFC 9525 section 6.3)."""
    label = _label(domain)
    return any(name in (label, "*." + label.partition(".")[2]) for name in names)


def _has_other_name(leaf: x509.Certificate, domain: str) -> bool:
    """True if the domain is named in the ways that only XMPP and SRV have: exactly, without wildcards."""
    for other in _names(leaf).get_values_for_type(x509.OtherName):
        with suppress(ValueError):
            if other.type_id == ID_ON_XMPP_ADDR and _label(decode_der(str, other.value)) == _label(domain):
                return True
            if other.type_id == ID_ON_DNS_SRV:
                name = decode_der(IA5String, other.value).as_str().lower()
                if name == SRV_NAME + _label(domain):
                    return True
    return False


def _label(domain: str) -> str:
    """What cannot be in DNS stays as it is, and equals nothing that is."""
    try:
        return a_label(domain.lower())
    except ValueError:
        return domain


def _names(leaf: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


# -- what was wrong


def _diagnosis(
    leaf: x509.Certificate, above: list[x509.Certificate], domain: str, roots: Roots, error: Exception
) -> CertificateRejected:
    """Say what is wrong in words that help who has to mend it: the most telling first."""
    now = datetime.now(UTC)
    if leaf.issuer == leaf.subject:
        return CertificateRejected("is self-signed", leaf=leaf)
    if leaf.not_valid_after_utc < now:
        return CertificateRejected(f"has expired, on {leaf.not_valid_after_utc:%Y-%m-%d}", leaf=leaf)
    if leaf.not_valid_before_utc > now:
        return CertificateRejected(f"is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}", leaf=leaf)
    if not covers(leaf, domain):
        return CertificateRejected(
            f"is not valid for the name {domain}; it has {_shown(_dns_names(leaf))}",
            in_public="is not valid for its name",
            leaf=leaf,
        )
    with suppress(x509.ExtensionNotFound):
        if ExtendedKeyUsageOID.SERVER_AUTH not in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value:
            return CertificateRejected("is not meant for servers (serverAuth)", leaf=leaf)
    return _diagnosis_of_chain(leaf, above, roots, error, now)


def _diagnosis_of_chain(
    leaf: x509.Certificate, above: list[x509.Certificate], roots: Roots, error: Exception, now: datetime
) -> CertificateRejected:
    last, by_subject = leaf, {each.subject: each for each in above}
    for _ in above:
        last = by_subject.get(last.issuer, last)
        if not last.not_valid_before_utc <= now <= last.not_valid_after_utc:
            return CertificateRejected("has an issuer whose own certificate has expired, or is not valid yet",
                                       leaf=leaf)  # fmt: skip
    if last.issuer in roots.subjects:
        words = str(error).removeprefix("validation failed: ").partition(" (encountered")[0]
        return CertificateRejected(f"is not accepted: {plain(words)}", in_public="is not accepted", leaf=leaf)
    issuer = _common_name(last.issuer)
    if last is leaf:
        return CertificateRejected(
            f"comes without that of its issuer, or from an authority that is not trusted here: {issuer}",
            in_public="comes without that of its issuer, or from an authority that is not trusted here",
            leaf=leaf,
        )
    return CertificateRejected(f"is from an authority that is not trusted here: {issuer}",
                               in_public="is from an authority that is not trusted here", leaf=leaf)  # fmt: skip


def _shown(names: Sequence[str]) -> str:
    if not names:
        return "no name of a host"
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(plain(each) for each in names[:SHOWN_NAMES]) + more


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return plain(str(found[0].value)) if found else plain(name.rfc4514_string())
