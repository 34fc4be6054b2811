"""Has OpenSSL take any certificate that a peer shows, or none: who it is, we judge when hands are shaken.

Python's ssl asks a client for a certificate only if OpenSSL then judges it: one that is expired, self-signed or, as
public authorities issue them, for servers only ends the handshake. Nobody learns why then, and no dialback can follow.
So a callback is set in its place (SSL_CTX_set_cert_verify_callback).
"""

import _ssl
import ctypes
import ssl

from xmpp.stream.tls.openssl import library, shake_hands_in_memory, succeeds_in_a_copy, word_at

SET_CALLBACK, GET_MODE = "SSL_CTX_set_cert_verify_callback", "SSL_CTX_get_verify_mode"
POINTER_AT = object.__basicsize__  # in an SSLContext, its SSL_CTX* comes first
MAX_CERTIFICATES = 8
MAX_CHAIN_BYTES = 32 * 1024

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class AnyCertificate:
    """OpenSSL's functions, and the callback, which must live as long as the contexts that it is set in."""

    def __init__(self) -> None:
        """Raises AttributeError, OSError or MemoryError if this Python's OpenSSL cannot be reached from here."""
        functions = library()
        self._set_callback, self._mode = getattr(functions, SET_CALLBACK), getattr(functions, GET_MODE)
        self._set_callback.argtypes, self._set_callback.restype = [ctypes.c_void_p, _Callback, ctypes.c_void_p], None
        self._mode.argtypes, self._mode.restype = [ctypes.c_void_p], ctypes.c_int
        self._callback = _Callback(lambda _store, _argument: 1)

    def take(self, context: ssl.SSLContext) -> None:
        """Have handshakes with this context succeed whatever certificate is shown. `works` must have said yes."""
        self._set_callback(word_at(context, POINTER_AT), self._callback, None)

    def works(self, server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
        """Try it out, with two contexts that nobody uses else; the client has a certificate. Blocks for some
        milliseconds."""
        return succeeds_in_a_copy(lambda: self._is_taken(server, client))

    def _is_taken(self, server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
        for mode in (ssl.CERT_NONE, ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL):
            server.verify_mode = mode
            if self._mode(word_at(server, POINTER_AT)) & 1 != (mode != ssl.CERT_NONE):
                return False
        self.take(server)
        asking, _ = shake_hands_in_memory(server, client)
        return len(shown_chain(asking)) > 0


def shown_chain(layer: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates that the peer has shown, in DER, its own first; () if none. What is more than any honest chain
    has is left out at its end."""
    chain: list[bytes] = []
    size = 0
    for each in layer._sslobj.get_unverified_chain() or ():  # type: ignore[attr-defined]  # public since Python 3.13
        if each is None:  # where a client's certificate would be
            continue
        der: bytes = each.public_bytes(_ssl.ENCODING_DER)
        size += len(der)
        if len(chain) == MAX_CERTIFICATES or size > MAX_CHAIN_BYTES:
            break
        chain.append(der)
    return tuple(chain)
