"""How often senders of stanzas were told that something went wrong, by condition (RFC 6120 section 8.3.3)."""

from collections import Counter


class ErrorsTold(Counter[str]):
    """How often each condition was told since the server started. A server has one."""
