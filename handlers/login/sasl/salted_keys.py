"""What is kept instead of a password: the salted keys of SCRAM (RFC 5802 section 3), for each hash function."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from db.accounts import Credential

HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "sha-1": hashes.SHA1(),
    "sha-256": hashes.SHA256(),
    "sha-512": hashes.SHA512(),
}
SALT_BYTES = 16


def derive(password: str, iterations: int, hashes: Iterable[str] = tuple(HASHES)) -> dict[str, Credential]:
    """The credentials of a prepared password for these hash functions, with new salts. Takes some 20 ms, and lets other
    threads run."""
    return {name: _derive(password, name, new_salt(), iterations) for name in hashes}


def new_salt() -> bytes:
    """The salt of a new credential."""
    return secrets.token_bytes(SALT_BYTES)


def of_salted(salted: bytes, hash: str, salt: bytes, iterations: int) -> Credential:
    """The credential of a password that somebody else has salted so."""
    name = algorithm(hash)
    stored_key = hashlib.new(name, hmac.digest(salted, b"Client Key", name)).digest()
    return Credential(salt, iterations, stored_key, hmac.digest(salted, b"Server Key", name))


def is_right(password: str, hash: str, credential: Credential) -> bool:
    """True if this prepared password is the one of the credential. Takes as long for a false credential."""
    derived = _derive(password, hash, credential.salt, credential.iterations)
    return hmac.compare_digest(derived.stored_key, credential.stored_key)


def false_credential(secret: bytes, account: str, hash: str, iterations: int) -> Credential:
    """A credential for an account that does not exist: always the same for one name, and no password fits. So the salt
    does not tell which accounts there are."""

    def invented(what: str) -> bytes:
        return hmac.digest(secret, "\0".join((what, hash, account)).encode(), "sha512")

    size = HASHES[hash].digest_size
    return Credential(invented("salt")[:SALT_BYTES], iterations, invented("stored")[:size], invented("server")[:size])


def algorithm(hash: str) -> str:
    """The name by which hashlib knows this hash function."""
    return hash.replace("-", "")


def _derive(password: str, hash: str, salt: bytes, iterations: int) -> Credential:
    function = HASHES[hash]
    # Not hashlib's PBKDF2, which takes twice as long with OpenSSL 3.
    salted = PBKDF2HMAC(function, function.digest_size, salt, iterations).derive(password.encode())
    return of_salted(salted, hash, salt, iterations)
