"""Whether the certificates that another server shows are good for its domain."""

from collections.abc import Sequence
from typing import Any

Roots = Any


class CertificateRejected(Exception):
    """Why they are not: `told` is for the other side's administrator, `sender_told` for people here."""

    def __init__(self, told: str) -> None:
        super().__init__(told)
        self.told = self.sender_told = told


def verify(chain: Sequence[bytes], domain: str, roots: Roots, *, pinned: str | None = None) -> None:
    """Raise CertificateRejected if these certificates do not show that a server is this domain's."""
    raise CertificateRejected("Your server shows no certificate")
