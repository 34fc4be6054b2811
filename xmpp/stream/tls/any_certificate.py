"""Has OpenSSL take any certificate that another server shows, or none: who it is, we judge when hands are shaken.

Python's ssl asks a client for a certificate only if OpenSSL then judges it: one that is expired, self-signed or, as
public authorities issue them, for servers only ends the handshake. Nobody learns why then, and no dialback can follow.
So a callback is set in its place (SSL_CTX_set_cert_verify_callback), past Python, in the very library that its ssl
uses. That takes a pointer which Python does not give away; so it is tried out first, in a process that may crash.
"""

import _ssl
import ctypes
import faulthandler
import os
import signal
import ssl
from collections.abc import Callable
from contextlib import suppress

from gevent import monkey

SET_CALLBACK, GET_MODE = "SSL_CTX_set_cert_verify_callback", "SSL_CTX_get_verify_mode"
POINTER_AT = object.__basicsize__  # in an SSLContext, its SSL_CTX* comes first
TRIAL_SECONDS = 5
YES = b"yes"
MAX_CERTIFICATES = 8
MAX_CHAIN_BYTES = 32 * 1024

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class AnyCertificate:
    """OpenSSL's functions, and the callback, which must live as long as the contexts that it is set in."""

    def __init__(self) -> None:
        """Raises AttributeError, OSError or MemoryError if this Python's OpenSSL cannot be reached from here."""
        library = ctypes.PyDLL(getattr(_ssl, "__file__", None))
        self._set_callback, self._mode = getattr(library, SET_CALLBACK), getattr(library, GET_MODE)
        self._set_callback.argtypes, self._set_callback.restype = [ctypes.c_void_p, _Callback, ctypes.c_void_p], None
        self._mode.argtypes, self._mode.restype = [ctypes.c_void_p], ctypes.c_int
        self._callback = _Callback(lambda _store, _argument: 1)

    def take(self, context: ssl.SSLContext) -> None:
        """Have handshakes with this context succeed whatever certificate is shown. `works` must have said yes."""
        self._set_callback(_pointer(context), self._callback, None)

    def works(self, server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
        """Try it out, with two contexts that nobody uses else; the client has a certificate. Blocks for some
        milliseconds."""
        return _succeeds_in_a_copy(lambda: self._is_taken(server, client))

    def _is_taken(self, server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
        for mode in (ssl.CERT_NONE, ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL):
            server.verify_mode = mode
            if self._mode(_pointer(server)) & 1 != (mode != ssl.CERT_NONE):
                return False
        self.take(server)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        asking = server.wrap_bio(to_server, to_client, server_side=True)
        showing = client.wrap_bio(to_client, to_server)
        for side in (showing, asking, showing, asking):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
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


def _pointer(context: ssl.SSLContext) -> int:
    return ctypes.c_size_t.from_address(id(context) + POINTER_AT).value


def _succeeds_in_a_copy(check: Callable[[], bool]) -> bool:
    """True if this is true in a copy of this process: if it crashes, that one has crashed. Raises OSError."""
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as hearing, open(writer, "wb", buffering=0) as telling:
        child = monkey.get_original("os", "fork")()
        if not child:
            try:
                faulthandler.disable()
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(TRIAL_SECONDS)
                if check():
                    telling.write(YES)
            finally:
                os._exit(0)
        telling.close()
        answer = hearing.read(len(YES))
    with suppress(ChildProcessError):  # nobody waits for children where their signal is ignored
        monkey.get_original("os", "waitpid")(child, 0)
    return answer == YES
