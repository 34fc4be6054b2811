"""OpenSSL itself, past Python: the very library that its ssl uses. What it is asked takes pointers that Python does not
give away, so that each use is tried out first, in a process that may crash."""

import _ssl
import ctypes
import faulthandler
import os
import signal
import ssl
from collections.abc import Callable
from contextlib import suppress

from gevent import monkey

TRIAL_SECONDS = 5
YES = b"yes"


def library() -> ctypes.PyDLL:
    """OpenSSL's functions. Raises OSError if this Python's OpenSSL cannot be reached from here."""
    return ctypes.PyDLL(getattr(_ssl, "__file__", None))


def word_at(thing: object, offset: int) -> int:
    """The pointer that an object of Python's ssl has at this offset."""
    return ctypes.c_size_t.from_address(id(thing) + offset).value


def shake_hands_in_memory(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A connection that goes nowhere, as its server and as its client see it. Raises ssl.SSLError if they cannot agree
    on one."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server)
    for side in (asking, answering, asking, answering, asking):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return answering, asking


def succeeds_in_a_copy(check: Callable[[], bool]) -> bool:
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
