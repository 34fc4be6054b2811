"""Ids that nobody can guess."""

import secrets

RANDOM_BYTES = 16  # 128 bits, as for anything that is not to be found by trying (RFC 4086 section 8)


def random_id() -> str:
    """An id for what the server makes: stanzas (RFC 6120 section 8.1.3), nodes and items (XEP-0060), resources. Others
    who guessed one could answer in somebody's place, or find what they were not told of."""
    return secrets.token_urlsafe(RANDOM_BYTES)
