"""The certificates that a peer shows beside its own: which of them are worth a look, so that nobody makes us try every
path, or keys that take long."""

from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MOST_ABOVE = 4  # certificates between a peer's and a root; real ones have one or two
MOST_RSA_BITS, MOST_RSA_EXPONENT_BITS = 8192, 32
SHOWN_CHARACTERS = 100
MALFORMED = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
             x509.UnsupportedGeneralNameType)  # fmt: skip


def usable(certificates: Iterable[x509.Certificate]) -> Iterator[x509.Certificate]:
    """Those that may have issued another one. Of several with the same name and the same key the first: each could have
    issued all of them, and to try every path would take for ever. Keys that take long are left out."""
    seen = set()
    for each in certificates:
        key = each.public_key()
        names = (each.subject, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        if names not in seen and not _takes_long(key):
            seen.add(names)
            yield each


def plain(text: str) -> str:
    """What a certificate says, without what a log or a stream cannot have, and not too long."""
    return "".join(each if each.isprintable() else "?" for each in text[:SHOWN_CHARACTERS])


def _takes_long(key: PublicKeyTypes) -> bool:
    """True for RSA keys that nobody has, with which OpenSSL takes up to 10 ms for a signature."""
    return isinstance(key, RSAPublicKey) and (
        key.key_size > MOST_RSA_BITS or key.public_numbers().e.bit_length() > MOST_RSA_EXPONENT_BITS
    )
