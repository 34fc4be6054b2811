"""The mechanisms of FAST: HT (draft-schmaus-kitten-sasl-ht) with SHA-256. The server's side, data in, data out.

    initiator   AUTHCID NUL HMAC(token, "Initiator" CHANNEL_BINDING)
    responder   HMAC(token, "Responder" CHANNEL_BINDING)
"""

import hmac
from collections.abc import Callable, Mapping

from handlers.login.sasl.exchange import Verdict, claimed_account, text_of
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID

HASH, HASH_BYTES = "sha256", 32
BINDINGS: Mapping[str, str | None] = {
    "HT-SHA-256-EXPR": "tls-exporter",
    "HT-SHA-256-UNIQ": "tls-unique",
    "HT-SHA-256-ENDP": "tls-server-end-point",
    "HT-SHA-256-NONE": None,
}
"""The type of channel binding that each mechanism needs, strongest first."""

Fits = Callable[[bytes], bool]
TokenOf = Callable[[JID, Fits], bytes | None]
"""(account, fits) -> the client's token that fits. As much is done if there is none, or no such account."""


class HashedToken:
    """One exchange, which is one message. `binding`: the data of the channel."""

    def __init__(self, host: str, binding: bytes, token_of: TokenOf) -> None:
        self._host = host
        self._binding = binding
        self._token_of = token_of

    def respond(self, data: bytes) -> Verdict:
        """Take the initiator's message. Raises SASLFailure."""
        name, _, proof = data.partition(b"\0")
        if not name or len(proof) != HASH_BYTES:
            raise SASLFailure("malformed-request", "expected authcid NUL and a hash of the token")
        account = claimed_account(text_of(name), "", self._host)
        token = self._token_of(account, lambda token: hmac.compare_digest(self._hashed(token, b"Initiator"), proof))
        return Verdict(account, token is not None, self._hashed(token or b"", b"Responder"))

    def _hashed(self, token: bytes, side: bytes) -> bytes:
        return hmac.digest(token, side + self._binding, HASH)


def available(bindings: Mapping[str, bytes]) -> dict[str, bytes]:
    """The mechanisms that a stream with these channel bindings can have, with the data that each binds to."""
    return {
        name: bindings[kind] if kind else b""
        for name, kind in BINDINGS.items()
        if kind is None or kind in bindings
    }
