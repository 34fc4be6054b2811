"""Ids that nobody can guess."""

import base64
import secrets

RANDOM_BYTES = 16  # 128 bits, so that no id can be found by trying (RFC 4086 section 8)


def random_id() -> str:
    """An id for what the server makes: stanzas (RFC 6120 section 8.1.3), nodes and items (XEP-0060), resources.

    Somebody who guessed one could answer in another's place, or find what was not meant for them.
    """
    return secrets.token_urlsafe(RANDOM_BYTES)


def random_token() -> str:
    """A secret that people pass on as part of an address: small letters and digits only, whatever copies it."""
    return base64.b32encode(secrets.token_bytes(RANDOM_BYTES)).decode().rstrip("=").lower()
