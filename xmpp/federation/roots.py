"""The authorities whose certificates other servers may show: the system's, or those of a file."""

from __future__ import annotations

import logging
import re
import ssl
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.x509.verification import Store

from xmpp.stream.tls.certificates import CertificateError

log = logging.getLogger(__name__)

# Where systems keep them, if not where OpenSSL was told to look: Debian, Fedora, Alpine and macOS.
SYSTEM_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Roots:
    """Authorities that are trusted; `subjects` are their names. `store` is None if there are none."""

    def __init__(self, certificates: Collection[x509.Certificate]) -> None:
        self.store = Store(list(certificates)) if certificates else None
        self.subjects = frozenset(each.subject for each in certificates)


def read_roots(file: Path | None = None) -> Roots:
    """Read the authorities in this PEM file, or the system's; takes some milliseconds. Raises CertificateError."""
    path = file or _system_file()
    try:
        found = list(_certificates(path.read_bytes()))
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read: {error.strerror}.") from error
    if not found:
        raise CertificateError(f"{path}: holds no certificate in PEM form that can be used.")
    log.debug("%d authorities are trusted, of %s", len(found), path)
    return Roots(found)


def _system_file() -> Path:
    """The system's file, or one that came with this program."""
    configured = ssl.get_default_verify_paths().cafile  # only if it is there
    candidates = [Path(each) for each in (configured, *SYSTEM_FILES) if each]
    return next((each for each in candidates if each.is_file()), Path(certifi.where()))


def _certificates(pem: bytes) -> Iterator[x509.Certificate]:
    """Those that can be used: one that is malformed does not take the others with it."""
    for block in PEM.findall(pem):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old roots have what is not allowed any more
            try:
                certificate = x509.load_pem_x509_certificate(block)
                certificate.subject  # noqa: B018  # parsed now
            except ValueError as error:
                log.debug("an authority's certificate is left out: %s", error)
                continue
        yield certificate
