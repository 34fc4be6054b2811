"""The channel binding `tls-exporter` (RFC 9266): keying material that both ends of a connection can export.

Python's ssl exports none. OpenSSL does, and is asked past it.
"""

import ctypes
import ssl
from typing import Any

from xmpp.stream.tls.openssl import library, shake_hands_in_memory, succeeds_in_a_copy, word_at

EXPORT, VERSION, CONTROL = "SSL_export_keying_material", "SSL_version", "SSL_ctrl"
POINTER_AT = object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # in an _ssl._SSLSocket, its SSL* comes second
GET_EXTENDED_MASTER_SECRET = 122  # SSL_get_extms_support is a macro for SSL_ctrl
LABEL, BYTES = b"EXPORTER-Channel-Binding", 32
NUMBERS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

_POINTER = ctypes.c_void_p


class Exporter:
    """OpenSSL's functions."""

    def __init__(self) -> None:
        """Raises AttributeError, OSError or MemoryError if this Python's OpenSSL cannot be reached from here."""
        functions = library()
        self._export, self._version, self._control = (getattr(functions, each) for each in (EXPORT, VERSION, CONTROL))
        texts = [ctypes.c_char_p, ctypes.c_size_t] * 2
        self._export.argtypes = [_POINTER, _POINTER, ctypes.c_size_t, *texts, ctypes.c_int]
        self._version.argtypes = [_POINTER]
        self._control.argtypes = [_POINTER, ctypes.c_int, ctypes.c_long, _POINTER]
        self._export.restype = self._version.restype = ctypes.c_int
        self._control.restype = ctypes.c_long

    def exported(self, layer: ssl.SSLObject | ssl.SSLSocket) -> bytes | None:
        """The binding of this connection, whose hands are shaken; `works` must have said yes. None if it has none:
        below TLS 1.3 another connection may have the same, but where both ends know the extended master secret (RFC
        7627)."""
        pointer = _pointer(layer)
        if layer.version() != "TLSv1.3" and self._control(pointer, GET_EXTENDED_MASTER_SECRET, 0, None) != 1:
            return None
        material = ctypes.create_string_buffer(BYTES)
        # The context is there, and empty, which differs from none below TLS 1.3 (RFC 5705 section 4).
        done = self._export(pointer, material, BYTES, LABEL, len(LABEL), b"", 0, 1)
        return material.raw if done == 1 else None

    def works(self, server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
        """Try it out, with two contexts that nobody uses else. Blocks for some milliseconds."""
        return succeeds_in_a_copy(lambda: self._agrees(server, client))

    def _agrees(self, server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
        """True if both ends of connections of either version export the same, and those of each another. A system may
        allow one version only."""
        seen = list[bytes | None]()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client.maximum_version = version
            try:
                ends = shake_hands_in_memory(server, client)
            except ssl.SSLError:
                continue
            if any(self._version(_pointer(end)) != NUMBERS.get(end.version() or "") for end in ends):
                return False
            exported = {self.exported(end) for end in ends}
            if len(exported) > 1 or None in exported:
                return False
            seen += exported
        return 0 < len(seen) == len(set(seen))


def _pointer(layer: ssl.SSLObject | ssl.SSLSocket) -> int:
    beneath: Any = layer._sslobj  # type: ignore[union-attr]
    return word_at(beneath, POINTER_AT)
