"""Has OpenSSL keep nothing of a connection for another one to go on from.

Tickets are switched off, but a session of TLS 1.2 can be resumed by its id, too. For that OpenSSL keeps 20,000 of them
for hours, each with all certificates that its peer has shown, which may be many; and Python's ssl cannot say no to it.
"""

import ctypes
import ssl
from collections.abc import Callable
from functools import cache

from xmpp.stream.tls.openssl import library, succeeds_in_a_copy, word_at

CONTROL = "SSL_CTX_ctrl"
SET_MODE, GET_MODE = 44, 45  # SSL_CTX_set_session_cache_mode and its like are macros for SSL_CTX_ctrl
OFF, FOR_SERVERS = 0, 2
POINTER_AT = object.__basicsize__  # in an SSLContext, its SSL_CTX* comes first

Control = Callable[[int, int, int, None], int]


def keep_none(context: ssl.SSLContext) -> None:
    """Have connections with this context leave nothing behind. Where OpenSSL cannot be asked for it nobody can be asked
    for certificates either, and what is kept is small. Blocks for some milliseconds the first time."""
    control = _tried_control()
    if control is not None:
        control(word_at(context, POINTER_AT), SET_MODE, OFF, None)


@cache
def _tried_control() -> Control | None:
    """The function, which is tried out first; None if it does not work here."""
    try:
        control = getattr(library(), CONTROL)
        control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
        control.restype = ctypes.c_long
        return control if succeeds_in_a_copy(lambda: _works(control)) else None
    except (AttributeError, OSError, MemoryError):
        return None


def _works(control: Control) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pointer = word_at(context, POINTER_AT)
    before = control(pointer, GET_MODE, 0, None)
    control(pointer, SET_MODE, OFF, None)
    return (before, control(pointer, GET_MODE, 0, None)) == (FOR_SERVERS, OFF)
