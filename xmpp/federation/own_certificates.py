"""What other servers will say of the certificates that they are shown here."""

from collections.abc import Iterator, Sequence

from xmpp.federation.certificates import CertificateRejected, covers, verify
from xmpp.federation.roots import Roots
from xmpp.stream.tls.certificates import Certificate


def refused_by_others(certificate: Certificate, names: Sequence[str], roots: Roots) -> Iterator[str]:
    """Say why other servers will refuse the certificate, as far as they trust the authorities that we do."""
    path, chain, reasons = certificate.chain_file, certificate.chain(), dict[str, str]()
    for name in names:
        try:
            verify(chain, name, roots)
        except CertificateRejected as rejected:
            reasons[name] = rejected.reason
    unnamed = [name for name in reasons if not covers(certificate.x509, name)]
    if unnamed:
        yield (
            f"{path}: the certificate does not name {', '.join(unnamed)}: other servers do not connect there, and "
            "refuse what comes from there."
        )
    for reason in dict.fromkeys(reasons[name] for name in reasons if name not in unnamed):
        yield f"{path}: other servers refuse the certificate: it {reason}."
