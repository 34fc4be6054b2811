"""What another server has kept instead of a password, as it is written down: the salted keys of SCRAM (RFC 5803)."""

import binascii
import re
from base64 import b64decode

from db.accounts import Credential, Credentials
from handlers.login.sasl.salted_keys import HASHES
from handlers.login.sasl.settings import FEWEST_ITERATIONS, MOST_ITERATIONS

MOST_SALT_BYTES = 128
_BASE64 = "[A-Za-z0-9+/]+=*"
_KEYS = re.compile(rf"SCRAM-(?P<hash>SHA-(?:1|256|512))\$(?P<iterations>[0-9]{{1,8}}):(?P<salt>{_BASE64})"
                   rf"\$(?P<stored>{_BASE64}):(?P<server>{_BASE64})")  # fmt: skip
_LOOKS_LIKE_KEYS = re.compile(r"SCRAM-SHA-[0-9]+\$[0-9]+:")


def kept_keys(text: str) -> Credentials | None:
    """The keys that are written here, by hash function, such as `SCRAM-SHA-1$4096:SALT$STORED_KEY:SERVER_KEY`, several
    with a space between; None if it is a password. Raises ValueError for keys that are wrong."""
    if not _LOOKS_LIKE_KEYS.match(text):
        return None
    found = dict[str, Credential]()
    for word in text.split():
        match = _KEYS.fullmatch(word)
        if match is None:
            raise ValueError("expected keys in the form SCRAM-SHA-1$ITERATIONS:SALT$STORED_KEY:SERVER_KEY")
        hash = match["hash"].lower()
        if hash in found:
            raise ValueError(f"there are keys for {hash} twice")
        found[hash] = _credential(hash, match)
    return found


def _credential(hash: str, match: re.Match[str]) -> Credential:
    try:
        salt, stored, server = (b64decode(match[part], validate=True) for part in ("salt", "stored", "server"))
    except binascii.Error:
        raise ValueError("salt and keys have to be in base64") from None
    iterations, size = int(match["iterations"]), HASHES[hash].digest_size
    if len(stored) != size or len(server) != size:
        raise ValueError(f"the keys for {hash} have {size} bytes")
    if len(salt) > MOST_SALT_BYTES:
        raise ValueError(f"a salt has at most {MOST_SALT_BYTES} bytes")
    if not FEWEST_ITERATIONS <= iterations <= MOST_ITERATIONS:
        raise ValueError(f"expected {FEWEST_ITERATIONS} to {MOST_ITERATIONS} iterations")
    return Credential(salt, iterations, stored, server)
